/* test_plan.c - the plan as a state machine: every order and every move from every state, time, and
 * what holds whatever happens. */
#include "traffic/plan.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "traffic/bucket.h"

#define HOUR_MS ((uint64_t)3600000)
#define DAY_MS  (24 * HOUR_MS)
#define BEGAN   ((uint64_t)1000000)

#define HOOK STR_INIT("http://h/")

/* Step 2 and 3 ask before and after; 1 and 4 do not. */
static const struct plan_step steps[] = {
    {.weight = 1000, .hold_ms = 7 * DAY_MS},
    {.weight = 3000, .hold_ms = 7 * DAY_MS, .before = HOOK, .after = HOOK},
    {.weight = 7000, .hold_ms = 7 * DAY_MS, .before = HOOK, .after = HOOK},
    {.weight = 10000, .hold_ms = 14 * DAY_MS},
};
static const struct plan manual = {.steps = steps, .step_count = ARRAY_LEN(steps)};
static const struct plan automatic = {
    .is_auto = true, .steps = steps, .step_count = ARRAY_LEN(steps)};
static const struct plan nothing = {0};

static struct error error;

static struct plan_place at(enum plan_state state, unsigned step)
{
    return (struct plan_place){.state = state, .step = step, .since_ms = BEGAN};
}

static bool is_same(const struct plan_place *a, const struct plan_place *b)
{
    return a->state == b->state && a->step == b->step && a->held_ms == b->held_ms &&
           a->since_ms == b->since_ms && a->has_failed == b->has_failed &&
           strcmp(a->note, b->note) == 0;
}

/* ---- names ---- */

Test(plan, states_have_names_that_are_read_strictly)
{
    enum plan_state state;
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        cr_assert(plan_state_parse(str_of(plan_state_name((enum plan_state)i)), &state));
        cr_assert_eq(state, i);
    }
    cr_assert_str_eq(plan_state_name(PLAN_ROLLED_BACK), "rolled_back");
    cr_assert_not(plan_state_parse(STR(""), &state));
    cr_assert_not(plan_state_parse(STR("Idle"), &state));
    cr_assert_not(plan_state_parse(STR("idle "), &state));
}

/* ---- orders ---- */

enum order { START, ADVANCE, PAUSE, RESUME, ABORT, FINISH, ORDERS };

static const char *const order_names[] = {"start", "advance", "pause", "resume", "abort", "finish"};

/* What an order does to a place, as a word: "-" refused, "2" to step 2, or the state that it is in
 * then. The weight is 25 %. */
static const char *result_of(enum order order, struct plan_place *place)
{
    static const char *const numbers[] = {"0", "1", "2", "3", "4"};
    unsigned to = 0;
    bool good = false;
    switch (order) {
    case START:
        good = plan_start(&manual, place, 2500, false, false, &to, &error);
        break;
    case ADVANCE:
        good = plan_advance(&manual, place, false, false, &to, &error);
        break;
    case PAUSE:
        good = plan_pause(place, BEGAN + 5, &error);
        break;
    case RESUME:
        good = plan_resume(&manual, place, BEGAN + 5, &error);
        break;
    case ABORT:
        good = plan_abort(place, BEGAN + 5, &error);
        break;
    case FINISH:
        good = plan_finish(&manual, place, BEGAN + 5, &error);
        break;
    case ORDERS:
        break;
    }
    return !good ? "-" : to > 0 ? numbers[to] : plan_state_name(place->state);
}

static const struct {
    enum plan_state state;
    unsigned step;
    const char *results[ORDERS];
} orders[] = {
    /*                      start, advance, pause, resume, abort, finish */
    {PLAN_IDLE, 0, {"2", "-", "-", "-", "-", "-"}},
    {PLAN_HOLDING, 1, {"-", "2", "paused", "-", "idle", "-"}},
    {PLAN_HOLDING, 3, {"-", "4", "paused", "-", "idle", "-"}},
    {PLAN_PAUSED, 1, {"-", "2", "-", "holding", "idle", "-"}},
    {PLAN_PAUSED, 4, {"-", "-", "-", "soaking", "idle", "finished"}},
    {PLAN_WAITING, 2, {"-", "3", "-", "-", "idle", "-"}},
    {PLAN_WAITING, 4, {"-", "-", "-", "-", "idle", "finished"}},
    {PLAN_ROLLED_BACK, 2, {"2", "-", "-", "-", "idle", "-"}},
    {PLAN_ROLLED_BACK, 4, {"2", "-", "-", "-", "idle", "-"}},
    {PLAN_SOAKING, 4, {"-", "-", "paused", "-", "idle", "finished"}},
    {PLAN_FINISHED, 4, {"2", "-", "-", "-", "idle", "-"}},
};

Test(plan, every_order_from_every_state)
{
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        for (unsigned order = 0; order < ORDERS; order++) {
            struct plan_place place = at(orders[i].state, orders[i].step);
            struct plan_place before = place;
            error.text[0] = '\0';
            const char *result = result_of((enum order)order, &place);
            cr_expect_str_eq(result, orders[i].results[order], "%s in %s %u", order_names[order],
                             plan_state_name(before.state), before.step);
            /* Refused, or only told to which step: nothing has changed. */
            if (result[0] == '-' || (result[0] >= '1' && result[0] <= '4'))
                cr_expect(is_same(&place, &before), "%s changed %s", order_names[order],
                          plan_state_name(before.state));
            cr_expect_eq(result[0] == '-', error.text[0] != '\0');
        }
    }
}

Test(plan, a_refusal_says_where_the_plan_is_and_what_to_do)
{
    static const struct {
        enum order order;
        enum plan_state state;
        unsigned step;
        const char *text;
    } refusals[] = {
        {PAUSE, PLAN_IDLE, 0, "the plan is idle: start it first"},
        {ABORT, PLAN_IDLE, 0, "the plan is idle: there is nothing to abort"},
        {START, PLAN_HOLDING, 2,
         "the plan is holding in step 2: it can be paused, advanced or aborted"},
        {START, PLAN_SOAKING, 4,
         "the plan is soaking in step 4: it can be paused, finished or aborted"},
        {START, PLAN_PAUSED, 2, "the plan is paused in step 2: resume it first, or abort it"},
        {PAUSE, PLAN_PAUSED, 2, "the plan is paused in step 2: its clock stands already"},
        {PAUSE, PLAN_WAITING, 2, "the plan is waiting in step 2: its clock stands already"},
        {RESUME, PLAN_WAITING, 2, "the plan is waiting in step 2: advance or abort it"},
        {RESUME, PLAN_WAITING, 4, "the plan is waiting in step 4: finish or abort it"},
        {ADVANCE, PLAN_SOAKING, 4, "step 4 is the last one: finish the plan"},
        {ADVANCE, PLAN_ROLLED_BACK, 3, "the plan was rolled back in step 3: start it again first"},
        {RESUME, PLAN_FINISHED, 4,
         "the plan is finished: it can only be started again, or aborted"},
        {FINISH, PLAN_HOLDING, 2,
         "the plan is in step 2 of 4: advance it to the last one first, or abort it, which leaves "
         "the weight as it is"},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct plan_place place = at(refusals[i].state, refusals[i].step);
        cr_expect_str_eq(result_of(refusals[i].order, &place), "-");
        cr_expect_str_eq(error.text, refusals[i].text);
    }
}

Test(plan, after_a_failure_a_refusal_names_only_what_can_be_done)
{
    static const struct {
        enum plan_state state;
        unsigned step;
        const char *text;
    } refusals[] = {
        {PLAN_WAITING, 2,
         "the plan is waiting in step 2: take the users back, advance it with force, or abort it"},
        {PLAN_WAITING, 4, "the plan is waiting in step 4: take the users back, finish or abort it"},
        {PLAN_PAUSED, 2,
         "the guard has failed in step 2: take the users back; or advance with force; or abort and "
         "start, which begins the step anew"},
        {PLAN_PAUSED, 4,
         "the guard has failed in step 4: take the users back; or finish; or abort and start, "
         "which begins the step anew"},
    };
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct plan_place place = at(refusals[i].state, refusals[i].step);
        place.has_failed = true;
        cr_expect_str_eq(result_of(RESUME, &place), "-");
        cr_expect_str_eq(error.text, refusals[i].text);
    }
}

Test(plan, a_start_joins_at_the_first_step_that_takes_nobody_back)
{
    static const unsigned joins[][2] = {{0, 1},    {1, 1},    {1000, 1}, {1001, 2},
                                        {3000, 2}, {7000, 3}, {7001, 4}, {10000, 4}};
    const enum plan_state from[] = {PLAN_IDLE, PLAN_ROLLED_BACK, PLAN_FINISHED};
    for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
        for (size_t j = 0; j < ARRAY_LEN(from); j++) {
            struct plan_place place = at(from[j], 0);
            unsigned to = 0;
            cr_assert(plan_start(&manual, &place, joins[i][0], false, false, &to, &error));
            cr_assert_eq(to, joins[i][1], "%u", joins[i][0]);
        }
    }
}

Test(plan, a_start_while_a_side_fails_over_takes_force)
{
    struct plan_place place = at(PLAN_IDLE, 0);
    unsigned to = 99;
    cr_assert_not(plan_start(&manual, &place, 0, true, false, &to, &error));
    cr_assert_not_null(strstr(error.text, "with force"));
    cr_assert_eq(to, 99u);
    cr_assert(plan_start(&manual, &place, 0, true, true, &to, &error));
    cr_assert_eq(to, 1u);
    place = at(PLAN_PAUSED, 1); /* force does not start what is under way */
    cr_assert_not(plan_start(&manual, &place, 0, true, true, &to, &error));
}

Test(plan, a_start_above_every_step_is_refused)
{
    const struct plan two = {.steps = steps, .step_count = 2};
    struct plan_place place = at(PLAN_IDLE, 0);
    unsigned to = 99;
    cr_assert_not(plan_start(&two, &place, 3025, false, false, &to, &error));
    cr_assert_str_eq(error.text, "the weight is 30.25 %, above that of every step (the last has 30 "
                                 "%): lower it first, or add a step");
    cr_assert_eq(to, 99u);
    cr_assert(plan_start(&two, &place, 3000, false, false, &to, &error));
    cr_assert_eq(to, 2u);
}

Test(plan, without_steps_every_order_but_abort_is_refused)
{
    struct plan_place place = at(PLAN_IDLE, 0);
    unsigned to;
    cr_assert_not(plan_start(&nothing, &place, 0, false, false, &to, &error));
    cr_assert_not_null(strstr(error.text, "there is no plan"));
    cr_assert_not(plan_advance(&nothing, &place, false, true, &to, &error));
    cr_assert_not(plan_resume(&nothing, &place, 0, &error));
    cr_assert_not(plan_finish(&nothing, &place, 0, &error));
    cr_assert_not_null(strstr(error.text, "there is no plan"));
}

/* ---- the latch ---- */

Test(plan, a_latched_guard_is_overruled_by_force_alone)
{
    const enum plan_state active[] = {PLAN_HOLDING, PLAN_PAUSED, PLAN_WAITING};
    for (size_t i = 0; i < ARRAY_LEN(active); i++) {
        struct plan_place place = at(active[i], 2);
        unsigned to = 0;
        place.has_failed = true;
        (void)snprintf(place.note, sizeof(place.note), "errors 7 %%, old 0.1 %%");
        cr_assert_not(plan_advance(&manual, &place, false, false, &to, &error));
        cr_assert_not_null(strstr(error.text, "the guard has failed in step 2 (errors 7 %"), "%s",
                           error.text);
        cr_assert_not_null(strstr(error.text, "force"));
        cr_assert(plan_advance(&manual, &place, false, true, &to, &error));
        cr_assert_eq(to, 3u);
        cr_assert_not(plan_resume(&manual, &place, BEGAN, &error));
    }
}

Test(plan, force_does_not_find_a_step_behind_the_last)
{
    struct plan_place place = at(PLAN_SOAKING, 4);
    unsigned to = 0;
    cr_assert_not(plan_advance(&manual, &place, false, true, &to, &error));
    place = at(PLAN_IDLE, 0);
    cr_assert_not(plan_advance(&manual, &place, false, true, &to, &error));
}

Test(plan, nobody_goes_on_while_requests_fail_over_but_by_force)
{
    struct plan_place place = at(PLAN_WAITING, 2);
    unsigned to = 0;
    cr_assert_not(plan_advance(&manual, &place, true, false, &to, &error));
    cr_assert_not_null(strstr(error.text, "failing over"));
    cr_assert(plan_advance(&manual, &place, true, true, &to, &error));
}

Test(plan, what_takes_the_latch_back)
{
    struct plan_place failed = at(PLAN_WAITING, 2);
    failed.has_failed = true;
    struct plan_place place = failed;
    plan_enter(&manual, &place, 3, BEGAN);
    cr_assert_not(place.has_failed);
    place = failed;
    cr_assert(plan_abort(&place, BEGAN, &error));
    cr_assert_not(place.has_failed);
    /* ... and what does not. */
    place = failed;
    plan_interrupt(&place, BEGAN, "by hand");
    cr_assert(place.has_failed);
    place = failed;
    plan_wait(&place, BEGAN, false, "the hold is over");
    cr_assert(place.has_failed);
    place = failed;
    plan_roll_back(&place, BEGAN, "by hand");
    cr_assert(place.has_failed);
    unsigned to;
    cr_assert(plan_start(&manual, &place, 0, false, false, &to,
                         &error)); /* an operator who has seen it */
}

/* ---- time ---- */

Test(plan, a_step_is_entered_with_its_whole_hold_before_it)
{
    struct plan_place place = {.state = PLAN_WAITING,
                               .step = 1,
                               .held_ms = 99,
                               .has_failed = true,
                               .note = "the hold is over"};
    plan_enter(&manual, &place, 2, BEGAN);
    struct plan_place wanted = at(PLAN_HOLDING, 2);
    cr_assert(is_same(&place, &wanted));
    cr_assert_eq(plan_left_ms(&manual, &place, BEGAN), 7 * DAY_MS);
    plan_enter(&manual, &place, 4, BEGAN);
    cr_assert_eq(place.state, PLAN_SOAKING);
    cr_assert_eq(plan_left_ms(&manual, &place, BEGAN), 14 * DAY_MS);
}

Test(plan, a_hold_is_over_to_the_millisecond)
{
    struct plan_place place = at(PLAN_HOLDING, 1);
    cr_assert_eq(plan_held_ms(&place, BEGAN + 5), 5u);
    cr_assert_eq(plan_left_ms(&manual, &place, BEGAN + 7 * DAY_MS - 1), 1u);
    cr_assert_eq(plan_left_ms(&manual, &place, BEGAN + 7 * DAY_MS), 0u);
    cr_assert_eq(plan_left_ms(&manual, &place, BEGAN + 70 * DAY_MS), 0u);
    cr_assert_eq(plan_held_ms(&place, BEGAN + 70 * DAY_MS), 70 * DAY_MS);
}

Test(plan, a_pause_stops_the_clock_and_resume_goes_on_with_what_was_left)
{
    struct plan_place place = at(PLAN_HOLDING, 1);
    uint64_t now = BEGAN + 2 * DAY_MS;
    cr_assert(plan_pause(&place, now, &error));
    cr_assert_eq(place.held_ms, 2 * DAY_MS);
    cr_assert_gt(strlen(place.note), 0u);
    now += 30 * DAY_MS;
    cr_assert_eq(plan_held_ms(&place, now), 2 * DAY_MS);
    cr_assert_eq(plan_left_ms(&manual, &place, now), 5 * DAY_MS);
    cr_assert(plan_resume(&manual, &place, now, &error));
    cr_assert_eq(place.state, PLAN_HOLDING);
    cr_assert_str_eq(place.note, "");
    cr_assert_eq(plan_left_ms(&manual, &place, now), 5 * DAY_MS);
    cr_assert_eq(plan_left_ms(&manual, &place, now + 4 * DAY_MS), DAY_MS);
}

Test(plan, a_clock_that_went_backwards_counts_as_one_that_stands)
{
    struct plan_place place = at(PLAN_HOLDING, 1);
    place.held_ms = 77;
    cr_assert_eq(plan_held_ms(&place, BEGAN - 1), 77u);
    cr_assert_eq(plan_held_ms(&place, 0), 77u);
    cr_assert_eq(plan_left_ms(&manual, &place, 0), 7 * DAY_MS - 77);
    cr_assert(plan_pause(&place, 5, &error));
    cr_assert_eq(place.held_ms, 77u);
    cr_assert_eq(place.since_ms, 5u);
}

Test(plan, times_do_not_overflow)
{
    struct plan_place place = at(PLAN_HOLDING, 1);
    place.held_ms = UINT64_MAX - 1;
    cr_assert_eq(plan_held_ms(&place, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(plan_left_ms(&manual, &place, UINT64_MAX), 0u);
    const struct plan_step endless[] = {{1, UINT64_MAX, {0}, {0}}, {2, 5, {0}, {0}}};
    const struct plan plan = {.steps = endless, .step_count = 2};
    cr_assert_eq(plan_holds_ms(&plan), UINT64_MAX);
    cr_assert_eq(plan_holds_ms(&manual), 35 * DAY_MS);
    cr_assert_eq(plan_holds_ms(&nothing), 0u);
}

Test(plan, nothing_is_left_where_there_is_no_step)
{
    const struct plan_place idle = at(PLAN_IDLE, 0);
    const struct plan_place lost = at(PLAN_PAUSED, 5);
    cr_assert_eq(plan_left_ms(&manual, &idle, BEGAN), 0u);
    cr_assert_eq(plan_left_ms(&manual, &lost, BEGAN), 0u);
    cr_assert_eq(plan_left_ms(&nothing, &lost, BEGAN), 0u);
}

/* ---- what comes from elsewhere ---- */

Test(plan, a_rollback_reaches_every_plan_but_one_that_is_idle_or_was_taken_back)
{
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        struct plan_place place = at((enum plan_state)i, 2);
        struct plan_place before = place;
        plan_roll_back(&place, BEGAN + 9, "by hand");
        if (i == PLAN_IDLE || i == PLAN_ROLLED_BACK) {
            cr_assert(is_same(&place, &before));
            continue;
        }
        cr_assert_eq(place.state, PLAN_ROLLED_BACK);
        cr_assert_eq(place.step, 2u);
        cr_assert_str_eq(place.note, "by hand");
    }
}

Test(plan, a_weight_set_by_hand_pauses_what_is_under_way)
{
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        struct plan_place place = at((enum plan_state)i, 2);
        struct plan_place before = place;
        plan_interrupt(&place, BEGAN + 9, "by hand");
        if (!plan_is_active(&before)) {
            cr_assert(is_same(&place, &before));
            continue;
        }
        cr_assert_eq(place.state, PLAN_PAUSED);
        cr_assert_eq(place.held_ms, plan_is_running(&before) ? 9u : 0u);
        cr_assert_str_eq(place.note, "by hand");
    }
}

Test(plan, only_what_is_under_way_waits_or_ends)
{
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        struct plan_place place = at((enum plan_state)i, 2);
        bool is_active = plan_is_active(&place);
        plan_wait(&place, BEGAN + 9, true, "the guard: errors");
        cr_assert_eq(place.state, is_active ? PLAN_WAITING : i);
        cr_assert_eq(place.has_failed, is_active);
        plan_end(&place, BEGAN + 10);
        cr_assert_eq(place.state, is_active ? PLAN_FINISHED : i);
        cr_assert_not(place.has_failed);
        cr_assert_str_eq(place.note, "");
    }
}

Test(plan, a_note_that_is_too_long_is_cut)
{
    char note[2 * PLAN_NOTE_BYTES];
    struct plan_place place = at(PLAN_HOLDING, 2);
    memset(note, 'x', sizeof(note) - 1);
    note[sizeof(note) - 1] = '\0';
    plan_wait(&place, BEGAN, false, note);
    cr_assert_eq(strlen(place.note), PLAN_NOTE_BYTES - 1u);
}

/* ---- another configuration ---- */

Test(plan, the_same_steps_change_nothing)
{
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct plan_place place = at(orders[i].state, orders[i].step);
        struct plan_place before = place;
        cr_assert_not(plan_fit(&manual, &place, BEGAN + 5));
        cr_assert(is_same(&place, &before));
    }
}

Test(plan, a_longer_hold_is_what_is_left_then)
{
    struct plan_step longer[ARRAY_LEN(steps)];
    memcpy(longer, steps, sizeof(steps));
    longer[1].hold_ms = 9 * DAY_MS;
    const struct plan plan = {.steps = longer, .step_count = ARRAY_LEN(longer)};
    struct plan_place place = at(PLAN_HOLDING, 2);
    cr_assert_not(plan_fit(&plan, &place, BEGAN + DAY_MS));
    cr_assert_eq(plan_left_ms(&plan, &place, BEGAN + DAY_MS), 8 * DAY_MS);
}

Test(plan, without_a_plan_every_place_is_idle)
{
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct plan_place place = at(orders[i].state, orders[i].step);
        place.has_failed = true;
        bool was_idle = place.state == PLAN_IDLE;
        cr_assert_eq(plan_fit(&nothing, &place, BEGAN + 5), !was_idle);
        cr_assert_eq(place.state, PLAN_IDLE);
        cr_assert_eq(place.step, 0u);
        cr_assert(was_idle ||
                  (strstr(place.note, "no plan any more") != NULL && !place.has_failed));
        cr_assert_not(plan_fit(&nothing, &place, BEGAN + 6));
    }
}

Test(plan, a_step_that_is_gone_pauses_the_plan_and_says_which)
{
    const struct plan two = {.steps = steps, .step_count = 2};
    const enum plan_state active[] = {PLAN_HOLDING, PLAN_PAUSED, PLAN_WAITING};
    for (size_t i = 0; i < ARRAY_LEN(active); i++) {
        struct plan_place place = at(active[i], 3);
        unsigned to;
        cr_assert(plan_fit(&two, &place, BEGAN + 5));
        cr_assert_eq(place.state, PLAN_PAUSED);
        cr_assert_eq(place.step, 3u);
        cr_assert_not_null(strstr(place.note, "no step 3 any more, only 2: abort"));
        cr_assert_not(plan_fit(&two, &place, BEGAN + 6)); /* said once */
        cr_assert_not(plan_resume(&two, &place, BEGAN, &error));
        cr_assert_not_null(strstr(error.text, "in step 3, and the configuration has only 2"));
        cr_assert_not(plan_advance(&two, &place, false, true, &to, &error));
        cr_assert_not(plan_finish(&two, &place, BEGAN, &error));
        struct plan_place back = place;
        cr_assert(plan_resume(&manual, &back, BEGAN, &error)); /* it is there again */
        cr_assert(plan_abort(&place, BEGAN, &error));
    }
}

Test(plan, a_plan_that_is_over_only_gets_another_number)
{
    const struct plan two = {.steps = steps, .step_count = 2};
    const enum plan_state over[] = {PLAN_ROLLED_BACK, PLAN_FINISHED};
    for (size_t i = 0; i < ARRAY_LEN(over); i++) {
        struct plan_place place = at(over[i], 4);
        (void)snprintf(place.note, sizeof(place.note), "why");
        cr_assert(plan_fit(&two, &place, BEGAN + 5));
        cr_assert_eq(place.state, over[i]);
        cr_assert_eq(place.step, 2u);
        cr_assert_str_eq(place.note, "why");
    }
}

/* What is soaking must be at 100 %, and what is at 100 % soaks. */
Test(plan, a_step_that_is_no_more_or_newly_at_100_percent_pauses)
{
    struct plan_place place = at(PLAN_SOAKING, 4);
    const struct plan_step less[] = {steps[0], steps[1], steps[2], {.weight = 9000}};
    const struct plan plan = {.steps = less, .step_count = 4};
    cr_assert(plan_fit(&plan, &place, BEGAN + 5));
    cr_assert_eq(place.state, PLAN_PAUSED);
    cr_assert_eq(place.held_ms, 5u);
    cr_assert_not_null(strstr(place.note, "another weight"));
    cr_assert(plan_resume(&plan, &place, BEGAN, &error));
    cr_assert_eq(place.state, PLAN_HOLDING);
    cr_assert(plan_fit(&manual, &place, BEGAN));
    cr_assert_eq(place.state, PLAN_PAUSED);
}

/* ---- what comes next ---- */

#define OVER (BEGAN + 365 * DAY_MS)

static const struct plan_view all_well = {.verdict = VERDICT_PASS};

static enum plan_move move_of(const struct plan *plan, enum plan_state state, unsigned step,
                              struct plan_view view, uint64_t now_ms)
{
    struct plan_place place = at(state, step);
    return plan_next(plan, &place, &view, now_ms);
}

Test(plan, what_follows_from_a_hold_that_is_over)
{
    static const struct {
        enum plan_state state;
        unsigned step;
        enum plan_move by_hand, by_itself;
    } moves[] = {
        {PLAN_IDLE, 0, PLAN_STAY, PLAN_STAY},
        {PLAN_HOLDING, 1, PLAN_WAIT, PLAN_ASK_BEFORE}, /* step 2 has hooks, 1 has none */
        {PLAN_HOLDING, 2, PLAN_WAIT, PLAN_ASK_AFTER},
        {PLAN_HOLDING, 3, PLAN_WAIT, PLAN_ASK_AFTER},
        {PLAN_PAUSED, 2, PLAN_STAY, PLAN_STAY},
        {PLAN_WAITING, 2, PLAN_STAY, PLAN_STAY},
        {PLAN_ROLLED_BACK, 2, PLAN_STAY, PLAN_STAY},
        {PLAN_SOAKING, 4, PLAN_WAIT, PLAN_END},
        {PLAN_FINISHED, 4, PLAN_STAY, PLAN_STAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
        enum plan_state state = moves[i].state;
        unsigned step = moves[i].step;
        cr_expect_eq(move_of(&manual, state, step, all_well, OVER), moves[i].by_hand);
        cr_expect_eq(move_of(&automatic, state, step, all_well, OVER), moves[i].by_itself);
        cr_expect_eq(move_of(&manual, state, step, all_well, BEGAN + HOUR_MS), PLAN_STAY);
        cr_expect_eq(move_of(&automatic, state, step, all_well, BEGAN + HOUR_MS), PLAN_STAY);
    }
}

Test(plan, hooks_are_asked_one_after_the_other_and_only_a_yes_goes_on)
{
    static const struct {
        enum plan_gate after, before;
        enum plan_move move; /* from step 2, where both are asked */
    } gates[] = {
        {PLAN_GATE_NONE, PLAN_GATE_NONE, PLAN_ASK_AFTER},
        {PLAN_GATE_NONE, PLAN_GATE_OPEN, PLAN_ASK_AFTER},
        {PLAN_GATE_ASKED, PLAN_GATE_NONE, PLAN_STAY},
        {PLAN_GATE_ASKED, PLAN_GATE_OPEN, PLAN_STAY},
        {PLAN_GATE_SHUT, PLAN_GATE_NONE, PLAN_STAY},
        {PLAN_GATE_SHUT, PLAN_GATE_OPEN, PLAN_STAY},
        {PLAN_GATE_OPEN, PLAN_GATE_NONE, PLAN_ASK_BEFORE},
        {PLAN_GATE_OPEN, PLAN_GATE_ASKED, PLAN_STAY},
        {PLAN_GATE_OPEN, PLAN_GATE_SHUT, PLAN_STAY},
        {PLAN_GATE_OPEN, PLAN_GATE_OPEN, PLAN_GO_ON},
    };
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        struct plan_view view = all_well;
        view.after = gates[i].after;
        view.before = gates[i].before;
        cr_expect_eq(move_of(&automatic, PLAN_HOLDING, 2, view, OVER), gates[i].move, "%zu", i);
    }
    /* Step 4 has no hook before it, whatever was seen of others. */
    struct plan_view view = all_well;
    view.after = PLAN_GATE_OPEN;
    view.before = PLAN_GATE_SHUT;
    cr_expect_eq(move_of(&automatic, PLAN_HOLDING, 3, view, OVER), PLAN_GO_ON);
}

Test(plan, the_last_hold_of_an_automatic_plan_asks_its_hook_before_the_end)
{
    const struct plan_step only[] = {{.weight = 5000, .after = HOOK}};
    const struct plan plan = {.is_auto = true, .steps = only, .step_count = 1};
    struct plan_view view = all_well;
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, view, BEGAN), PLAN_ASK_AFTER);
    view.after = PLAN_GATE_SHUT;
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, view, BEGAN), PLAN_STAY);
    view.after = PLAN_GATE_OPEN;
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, view, BEGAN), PLAN_END);
}

/* A hold of 0 is over at once; an automatic plan still needs its pass. */
Test(plan, a_hold_of_nothing)
{
    const struct plan_step quick[] = {{.weight = 1000}, {.weight = 10000}};
    struct plan plan = {.is_auto = true, .steps = quick, .step_count = 2};
    struct plan_view view = {.verdict = VERDICT_INCONCLUSIVE};
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, view, BEGAN), PLAN_STAY);
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, all_well, BEGAN), PLAN_GO_ON);
    plan.is_auto = false;
    cr_assert_eq(move_of(&plan, PLAN_HOLDING, 1, view, BEGAN), PLAN_WAIT);
}

Test(plan, the_guard_protects_in_every_active_state)
{
    struct plan_view failed = {.verdict = VERDICT_FAIL, .has_failed = true};
    for (unsigned is_auto = 0; is_auto < 2; is_auto++) {
        for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
            struct plan plan = is_auto != 0 ? automatic : manual;
            struct plan_place place = at(orders[i].state, orders[i].step);
            bool is_active = plan_is_active(&place);
            plan.guard.on_fail = GUARD_ROLLBACK;
            cr_expect_eq(plan_next(&plan, &place, &failed, BEGAN),
                         is_active ? PLAN_TAKE_BACK : PLAN_STAY);
            plan.guard.on_fail = GUARD_HOLD;
            cr_expect_eq(plan_next(&plan, &place, &failed, OVER),
                         is_active ? PLAN_STOP_HERE : PLAN_STAY);
            place.has_failed = true; /* it stopped here before */
            cr_expect_eq(plan_next(&plan, &place, &failed, OVER), PLAN_STAY);
        }
    }
}

Test(plan, the_guard_protects_in_a_step_that_is_gone)
{
    const struct plan two = {.is_auto = true, .steps = steps, .step_count = 2};
    const struct plan_view failed = {.verdict = VERDICT_FAIL, .has_failed = true};
    cr_assert_eq(move_of(&two, PLAN_PAUSED, 3, failed, BEGAN), PLAN_TAKE_BACK);
    cr_assert_eq(move_of(&two, PLAN_HOLDING, 3, failed, BEGAN), PLAN_TAKE_BACK);
    cr_assert_eq(move_of(&two, PLAN_HOLDING, 3, all_well, OVER), PLAN_STAY);
    cr_assert_eq(move_of(&two, PLAN_HOLDING, 0, all_well, OVER), PLAN_STAY);
}

/* Every view there is: what may go on, and what must not. */
struct look {
    struct plan plan;
    struct plan_place place;
    struct plan_view view;
    uint64_t now_ms;
};

static struct look look_of(unsigned number)
{
    struct look look = {.plan = manual};
    unsigned row = number % ARRAY_LEN(orders);
    number /= ARRAY_LEN(orders);
    look.place = at(orders[row].state, orders[row].step);
    look.view.verdict = (enum verdict)(number % 3);
    number /= 3;
    look.view.after = (enum plan_gate)(number % 4);
    number /= 4;
    look.view.before = (enum plan_gate)(number % 4);
    number /= 4;
    look.plan.is_auto = (number & 1) != 0;
    look.plan.guard.on_fail = (number & 2) != 0 ? GUARD_HOLD : GUARD_ROLLBACK;
    look.place.has_failed = (number & 4) != 0;
    look.view.has_failed = (number & 8) != 0;
    look.view.is_failing_over = (number & 16) != 0;
    look.now_ms = (number & 32) != 0 ? OVER : BEGAN;
    return look;
}
#define LOOKS (ARRAY_LEN(orders) * 3 * 4 * 4 * 64)

Test(plan, whatever_is_seen_only_a_good_automatic_plan_goes_on)
{
    unsigned counts[PLAN_END + 1] = {0};
    for (unsigned i = 0; i < LOOKS; i++) {
        struct look look = look_of(i);
        const struct plan_view *view = &look.view;
        enum plan_move move = plan_next(&look.plan, &look.place, view, look.now_ms);
        bool is_latched = look.place.has_failed || view->has_failed;
        bool is_over = plan_is_running(&look.place) && look.now_ms == OVER;
        bool is_well = view->verdict == VERDICT_PASS && !view->is_failing_over && !is_latched;
        bool goes_on = move == PLAN_ASK_AFTER || move == PLAN_ASK_BEFORE || move == PLAN_GO_ON ||
                       move == PLAN_END;
        counts[move]++;
        cr_assert(!goes_on || (look.plan.is_auto && is_over && is_well), "%u", i);
        cr_assert(move != PLAN_WAIT || (!look.plan.is_auto && is_over && !is_latched), "%u", i);
        cr_assert(move != PLAN_TAKE_BACK || view->has_failed);
        cr_assert(move != PLAN_STOP_HERE || (view->has_failed && !look.place.has_failed));
        cr_assert(move == PLAN_STAY || plan_is_active(&look.place));
        /* ... and it does go on when nothing speaks against it. */
        if (look.plan.is_auto && is_over && is_well && view->after == PLAN_GATE_OPEN &&
            view->before == PLAN_GATE_OPEN)
            cr_assert_eq(move, look.place.step == 4 ? PLAN_END : PLAN_GO_ON);
        if (plan_is_active(&look.place) && view->has_failed &&
            look.plan.guard.on_fail == GUARD_ROLLBACK)
            cr_assert_eq(move, PLAN_TAKE_BACK);
    }
    for (unsigned i = 0; i <= PLAN_END; i++)
        cr_assert_gt(counts[i], 0u, "%u never comes", i);
}

/* ---- whatever happens ---- */

/* The world around one plan, as control/ makes it, with its own account of what must be true. */
struct world {
    struct plan plan;
    struct plan_place place;
    uint64_t now_ms;
    uint64_t held_ms; /* of this step: counted here by itself */
    unsigned weight;
    bool is_latched;
    uint64_t random;
};

static unsigned draw(struct world *world, unsigned below)
{
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(world->random >> 33) % below;
}

static void go_to(struct world *world, unsigned to)
{
    cr_assert(to >= 1 && to <= world->plan.step_count);
    plan_enter(&world->plan, &world->place, to, world->now_ms);
    world->weight = steps[to - 1].weight;
    world->held_ms = 0;
    world->is_latched = false;
}

static void order_something(struct world *world)
{
    struct plan_place before = world->place;
    bool force = draw(world, 4) == 0;
    bool is_failing_over = draw(world, 4) == 0;
    bool good = false;
    unsigned to = 0;
    switch (draw(world, ORDERS)) {
    case START:
        good = plan_start(&world->plan, &world->place, world->weight, false, false, &to, &error);
        cr_assert(!good || steps[to - 1].weight >= world->weight);
        break;
    case ADVANCE:
        good = plan_advance(&world->plan, &world->place, is_failing_over, force, &to, &error);
        cr_assert(!good || to == before.step + 1);
        cr_assert(!good || force || (!is_failing_over && !world->is_latched));
        break;
    case PAUSE:
        good = plan_pause(&world->place, world->now_ms, &error);
        break;
    case RESUME:
        good = plan_resume(&world->plan, &world->place, world->now_ms, &error);
        cr_assert(!good || !world->is_latched);
        world->weight = good ? steps[before.step - 1].weight : world->weight;
        break;
    case ABORT:
        good = plan_abort(&world->place, world->now_ms, &error);
        world->is_latched = world->is_latched && !good;
        break;
    default:
        good = plan_finish(&world->plan, &world->place, world->now_ms, &error);
        cr_assert(!good || before.step == world->plan.step_count);
        world->is_latched = world->is_latched && !good;
        break;
    }
    cr_assert(good || is_same(&world->place, &before));
    if (to > 0)
        go_to(world, to);
}

static void do_what_comes_next(struct world *world)
{
    struct plan_view view = {
        .verdict = (enum verdict)draw(world, 3),
        .has_failed = draw(world, 30) == 0,
        .is_failing_over = draw(world, 4) == 0,
        .after = draw(world, 2) == 0 ? PLAN_GATE_OPEN : (enum plan_gate)draw(world, 4),
        .before = draw(world, 2) == 0 ? PLAN_GATE_OPEN : (enum plan_gate)draw(world, 4),
    };
    bool may_go_on = world->plan.is_auto && plan_is_running(&world->place) && !world->is_latched &&
                     !view.has_failed && !view.is_failing_over && view.verdict == VERDICT_PASS &&
                     world->held_ms >= steps[world->place.step - 1].hold_ms;
    switch (plan_next(&world->plan, &world->place, &view, world->now_ms)) {
    case PLAN_TAKE_BACK:
        world->place.has_failed = world->is_latched = true;
        plan_roll_back(&world->place, world->now_ms, "the guard");
        world->weight = 0;
        break;
    case PLAN_STOP_HERE:
        plan_wait(&world->place, world->now_ms, true, "the guard");
        world->is_latched = true;
        break;
    case PLAN_GO_ON:
        cr_assert(may_go_on);
        cr_assert_gt(steps[world->place.step].weight, steps[world->place.step - 1].weight);
        go_to(world, world->place.step + 1);
        break;
    case PLAN_WAIT:
        cr_assert_not(world->plan.is_auto);
        plan_wait(&world->place, world->now_ms, false, "the hold is over");
        break;
    case PLAN_END:
        cr_assert(may_go_on && world->place.step == world->plan.step_count);
        plan_end(&world->place, world->now_ms);
        break;
    case PLAN_ASK_AFTER:
    case PLAN_ASK_BEFORE:
        cr_assert(may_go_on);
        break;
    case PLAN_STAY:
        break;
    }
}

static void change_something(struct world *world)
{
    switch (draw(world, 12)) {
    case 0:
        plan_roll_back(&world->place, world->now_ms, "by hand");
        world->weight = 0;
        break;
    case 1:
        plan_interrupt(&world->place, world->now_ms, "by hand");
        world->weight = draw(world, WEIGHT_MAX + 1);
        break;
    case 2: /* a reload with so many of the steps */
        world->plan.step_count = draw(world, ARRAY_LEN(steps) + 1);
        plan_fit(&world->plan, &world->place, world->now_ms);
        world->is_latched = world->is_latched && world->place.has_failed;
        break;
    case 3:
        world->plan.step_count = ARRAY_LEN(steps);
        cr_assert_not(plan_fit(&world->plan, &world->place, world->now_ms));
        break;
    default:
        do_what_comes_next(world);
    }
}

static void expect_sense(const struct world *world)
{
    const struct plan_place *place = &world->place;
    bool is_running = plan_is_running(place);
    cr_assert_eq(place->state == PLAN_IDLE, place->step == 0);
    cr_assert_leq(place->step, ARRAY_LEN(steps));
    cr_assert_eq(place->has_failed, world->is_latched);
    if (is_running) {
        cr_assert_leq(place->step, world->plan.step_count);
        cr_assert_eq(world->weight, steps[place->step - 1].weight);
        cr_assert_eq(place->state == PLAN_SOAKING, world->weight == WEIGHT_MAX);
        cr_assert_not(place->has_failed);
    }
    if (plan_is_active(place)) {
        cr_assert_eq(plan_held_ms(place, world->now_ms), world->held_ms);
        uint64_t hold_ms =
            place->step <= world->plan.step_count ? steps[place->step - 1].hold_ms : 0;
        uint64_t left_ms = hold_ms > world->held_ms ? hold_ms - world->held_ms : 0;
        cr_assert_eq(plan_left_ms(&world->plan, place, world->now_ms), left_ms);
    }
}

Test(plan, whatever_happens_a_plan_stays_in_its_senses, .timeout = 60)
{
    unsigned reached[PLAN_STATE_COUNT] = {0};
    for (unsigned seed = 1; seed <= 4000; seed++) {
        struct world world = {.plan = manual, .now_ms = BEGAN, .random = seed};
        world.plan.is_auto = draw(&world, 2) == 0;
        world.plan.guard.on_fail = draw(&world, 2) == 0 ? GUARD_HOLD : GUARD_ROLLBACK;
        for (unsigned i = 0; i < 250; i++) {
            uint64_t passed_ms =
                draw(&world, 2) == 0 ? draw(&world, 1000) : draw(&world, 8) * DAY_MS;
            world.now_ms += passed_ms;
            world.held_ms += plan_is_running(&world.place) ? passed_ms : 0;
            expect_sense(&world);
            if (draw(&world, 3) == 0)
                order_something(&world);
            else
                change_something(&world);
            expect_sense(&world);
            reached[world.place.state]++;
        }
    }
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++)
        cr_assert_gt(reached[i], 1000u, "%s", plan_state_name((enum plan_state)i));
}
