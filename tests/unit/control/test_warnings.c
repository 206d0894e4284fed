/* test_warnings.c - the sentences about plans, users and the audit: few, and true. */
#include "rig.h"

#include "cli/warning.h"
#include "control/warnings.h"

#define ENOUGH_MS (100 * 1000)

static struct buf text;

static void setup(void)
{
    struct buf config = BUF_EMPTY;

    setup_rig();
    buf_printf(&config,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/state/state.json\n"
               "backends:\n"
               "  old: {servers: [http://127.0.0.1:9001]}\n"
               "  new: {servers: [http://127.0.0.1:9002]}\n"
               "plan: {advance: auto, steps: [{weight: 10, hold: 1h}, {weight: 30, hold: 1h}]}\n",
               dir.path);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&config));
    buf_deinit(&config);
    start();
    controller->started_ms -= ENOUGH_MS;
}

static void teardown(void)
{
    buf_deinit(&text);
    teardown_rig();
}

TestSuite(warnings, .init = setup, .fini = teardown, .timeout = 60);

/* All of them, as a JSON array. */
static const char *say(uint64_t old_requests, uint64_t new_requests)
{
    struct warnings_traffic traffic = {.requests_1m = {old_requests, new_requests}};
    struct json json;

    buf_clear(&text);
    json_init(&json, &text);
    json_array_begin(&json, NULL);
    warnings_write_plans(controller, &traffic, &json);
    json_array_end(&json);
    buf_append_char(&text, '\0');
    return buf_str(&text).data;
}

/* What the command line takes the first of them for. */
static enum warning_subject subject(void)
{
    const char *all = say(0, 0);

    return warning_subject(all + strlen("[\""));
}

/* Long ago. */
static void settle(unsigned weight)
{
    cr_assert_eq(set_weight("", weight), CONTROL_OK);
    controller->state.changed_ms -= ENOUGH_MS;
}

Test(warnings, none_is_there_when_all_is_well)
{
    cr_assert_str_eq(say(0, 0), "[]");
    settle(3000);
    cr_assert_str_eq(say(70000, 30000), "[]");
}

Test(warnings, users_that_are_not_where_the_weight_says)
{
    settle(3000);
    cr_assert_not_null(strstr(say(500, 500), "[\"the weight is 30 %, and 50 % of the last minute's "
                                             "1000 requests went to new: "),
                       "%s", say(500, 500));
    cr_assert_not_null(strstr(say(1000, 0), "and 0 % of"));
    cr_assert_str_eq(say(600, 399), "[]", "too few to tell");
    cr_assert_str_eq(say(6000, 4000), "[]", "10 points are still like it");
    cr_assert_not_null(strstr(say(5980, 4020), "40 %"), "a little more is not");
    cr_assert_not_null(strstr(say(8200, 1800), "18 %"));
}

Test(warnings, the_share_needs_a_minute_after_a_change_and_after_the_start)
{
    cr_assert_eq(set_weight("", 3000), CONTROL_OK);
    cr_assert_str_eq(say(5000, 5000), "[]");
    controller->state.changed_ms -= ENOUGH_MS;
    cr_assert_str_neq(say(5000, 5000), "[]");
    controller->started_ms = clock_mono_ms();
    cr_assert_str_eq(say(5000, 5000), "[]");
}

Test(warnings, the_share_says_why)
{
    settle(3000);
    controller->snapshot->policy.admin[SIDE_NEW] = ADMIN_DRAIN;
    cr_assert_not_null(strstr(say(5000, 5000), "a side is in drain or maint"));
    controller->snapshot->policy.admin[SIDE_NEW] = ADMIN_READY;
    cr_assert_not_null(strstr(say(5000, 5000), "a few clients send most of the requests"));
}

static struct plan_place *place(void)
{
    return state_plan_find(&controller->state, STR(ROUTE_MAIN));
}

Test(warnings, a_guard_that_has_failed_and_nobody_acts)
{
    struct plan_place *here = place();

    here->state = PLAN_WAITING;
    here->step = 1;
    here->has_failed = true;
    snprintf(here->note, sizeof(here->note), "errors: 6.1 %% on new, 0.2 %% on old");
    cr_assert_str_eq(
        say(0, 0),
        "[\"the guard of the plan has failed, and nobody has acted: it stands in step 1: "
        "errors: 6.1 % on new, 0.2 % on old. Roll back, or advance with force\"]");
    here->step = 2;
    cr_assert_not_null(strstr(say(0, 0), "0.2 % on old. Roll back, or finish\"]"));
    cr_assert_eq(subject(), WARNING_GUARD);
    here->state = PLAN_ROLLED_BACK;
    cr_assert_str_eq(say(0, 0), "[]", "somebody has");
}

Test(warnings, a_hold_that_is_over_and_nobody_comes)
{
    struct plan_place *here = place();

    here->state = PLAN_WAITING;
    here->step = 1;
    cr_assert_str_eq(say(0, 0),
                     "[\"the plan waits for you: the hold of step 1 is over: advance goes "
                     "on to 30 %\"]");
    cr_assert_eq(subject(), WARNING_PLAN);
    here->step = 2;
    cr_assert_str_eq(say(0, 0),
                     "[\"the plan waits for you: the hold of its last step is over: finish\"]");
    cr_assert_eq(subject(), WARNING_PLAN);
}

Test(warnings, an_automatic_plan_that_does_not_go_on)
{
    struct plan_place *here = place();

    here->state = PLAN_HOLDING;
    here->step = 1;
    here->since_ms = clock_boot_ms();
    cr_assert_str_eq(say(0, 0), "[]");
    here->held_ms = 3600 * 1000;
    cr_assert_not_null(
        strstr(say(0, 0), "[\"the plan does not go on, the hold of step 1 is over: "), "%s",
        say(0, 0));
    cr_assert_eq(subject(), WARNING_OTHER);
}

Test(warnings, a_plan_that_a_weight_by_hand_has_paused)
{
    struct plan_place *here = place();

    here->state = PLAN_PAUSED;
    here->step = 1;
    settle(2050);
    cr_assert_str_eq(say(0, 0),
                     "[\"the plan is paused in step 1, and the weight is 20.5 % instead of "
                     "the step's 10 %: resume sets it again, abort leaves it\"]");
    cr_assert_eq(subject(), WARNING_PLAN);
    here->state = PLAN_PAUSED;
    settle(1000);
    cr_assert_str_eq(say(0, 0), "[]", "paused on purpose");
}

Test(warnings, writes_that_are_frozen)
{
    controller->state.freeze.is_on = true;
    cr_assert_not_null(strstr(say(0, 0), "[\"writes are frozen on all routes since 19"), "%s",
                       say(0, 0));
    cr_assert_eq(subject(), WARNING_FREEZE);
    controller->state.freeze.routes[0] = STR(ROUTE_MAIN);
    controller->state.freeze.routes[1] = STR("gone");
    controller->state.freeze.route_count = 2;
    cr_assert_not_null(strstr(say(0, 0), "\"writes are to be frozen on gone, and"), "%s",
                       say(0, 0));
    cr_assert_null(strstr(say(0, 0), "to be frozen on main"));
    controller->state.freeze.is_on = false;
    cr_assert_str_eq(say(0, 0), "[]");
}

Test(warnings, an_audit_that_is_not_on_disk)
{
    const char *path = tempdir_file(&dir, "state/state.json.events");

    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    set_weight("nowhere", 5);
    cr_assert_not_null(
        strstr(say(0, 0),
               "[\"the audit is not on disk, what came after event 0 is in memory alone: look at "),
        "%s", say(0, 0));
    cr_assert_eq(rmdir(path), 0);
    events_sync(&controller->events);
    cr_assert_str_eq(say(0, 0), "[]");
}
