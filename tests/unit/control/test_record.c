/* test_record.c - plans, the freeze and the clock in the state's text: there and back, over restarts
 * and reboots. What else stands in it, and the disk: test_store.c. */
#include "control/record.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/check.h"

static struct arena arena;
static struct buf text;
static struct error error;

static void set_up(void)
{
    arena_init(&arena);
    buf_init(&text);
}

static void tear_down(void)
{
    arena_deinit(&arena);
    buf_deinit(&text);
}

TestSuite(record, .init = set_up, .fini = tear_down);

#define DAY_MS  ((uint64_t)86400000)
#define WALL_MS UINT64_C(1795000000123)

static const struct record_clock WRITTEN = {"11111111-boot", 5000000, WALL_MS};

/* One plan in each state, and a freeze. */
static struct state full(void)
{
    struct state state = {.sequence = 7, .weight = 3000, .plan_count = PLAN_STATE_COUNT};
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        state.plans[i] = (struct state_plan){
            .route = arena_printf(&arena, "r%u", i),
            .place = {.state = (enum plan_state)i,
                      .step = i == PLAN_IDLE ? 0 : i,
                      .held_ms = i == PLAN_IDLE ? 0 : 1000 + i,
                      .since_ms = 4000000 + i,
                      .has_failed = i == PLAN_WAITING,
                      .old_rate = 100 * i,
                      .note = "the guard: \"errors\"\n"},
        };
    }
    state.freeze = (struct state_freeze){
        .is_on = true,
        .retry_after_s = 60,
        .routes = {STR("products"), STR("main")},
        .route_count = 2,
        .since_ms = WALL_MS - 5,
    };
    return state;
}

static void encode(const struct state *state, const struct record_clock *clock)
{
    buf_clear(&text);
    record_encode(state, clock, &text);
}

static struct state decode(const struct record_clock *now)
{
    struct state state;
    cr_assert(record_decode(buf_str(&text), now, &state, &arena, &error), "%s", error.text);
    return state;
}

static void expect_place(const struct plan_place *a, const struct plan_place *b)
{
    cr_assert_eq(a->state, b->state);
    cr_assert_eq(a->step, b->step);
    cr_assert_eq(a->held_ms, b->held_ms, "%llu, not %llu", (unsigned long long)a->held_ms,
                 (unsigned long long)b->held_ms);
    cr_assert_eq(a->since_ms, b->since_ms);
    cr_assert_eq(a->has_failed, b->has_failed);
    cr_assert_eq(a->old_rate, b->old_rate);
    cr_assert_str_eq(a->note, b->note);
}

Test(record, every_state_of_a_plan_comes_back_as_it_was)
{
    struct state before = full();
    encode(&before, &WRITTEN);
    struct state after = decode(&WRITTEN);
    cr_assert_eq(after.plan_count, before.plan_count);
    for (unsigned i = 0; i < before.plan_count; i++) {
        cr_assert(str_eq(after.plans[i].route, before.plans[i].route));
        expect_place(&after.plans[i].place, &before.plans[i].place);
        cr_assert_eq(state_plan_find(&after, before.plans[i].route), &after.plans[i].place);
    }
    cr_assert_null(state_plan_find(&after, STR("main")));
}

Test(record, a_freeze_comes_back_as_it_was)
{
    struct state before = full();
    encode(&before, &WRITTEN);
    struct state after = decode(&WRITTEN);
    cr_assert(after.freeze.is_on);
    cr_assert_eq(after.freeze.retry_after_s, 60u);
    cr_assert_eq(after.freeze.since_ms, WALL_MS - 5);
    cr_assert_eq(after.freeze.route_count, 2u);
    cr_assert(str_eq(after.freeze.routes[0], STR("products")));
    cr_assert(str_eq(after.freeze.routes[1], STR("main")));

    before.freeze.is_on = false;
    encode(&before, &WRITTEN);
    after = decode(&WRITTEN);
    cr_assert_not(after.freeze.is_on);
    cr_assert_eq(after.freeze.route_count, 0u);
}

/* All routes there can be, all plans, the longest notes: the text must not outgrow what is read. */
Test(record, the_largest_state_can_be_read_again)
{
    struct state before = full();
    before.plan_count = PLANS_MAX;
    before.plans[PLANS_MAX - 1] = before.plans[PLAN_HOLDING];
    before.plans[PLANS_MAX - 1].route = STR("another");
    for (unsigned i = 0; i < PLANS_MAX; i++) {
        memset(before.plans[i].place.note, '\x01', PLAN_NOTE_BYTES - 1);
        before.plans[i].place.held_ms = UINT64_MAX;
    }
    before.freeze.route_count = ARRAY_LEN(before.freeze.routes);
    for (unsigned i = 0; i < before.freeze.route_count; i++)
        before.freeze.routes[i] = STR("a-name-that-is-as-long-as-may-be");
    encode(&before, &WRITTEN);
    struct state after = decode(&WRITTEN);
    cr_assert_eq(after.freeze.route_count, ARRAY_LEN(after.freeze.routes));
    cr_assert_str_eq(after.plans[7].place.note, before.plans[7].place.note);
    cr_assert_eq(after.plans[7].place.held_ms, RECORD_TIME_MAX_MS);
    /* ... and what was read can be written and read once more, also after a reboot. */
    struct record_clock next = {"22222222-boot", 10, WALL_MS + DAY_MS};
    after = decode(&next);
    encode(&after, &next);
    (void)decode(&next);
}

static struct plan_place place_after(enum plan_state kind, const struct record_clock *now)
{
    struct state before = full();
    encode(&before, &WRITTEN);
    return decode(now).plans[kind].place;
}

/* The hold that a plan of this state has behind it, as the next process sees it. */
static uint64_t held_after(enum plan_state kind, const struct record_clock *now)
{
    struct plan_place place = place_after(kind, now);
    return plan_held_ms(&place, now->boot_ms);
}

/* Written at boot time 5,000,000 with a hold that began at 4,000,001: 1,000,000 - 1 and what was
 * summed up before. */
#define HELD_WHEN_WRITTEN (1000 + PLAN_HOLDING + 5000000 - (4000000 + PLAN_HOLDING))

Test(record, in_one_boot_a_hold_goes_on_to_the_millisecond_whatever_the_wall_clock_does)
{
    const int64_t jumps[] = {0, 1, -1, (int64_t)DAY_MS, -(int64_t)DAY_MS, -(int64_t)WALL_MS};
    for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
        struct record_clock now = WRITTEN;
        now.boot_ms += 3456;
        now.wall_ms = (uint64_t)((int64_t)now.wall_ms + 3456 + jumps[i]);
        cr_assert_eq(held_after(PLAN_HOLDING, &now), HELD_WHEN_WRITTEN + 3456u);
        struct state before = full();
        struct plan_place place = place_after(PLAN_HOLDING, &now);
        expect_place(&place, &before.plans[PLAN_HOLDING].place);
    }
}

Test(record, after_a_reboot_a_hold_goes_on_by_the_wall_clock)
{
    struct record_clock now = {"22222222-boot", 77, WALL_MS + DAY_MS};
    cr_assert_eq(held_after(PLAN_HOLDING, &now), HELD_WHEN_WRITTEN + DAY_MS);
    cr_assert_eq(place_after(PLAN_HOLDING, &now).since_ms, 77u);
    now.wall_ms = WALL_MS;
    cr_assert_eq(held_after(PLAN_HOLDING, &now), (uint64_t)HELD_WHEN_WRITTEN);
}

Test(record, after_a_reboot_with_a_wall_clock_that_is_behind_nothing_is_lost_or_won)
{
    struct record_clock now = {"22222222-boot", 77, WALL_MS - DAY_MS};
    cr_assert_eq(held_after(PLAN_HOLDING, &now), (uint64_t)HELD_WHEN_WRITTEN);
    now.wall_ms = 0;
    cr_assert_eq(held_after(PLAN_HOLDING, &now), (uint64_t)HELD_WHEN_WRITTEN);
    now.boot_ms += 10;
    struct plan_place place = place_after(PLAN_HOLDING, &now);
    cr_assert_eq(plan_held_ms(&place, now.boot_ms + 5), HELD_WHEN_WRITTEN + 5u);
}

Test(record, a_reboot_changes_nothing_for_a_plan_whose_clock_stands)
{
    struct record_clock now = {"22222222-boot", 77, WALL_MS + DAY_MS};
    const enum plan_state standing[] = {PLAN_IDLE, PLAN_PAUSED, PLAN_WAITING, PLAN_ROLLED_BACK,
                                        PLAN_FINISHED};
    struct state before = full();
    for (size_t i = 0; i < ARRAY_LEN(standing); i++) {
        struct plan_place place = place_after(standing[i], &now);
        before.plans[standing[i]].place.since_ms = 77;
        expect_place(&place, &before.plans[standing[i]].place);
    }
    cr_assert_eq(held_after(PLAN_SOAKING, &now),
                 1000 + PLAN_SOAKING + 5000000 - (4000000 + PLAN_SOAKING) + DAY_MS);
}

/* Two boots that have no name may be two: only the wall clock tells. */
Test(record, a_kernel_that_does_not_name_its_boots_is_a_new_one_each_time)
{
    struct record_clock nameless = {"", 5000000, WALL_MS};
    struct state before = full();
    encode(&before, &nameless);
    nameless.boot_ms = 20;
    nameless.wall_ms += 1000;
    struct plan_place place = decode(&nameless).plans[PLAN_HOLDING].place;
    cr_assert_eq(plan_held_ms(&place, 20), HELD_WHEN_WRITTEN + 1000u);
}

Test(record, a_hold_that_begins_in_the_future_begins_now)
{
    struct record_clock now = WRITTEN;
    now.boot_ms = 3999999; /* before since_ms, in the same boot */
    struct plan_place place = place_after(PLAN_HOLDING, &now);
    cr_assert_eq(place.since_ms, 3999999u);
    cr_assert_eq(place.held_ms, 1000u + PLAN_HOLDING);
}

/* Text with a line of its own, and the checksum that belongs to it. */
static bool reads(const char *line, struct state *state)
{
    char checksum[RECORD_CHECKSUM_BYTES + 1];
    buf_clear(&text);
    record_checksum(str_of(line), checksum);
    buf_printf(&text, "%s\n%s\n", line, checksum);
    return record_decode(buf_str(&text), &WRITTEN, state, &arena, &error);
}

#define BEGIN                                                                               \
    "{\"version\":1,\"sequence\":1,\"changed_ms\":2,\"weight\":3,\"routes\":[],\"admin\":{" \
    "\"old\":"                                                                              \
    "\"ready\",\"new\":\"ready\"},\"last\":{\"what\":\"\",\"route\":\"\",\"actor\":\"\","   \
    "\"reason\":"                                                                           \
    "\"\",\"from\":0,\"to\":0}"
#define CLOCK "\"clock\":{\"boot_id\":\"11111111-boot\",\"boot_ms\":5,\"wall_ms\":6}"
#define PLACE(state, step, rest) \
    "{\"route\":\"main\",\"state\":\"" state "\",\"step\":" step ",\"held_ms\":" rest "}"
#define GOOD_REST "9,\"since_ms\":4,\"failed\":false,\"old_rate\":0,\"note\":\"n\""

Test(record, a_text_that_is_older_than_plans_is_read)
{
    struct state state;
    cr_assert(reads(BEGIN "}", &state), "%s", error.text);
    cr_assert_eq(state.plan_count, 0u);
    cr_assert_not(state.freeze.is_on);
}

Test(record, members_that_are_not_known_are_passed_over)
{
    struct state state;
    cr_assert(reads(BEGIN "," CLOCK ",\"more\":[1],\"plans\":[" PLACE("paused", "2",
                                                                      GOOD_REST ",\"more\":1") "]}",
                    &state),
              "%s", error.text);
    cr_assert_eq(state.plans[0].place.state, PLAN_PAUSED);
    cr_assert_eq(state.plans[0].place.held_ms, 9u);
}

/* Without a clock nothing is known about the time between: none is made up. */
Test(record, a_plan_without_a_clock_keeps_what_it_held)
{
    struct state state;
    cr_assert(reads(BEGIN ",\"plans\":[" PLACE("holding", "2", GOOD_REST) "]}", &state));
    cr_assert_eq(plan_held_ms(&state.plans[0].place, WRITTEN.boot_ms), 9u);
}

Test(record, what_is_not_wholly_right_is_refused)
{
    static const char *const bad[][2] = {
        {"\"plans\":{}", "\"plans\" is not a list"},
        {"\"plans\":[1]", "\"route\" is missing"},
        {"\"plans\":[" PLACE("Holding", "1", GOOD_REST) "]", "\"state\" is not one of a plan"},
        {"\"plans\":[" PLACE("", "1", GOOD_REST) "]", "\"state\" is not one of a plan"},
        {"\"plans\":[" PLACE("holding", "0", GOOD_REST) "]", "contradict"},
        {"\"plans\":[" PLACE("idle", "1", GOOD_REST) "]", "contradict"},
        {"\"plans\":[" PLACE("holding", "101", GOOD_REST) "]", "0..100"},
        {"\"plans\":[" PLACE("holding", "-1", GOOD_REST) "]", "\"step\""},
        {"\"plans\":[" PLACE("holding", "1", "-9") "]", "\"held_ms\""},
        {"\"plans\":[" PLACE("holding", "1", "9223372036854775807") "]", "\"held_ms\""},
        {"\"plans\":[" PLACE("holding", "1", "9,\"since_ms\":\"x\"") "]", "\"since_ms\""},
        {"\"plans\":[" PLACE("holding", "1", "9,\"since_ms\":4,\"failed\":0") "]", "\"failed\""},
        {"\"plans\":[" PLACE("holding", "1", "9,\"since_ms\":4,\"failed\":true") "]",
         "\"old_rate\""},
        {"\"plans\":[" PLACE("holding", "1",
                             "9,\"since_ms\":4,\"failed\":true,\"old_rate\":10001") "]",
         "\"old_rate\""},
        {"\"plans\":[" PLACE("holding", "1", "9,\"since_ms\":4,\"failed\":true,\"old_rate\":7") "]",
         "\"note\""},
        {"\"plans\":[" PLACE("holding", "1", GOOD_REST) "," PLACE("idle", "0", GOOD_REST) "]",
         "one route twice"},
        {"\"clock\":1", "\"boot_id\""},
        {"\"clock\":{\"boot_id\":\"x\",\"boot_ms\":1}", "\"wall_ms\""},
        {"\"clock\":{\"boot_id\":\"0123456789012345678901234567890123456789\",\"boot_ms\":1,"
         "\"wall_ms\":1}",
         "too long"},
        {"\"freeze\":{}", "\"on\""},
        {"\"freeze\":{\"on\":1}", "\"on\""},
        {"\"freeze\":{\"on\":true}", "\"retry_after_s\""},
        {"\"freeze\":{\"on\":true,\"retry_after_s\":3601}", "0..3600"},
        {"\"freeze\":{\"on\":true,\"retry_after_s\":1}", "\"since_ms\""},
        {"\"freeze\":{\"on\":true,\"retry_after_s\":1,\"since_ms\":1}", "\"routes\" is missing"},
        {"\"freeze\":{\"on\":true,\"retry_after_s\":1,\"since_ms\":1,\"routes\":[\"\"]}",
         "an empty name"},
        {"\"freeze\":{\"on\":true,\"retry_after_s\":1,\"since_ms\":1,\"routes\":[1]}",
         "an empty name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct state state;
        char line[2048];
        (void)snprintf(line, sizeof(line), "%s,%s}", BEGIN, bad[i][0]);
        cr_assert_not(reads(line, &state), "%s", line);
        cr_assert_not_null(strstr(error.text, bad[i][1]), "%s: %s", bad[i][0], error.text);
    }
}

Test(record, more_plans_than_there_can_be_are_refused)
{
    struct state state;
    buf_clear(&text);
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "%s,\"plans\":[", BEGIN);
    for (unsigned i = 0; i <= PLANS_MAX; i++)
        buf_printf(&line, "%s{}", i == 0 ? "" : ",");
    buf_append(&line, "]}", 3);
    cr_assert_not(reads(buf_str(&line).data, &state));
    cr_assert_not_null(strstr(error.text, "at most 8"), "%s", error.text);
    buf_deinit(&line);
}

/* A longer note, of a later version: cut, not refused. */
Test(record, a_note_that_is_too_long_is_cut)
{
    struct state state;
    struct buf line = BUF_EMPTY;
    buf_printf(&line,
               "%s,\"plans\":[{\"route\":\"main\",\"state\":\"waiting\",\"step\":1,\"held_ms\":0,"
               "\"since_ms\":0,\"failed\":true,\"old_rate\":0,\"note\":\"%0400d\"}]}",
               BEGIN, 7);
    buf_append_char(&line, '\0');
    cr_assert(reads(buf_str(&line).data, &state), "%s", error.text);
    cr_assert_eq(strlen(state.plans[0].place.note), PLAN_NOTE_BYTES - 1u);
    buf_deinit(&line);
}

/* Edited by hand, with the right checksum: read or refused, whatever stands there. */
Test(record, damaged_texts_are_survived)
{
    struct state before = full();
    struct buf whole = BUF_EMPTY;
    struct state state;
    record_encode(&before, &WRITTEN, &whole);
    size_t end = (size_t)str_find_char(buf_str(&whole), '\n', 0);
    char *line = str_dup(str_slice(buf_str(&whole), 0, end));
    uint64_t seed = 1;
    unsigned refused = 0;
    for (unsigned round = 0; round < 5000; round++) {
        static const char BYTES[] = "{}[]\",:0-9e.tx\\";
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t at = (size_t)(seed >> 33) % end;
        char kept = line[at];
        line[at] = BYTES[(seed >> 20) % (sizeof(BYTES) - 1)];
        refused += reads(line, &state) ? 0 : 1;
        line[at] = kept;
    }
    cr_assert(refused > 2000 && refused < 5000, "%u", refused);
    mem_free(line);
    buf_deinit(&whole);
}

Test(record, the_clock_is_that_of_this_boot)
{
    struct record_clock a = record_clock_now();
    struct record_clock b = record_clock_now();
    cr_assert_str_eq(a.boot_id, b.boot_id);
    cr_assert_geq(b.boot_ms, a.boot_ms);
    cr_assert_leq(b.boot_ms - a.boot_ms, 10000u);
    cr_assert_gt(a.wall_ms, UINT64_C(1700000000000));
}
