#include "traffic/guard.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define DAY_MS ((uint64_t)86400000)

static const struct guard_rules RULES = {.window_ms = 300000,
                                         .every_ms = 30000,
                                         .strikes = 3,
                                         .limits = {.min_requests = 200,
                                                    .max_error_rate = 100,
                                                    .error_rate_over_old = 50,
                                                    .p95_ratio = 200,
                                                    .p95_over_old_ms = 200}};

static bool note(struct guard *guard, enum verdict window, enum verdict latest)
{
    struct comparison a = {.verdict = window, .cause = CAUSE_ERRORS, .reason = "window"};
    struct comparison b = {.verdict = latest, .cause = CAUSE_P95, .reason = "latest"};
    return guard_note(guard, &RULES, &a, &b);
}

Test(guard, a_slot_is_every_but_the_window_has_at_most_sixty)
{
    struct guard_rules rules = RULES;
    cr_assert_eq(guard_slot_ms(&rules), 30000);
    rules.every_ms = 1000;
    cr_assert_eq(guard_slot_ms(&rules), 5000);
    rules.window_ms = 300001;
    cr_assert_eq(guard_slot_ms(&rules), 5001);
}

Test(guard, what_is_lacking_may_not_fit_into_the_window)
{
    struct comparison lacking = {.verdict = VERDICT_INCONCLUSIVE, .seconds_needed = 100};
    const uint64_t window_ms = RULES.window_ms;
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms), window_ms + 100000);
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms - 99999), window_ms + 1);
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms - 100000), 0); /* it fits */
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, 10000), 0); /* too fresh to tell */
    lacking.seconds_needed = UINT64_MAX - 1;
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms), UINT64_MAX);
    lacking.seconds_needed = COMPARE_UNKNOWN;
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms), 0);
    lacking.seconds_needed = 0;
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms), 0);
    lacking = (struct comparison){.verdict = VERDICT_PASS, .seconds_needed = 100};
    cr_assert_eq(guard_window_needed_ms(&RULES, &lacking, window_ms), 0);
}

Test(guard, strikes_in_a_row_fail_and_a_good_look_between_takes_them_back)
{
    struct guard guard = {0};
    cr_assert_not(note(&guard, VERDICT_FAIL, VERDICT_INCONCLUSIVE));
    cr_assert_not(note(&guard, VERDICT_FAIL, VERDICT_INCONCLUSIVE));
    cr_assert_eq(guard.strikes, 2);
    cr_assert_not(note(&guard, VERDICT_INCONCLUSIVE, VERDICT_PASS));
    cr_assert_eq(guard.strikes, 0);
    cr_assert_not(note(&guard, VERDICT_FAIL, VERDICT_PASS));
    cr_assert_not(note(&guard, VERDICT_PASS, VERDICT_FAIL)); /* the latest slot is a strike, too */
    cr_assert(note(&guard, VERDICT_FAIL, VERDICT_FAIL));
    cr_assert(guard.has_failed);
    cr_assert_eq(guard.cause, CAUSE_ERRORS);
    cr_assert_str_eq(guard.reason, "window");
}

Test(guard, a_later_pass_does_not_take_the_latch_back)
{
    struct guard guard = {0};
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(note(&guard, VERDICT_INCONCLUSIVE, VERDICT_FAIL), i == 2);
    cr_assert_str_eq(guard.reason, "latest");
    for (unsigned i = 0; i < 100; i++)
        cr_assert_not(note(&guard, VERDICT_PASS, VERDICT_PASS));
    cr_assert(guard.has_failed);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_not(note(&guard, VERDICT_FAIL, VERDICT_FAIL)); /* told once */
    cr_assert_str_eq(guard.reason, "latest");
    guard_begin(&guard);
    cr_assert(guard.has_failed && guard.strikes == 0);
    guard_reset(&guard);
    cr_assert(!guard.has_failed && guard.reason[0] == '\0' && guard.cause == CAUSE_NONE);
}

Test(guard, sureness_follows_from_how_often_it_is_asked)
{
    double early, later, late, latest, other;
    guard_sureness(&RULES, 28 * DAY_MS, 4, 10, &early, &latest);
    guard_sureness(&RULES, 28 * DAY_MS, 4, 1000, &later, &other);
    guard_sureness(&RULES, 28 * DAY_MS, 4, 20160, &late, &other);
    cr_assert(early > 4.4 && early < 4.7, "%g", early);
    cr_assert(late > 5.9 && late < 6.1, "%g", late);
    cr_assert(early < later && later < late);
    cr_assert_float_eq(latest, 4, 0.01);
    /* all looks of all steps together may be wrong with the half of GUARD_FALSE_ALARM */
    double sum = 0;
    for (uint64_t look = 1; look <= 20160; look++) {
        double z;
        guard_sureness(&RULES, 28 * DAY_MS, 4, look, &z, &other);
        sum += 4 * erfc(z / sqrt(2)) / 2;
    }
    cr_assert(sum > 0.7 * GUARD_FALSE_ALARM / 2 && sum <= GUARD_FALSE_ALARM / 2, "%g", sum);
}

Test(guard, a_plan_without_holds_is_judged_as_one_of_a_day)
{
    double none, day, latest;
    guard_sureness(&RULES, 0, 0, 0, &none, &latest);
    guard_sureness(&RULES, DAY_MS, 1, 1, &day, &latest);
    cr_assert_float_eq(none, day, 1e-9);
}

Test(guard, with_one_strike_a_slot_is_asked_as_sternly_as_the_window)
{
    struct guard_rules rules = RULES;
    double window, latest;
    rules.strikes = 1;
    guard_sureness(&rules, 28 * DAY_MS, 4, 500, &window, &latest);
    cr_assert_float_eq(window, latest, 1e-9);
}

/* ---- both spans at once ---- */

static void count(struct sample *sample, unsigned requests, unsigned failed)
{
    for (unsigned i = 0; i < requests; i++)
        sample->requests[i % SAMPLE_GROUPS]++;
    for (unsigned i = 0; i < failed; i++)
        sample->failed[i % SAMPLE_GROUPS]++;
}

static struct sample window[2], latest[2];
static struct comparison of_window, of_latest;

static bool look(struct guard *guard)
{
    struct guard_seen seen = {.window = window,
                              .latest = latest,
                              .window_ms = 300000,
                              .latest_ms = 30000,
                              .new_is_usable = true,
                              .old_is_usable = true};
    return guard_look(guard, &RULES, 28 * DAY_MS, 4, &seen, &of_window, &of_latest);
}

Test(guard, a_side_that_breaks_after_a_good_past_fails_within_its_strikes)
{
    struct guard guard = {0};
    count(&window[0], 90000, 90);
    count(&window[1], 100000, 100);
    count(&latest[0], 900, 1);
    count(&latest[1], 100, 1);
    cr_assert_not(look(&guard));
    cr_assert_eq(of_window.verdict, VERDICT_PASS);
    cr_assert_eq(guard.strikes, 0);
    count(&latest[1], 0, 39); /* 40 of 100, though the window has 0.1 % */
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(look(&guard), i == 2);
    cr_assert_eq(of_latest.verdict, VERDICT_FAIL);
    cr_assert_eq(of_window.verdict, VERDICT_INCONCLUSIVE, "nobody is sent on by the past");
    cr_assert_eq(of_window.cause, CAUSE_NOT_SURE);
    cr_assert_eq(memcmp(of_window.reason, "just now errors", 15), 0, "%s", of_window.reason);
    cr_assert_eq(guard.looks, 4);
}

Test(guard, the_window_has_the_requests_that_the_slot_lacks)
{
    struct guard guard = {0};
    count(&window[0], 900, 0);
    count(&window[1], 199, 100);
    count(&latest[0], 100, 0);
    count(&latest[1], 100, 100);
    cr_assert_not(look(&guard));
    cr_assert_eq(of_window.cause, CAUSE_FEW_REQUESTS);
    cr_assert_eq(of_latest.cause, CAUSE_FEW_REQUESTS);
    cr_assert_eq(guard.strikes, 0);
    count(&window[1], 1, 1);
    cr_assert_not(look(&guard));
    cr_assert_eq(of_latest.verdict, VERDICT_FAIL);
    cr_assert_eq(guard.strikes, 1);
}

Test(guard, both_sides_down_is_no_strike)
{
    struct guard guard = {0};
    struct guard_seen seen = {.window = window, .window_ms = 30000, .latest = latest};
    count(&window[0], 5000, 5);
    count(&window[1], 5000, 5);
    count(&latest[0], 100, 100);
    count(&latest[1], 100, 100);
    for (unsigned i = 0; i < 2 * RULES.strikes; i++)
        cr_assert_not(guard_look(&guard, &RULES, DAY_MS, 1, &seen, &of_window, &of_latest));
    cr_assert_eq(of_window.cause, CAUSE_FAILING_OVER);
    cr_assert_eq(guard.strikes, 0);
}

Test(guard, without_a_complete_slot_the_window_judges_alone)
{
    struct guard guard = {0};
    struct guard_seen seen = {.window = window, .window_ms = 30000, .old_is_usable = true};
    cr_assert_not(guard_look(&guard, &RULES, DAY_MS, 1, &seen, &of_window, &of_latest));
    cr_assert_eq(of_latest.cause, CAUSE_NO_EVIDENCE);
    cr_assert_eq(of_window.cause, CAUSE_NEW_DOWN);
    cr_assert_eq(guard.strikes, 1);
}
