/* test_repeats.c - refusals over and over: told once, then counted, ever more rarely. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "control/events.h"
#include "control/repeats.h"

static struct repeats *repeats;

static void setup(void)
{
    repeats = repeats_new();
}

static void teardown(void)
{
    repeats_free(repeats);
}

TestSuite(repeats, .init = setup, .fini = teardown);

static struct event refusal(unsigned number)
{
    struct event event = {.actor = "10.0.0.1", .what = "weight", .result = "unknown_route"};

    snprintf(event.reason, sizeof(event.reason), "there is no route \"r%u\"", number);
    return event;
}

static bool note(unsigned number, uint64_t now_ms)
{
    struct event event = refusal(number);

    return repeats_note(repeats, &event, now_ms);
}

Test(repeats, the_first_of_a_kind_is_an_event_and_the_rest_is_counted)
{
    struct event told;

    cr_assert(note(1, 1000));
    for (unsigned i = 0; i < 12; i++)
        cr_assert_not(note(1, 2000 + i));
    cr_assert(note(2, 2000));
    cr_assert_not(repeats_next(repeats, 10999, &told));
    cr_assert(repeats_next(repeats, 11000, &told));
    cr_assert_str_eq(told.reason, "(12 more times in 10 s) there is no route \"r1\"");
    cr_assert_str_eq(told.actor, "10.0.0.1");
    cr_assert_str_eq(told.what, "weight");
    cr_assert_str_eq(told.result, "unknown_route");
    cr_assert_not(repeats_next(repeats, 11000, &told));
}

Test(repeats, one_that_comes_seldom_is_an_event_each_time)
{
    struct event told;

    for (uint64_t ms = 0; ms < 100 * (uint64_t)REPEATS_FIRST_MS; ms += REPEATS_FIRST_MS) {
        cr_assert(note(1, ms));
        cr_assert_not(repeats_next(repeats, ms + REPEATS_FIRST_MS - 1, &told));
    }
}

Test(repeats, one_that_goes_on_is_told_ever_more_rarely)
{
    unsigned told_count = 0;
    uint64_t counted = 0, more;
    struct event told;

    cr_assert(note(1, 0));
    for (uint64_t ms = 100; ms <= 24 * (uint64_t)3600 * 1000; ms += 100) {
        cr_assert_not(note(1, ms));
        while (repeats_next(repeats, ms, &told)) {
            cr_assert_eq(sscanf(told.reason, "(%lu more", &more), 1);
            counted += more;
            told_count++;
        }
    }
    /* after 10 s, 100 s, 1000 s, and then each hour */
    cr_assert_geq(told_count, 24);
    cr_assert_leq(told_count, 28);
    cr_assert_geq(counted, (uint64_t)22 * 3600 * 10);
}

Test(repeats, a_kind_that_was_silent_begins_anew)
{
    struct event told;

    cr_assert(note(1, 0));
    for (uint64_t ms = 1; ms < 120000; ms += 500) {
        cr_assert_not(note(1, ms));
        while (repeats_next(repeats, ms, &told)) {
        }
    }
    while (repeats_next(repeats, REPEATS_LAST_MS, &told)) {
    }
    cr_assert(note(1, 2 * REPEATS_LAST_MS));
    cr_assert_not(note(1, 2 * REPEATS_LAST_MS + 1));
    cr_assert(repeats_next(repeats, 2 * REPEATS_LAST_MS + REPEATS_FIRST_MS, &told));
    cr_assert_str_eq(told.reason, "(1 more time in 10 s) there is no route \"r1\"");
}

Test(repeats, too_many_kinds_are_counted_together)
{
    unsigned events = 0, told_count = 0;
    struct event told;

    for (unsigned i = 0; i < 10000; i++)
        events += note(i, i) ? 1 : 0;
    cr_assert_eq(events, REPEATS_KINDS);
    while (repeats_next(repeats, REPEATS_FIRST_MS, &told)) {
        cr_assert_str_eq(told.actor, "several");
        cr_assert_eq(strncmp(told.reason, "(9936 more times", 16), 0, "%s", told.reason);
        told_count++;
    }
    cr_assert_eq(told_count, 1);
    cr_assert(note(1, REPEATS_QUIET_MS + 10000), "and those that are silent make room again");
}
