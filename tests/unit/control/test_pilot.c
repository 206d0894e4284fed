/* test_pilot.c - plans: what is ordered of them, and what the pilot makes of what it sees. */
#include "rig.h"

#include "control/pilot.h"
#include "control/steps.h"

static const char TOP[] = "listen: [{address: '127.0.0.1:0'}]\n"
                          "admin: {address: '127.0.0.1:0'}\n"
                          "backends:\n"
                          "  old: {servers: [http://127.0.0.1:9001]}\n"
                          "  new: {servers: [http://127.0.0.1:9002]}\n";
static const char PLAN[] =
    "plan:\n"
    "  steps: [{weight: 10, hold: 1h}, {weight: 30, hold: 1h}, {weight: 100, hold: 1h}]\n";
static const char ROUTES[] = "routes:\n"
                             "  - {name: hooks, path: /hooks/, pin: old}\n"
                             "  - {name: plain, path: /plain/}\n"
                             "  - {name: alone, path: /alone/, weight: 5}\n"
                             "  - name: cart\n"
                             "    path: /cart/\n"
                             "    weight: 0\n"
                             "    plan: {steps: [{weight: 50, hold: 1h}]}\n";

static void write_config(const char *plan, const char *routes)
{
    struct buf text = BUF_EMPTY;

    buf_printf(&text, "%sstate_file: %s/state/state.json\n%s%s", TOP, dir.path, plan, routes);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
}

static void setup(void)
{
    setup_rig();
    write_config(PLAN, ROUTES);
    start();
}

TestSuite(pilot, .init = setup, .fini = teardown_rig, .timeout = 60);

static enum control_result order(enum step_verb verb, const char *route)
{
    return order_plan(controller, &nobody, verb, str_of(route), STEP_ANY, false, &error);
}

static enum control_result force(enum step_verb verb)
{
    return order_plan(controller, &nobody, verb, STR(""), STEP_ANY, true, &error);
}

static const struct plan_place *place(const char *route)
{
    return state_plan_find(&controller->state, str_of(route));
}

static unsigned weight_of(const char *route)
{
    const struct policy *policy = &controller->snapshot->policy;

    if (strcmp(route, "main") == 0)
        return policy->weight;
    return policy->route_weight[route_find(policy->routes, policy->route_count, str_of(route))];
}

static int evidence_of(const char *route)
{
    const struct policy *policy = &controller->snapshot->policy;

    return controller->snapshot
        ->evidence[route_find(policy->routes, policy->route_count, str_of(route))];
}

/* How many events say this. */
static unsigned told(const char *what, const char *subject, const char *to)
{
    unsigned count = 0;

    for (uint64_t id = 1; id < controller->events.next_id; id++) {
        const struct event *event = events_get(&controller->events, id);

        count += event != NULL && strcmp(event->what, what) == 0 &&
                 strcmp(event->subject, subject) == 0 && strcmp(event->to, to) == 0;
    }
    return count;
}

/* Orders */

Test(pilot, a_start_sets_the_weight_of_the_first_step)
{
    cr_assert_eq(place("main")->state, PLAN_IDLE);
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK, "%s", error.text);
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(place("main")->step, 1);
    cr_assert_eq(weight_of("main"), 1000);
    cr_assert_eq(controller->store.sequence, controller->generation, "one write for both");
    cr_assert_eq(told("plan", "main", "holding 1"), 1);
    cr_assert_eq(told("weight", "main", "10"), 1);
    cr_assert_eq(place("cart")->state, PLAN_IDLE);
    cr_assert(str_eq(controller->state.actor, STR("test")));
}

Test(pilot, a_start_joins_where_the_weight_is)
{
    cr_assert_eq(set_weight("", 2000), CONTROL_OK);
    cr_assert_eq(order(STEP_START, "main"), CONTROL_OK);
    cr_assert_eq(place("main")->step, 2);
    cr_assert_eq(weight_of("main"), 3000);
}

Test(pilot, a_start_towards_a_side_that_is_down_needs_force)
{
    controller_note_check(controller, SIDE_NEW, 0, false, "connection refused");
    cr_assert_eq(order(STEP_START, ""), CONTROL_PLAN_REFUSED);
    cr_assert_eq(weight_of("main"), 0);
    cr_assert_eq(force(STEP_START), CONTROL_OK, "%s", error.text);
    cr_assert_eq(weight_of("main"), 1000);
}

Test(pilot, a_route_goes_through_a_plan_of_its_own)
{
    cr_assert_eq(order(STEP_START, "cart"), CONTROL_OK);
    cr_assert_eq(weight_of("cart"), 5000);
    cr_assert_eq(weight_of("main"), 0);
    cr_assert_eq(place("main")->state, PLAN_IDLE);
    cr_assert_eq(order(STEP_FINISH, "cart"), CONTROL_OK);
    cr_assert_eq(place("cart")->state, PLAN_FINISHED);
    cr_assert_eq(weight_of("cart"), 5000);
}

Test(pilot, where_there_is_no_plan_nothing_can_be_ordered)
{
    cr_assert_eq(order(STEP_START, "alone"), CONTROL_NO_PLAN);
    cr_assert_not_null(strstr(error.text, "no plan of its own"), "%s", error.text);
    cr_assert_eq(order(STEP_START, "nothing"), CONTROL_UNKNOWN_ROUTE);
    cr_assert_str_eq(last_event()->result, "unknown_route");
    write_config("", ROUTES);
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(order(STEP_START, ""), CONTROL_NO_PLAN);
    cr_assert_not_null(strstr(error.text, "there is no plan"), "%s", error.text);
}

Test(pilot, who_thinks_that_the_plan_is_elsewhere_is_refused)
{
    cr_assert_eq(order_plan(controller, &nobody, STEP_START, STR(""), 1, false, &error),
                 CONTROL_PLAN_ELSEWHERE);
    cr_assert_eq(order_plan(controller, &nobody, STEP_START, STR(""), 0, false, &error),
                 CONTROL_OK);
    cr_assert_eq(order_plan(controller, &nobody, STEP_ADVANCE, STR(""), 0, true, &error),
                 CONTROL_PLAN_ELSEWHERE);
    cr_assert_not_null(strstr(error.text, "in step 1 (holding), and not in step 0"), "%s",
                       error.text);
    cr_assert_str_eq(last_event()->result, "plan_elsewhere");
    cr_assert_eq(order_plan(controller, &nobody, STEP_ADVANCE, STR(""), 1, false, &error),
                 CONTROL_OK);
    cr_assert_eq(weight_of("main"), 3000);
}

Test(pilot, what_the_plan_refuses_is_an_event)
{
    uint64_t generation = controller->generation;

    cr_assert_eq(order(STEP_PAUSE, ""), CONTROL_PLAN_REFUSED);
    cr_assert_str_eq(last_event()->what, "plan");
    cr_assert_str_eq(last_event()->from, "idle");
    cr_assert_str_eq(last_event()->to, "pause");
    cr_assert_str_eq(last_event()->result, "plan_refused");
    cr_assert_str_eq(last_event()->reason, error.text);
    cr_assert_eq(controller->generation, generation);
}

Test(pilot, a_paused_plan_says_by_whom)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order(STEP_PAUSE, ""), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_PAUSED);
    cr_assert_str_eq(place("main")->note, "paused by test: why");
    cr_assert_eq(weight_of("main"), 1000);
    cr_assert_eq(order(STEP_RESUME, ""), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(order(STEP_ABORT, ""), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_IDLE);
    cr_assert_eq(weight_of("main"), 1000);
}

Test(pilot, a_weight_by_hand_pauses_its_plan_alone)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order(STEP_START, "cart"), CONTROL_OK);
    cr_assert_eq(set_weight("", 1000), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_HOLDING, "it is that already");
    cr_assert_eq(set_weight("alone", 700), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(set_weight("", 2500), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_PAUSED);
    cr_assert_str_eq(place("main")->note, "the weight was set to 25 % by test");
    cr_assert_eq(place("cart")->state, PLAN_HOLDING);
    cr_assert_str_eq(last_event()->what, "plan");
    cr_assert_str_eq(last_event()->from, "holding 1");
    cr_assert_str_eq(last_event()->to, "paused 1");
    restart();
    cr_assert_eq(place("main")->state, PLAN_PAUSED);
    cr_assert_eq(order(STEP_RESUME, ""), CONTROL_OK);
    cr_assert_eq(weight_of("main"), 1000, "the step's own again");
    cr_assert_eq(told("weight", "main", "10"), 3);
}

Test(pilot, a_rollback_takes_every_plan_back)
{
    bool durable;

    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order(STEP_START, "cart"), CONTROL_OK);
    cr_assert_eq(order(STEP_FINISH, "cart"), CONTROL_OK);
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_ROLLED_BACK);
    cr_assert_eq(place("cart")->state, PLAN_ROLLED_BACK);
    cr_assert_str_eq(place("main")->note, "rolled back by test: why");
    cr_assert_eq(weight_of("main"), 0);
    cr_assert_eq(told("rollback", "all weights", "0"), 1);
    cr_assert_eq(told("plan", "main", "rolled_back"), 1);
    cr_assert_eq(told("plan", "cart", "rolled_back"), 1);
    restart();
    cr_assert_eq(place("main")->state, PLAN_ROLLED_BACK);
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(weight_of("main"), 1000);
}

Test(pilot, a_rollback_leaves_plans_that_have_not_begun)
{
    bool durable;

    cr_assert_eq(set_weight("", 500), CONTROL_OK);
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_IDLE);
    cr_assert_str_eq(last_event()->what, "rollback");
}

Test(pilot, orders_that_the_disk_does_not_take_change_nothing)
{
    bool durable;

    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    uint64_t generation = controller->generation;
    break_disk();
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(strncmp(error.text, "nothing was changed, the plan is still holding 1: ", 50), 0,
                 "%s", error.text);
    cr_assert_eq(order(STEP_PAUSE, ""), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(order(STEP_START, "cart"), CONTROL_STATE_NOT_SAVED);
    cr_assert_not_null(strstr(error.text, "the plan of cart is still idle"), "%s", error.text);
    cr_assert_eq(controller->generation, generation);
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(weight_of("main"), 1000);
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_not(durable);
    cr_assert_eq(place("main")->state, PLAN_ROLLED_BACK);
    cr_assert_eq(weight_of("main"), 0);
    mend_disk();
    run_until_durable(3000);
    restart();
    cr_assert_eq(place("main")->state, PLAN_ROLLED_BACK);
}

/* Start and reload */

Test(pilot, a_restart_goes_on_where_the_plan_stood)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_OK);
    uint64_t since_ms = place("main")->since_ms;
    restart();
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(place("main")->step, 2);
    uint64_t now_ms = clock_boot_ms();
    uint64_t held_ms = plan_held_ms(place("main"), now_ms);
    cr_assert(held_ms <= now_ms - since_ms && held_ms + 5 >= now_ms - since_ms,
              "held for %llu of %llu ms", (unsigned long long)held_ms,
              (unsigned long long)(now_ms - since_ms));
}

Test(pilot, a_reload_keeps_plans_and_fits_those_that_changed)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order(STEP_START, "cart"), CONTROL_OK);
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_OK);
    write_config("plan: {steps: [{weight: 10, hold: 1h}]}\n", "");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(place("main")->state, PLAN_PAUSED, "there is no step 2 any more");
    cr_assert_eq(weight_of("main"), 3000);
    cr_assert_eq(told("plan", "main", "paused 2"), 1);
    cr_assert_eq(place("cart")->state, PLAN_IDLE);
    cr_assert_eq(told("plan", "cart", "idle"), 1);
    restart();
    cr_assert_eq(place("main")->state, PLAN_PAUSED);
    cr_assert_eq(told("plan", "main", "paused 2"), 1, "told once");
}

Test(pilot, evidence_belongs_to_one_plan_for_as_long_as_possible)
{
    struct buf routes = BUF_EMPTY;
    int cart = evidence_of("cart");

    cr_assert_gt(cart, 0);
    cr_assert_eq(evidence_of("hooks"), -1, "pinned");
    cr_assert_eq(evidence_of("plain"), 0, "it follows main");
    cr_assert_eq(evidence_of("alone"), -1, "nobody compares it");
    write_config(PLAN,
                 "routes:\n"
                 "  - {name: shop, path: /s, weight: 1, plan: {steps: [{weight: 9, hold: 1h}]}}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_neq(evidence_of("shop"), cart);
    cr_assert_eq(controller_plan_index(controller, STR("cart")), -1);
    write_config("", ROUTES);
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(evidence_of("cart"), cart);
    buf_append_str(&routes, STR("routes:\n"));
    for (unsigned i = 0; i < PLANS_MAX - 1; i++)
        buf_printf(
            &routes,
            "  - {name: r%u, path: /r%u, weight: 1, plan: {steps: [{weight: 9, hold: 1h}]}}\n", i,
            i);
    buf_append_char(&routes, '\0');
    write_config(PLAN, buf_str(&routes).data);
    cr_assert_eq(reload(), CONTROL_OK);
    unsigned seen = 1;
    for (unsigned i = 0; i < PLANS_MAX - 1; i++)
        seen |= 1u << controller->snapshot->evidence[i];
    cr_assert_eq(seen, (1u << PLANS_MAX) - 1, "each its own, none of them main's");
    buf_deinit(&routes);
}

/* Changes that are in the state and not in the trail, as a kill between the two writes leaves them. */

static void copy_trail(const char *from, const char *to)
{
    char command[512];

    snprintf(command, sizeof(command), "cp '%s' '%s'", tempdir_file(&dir, from),
             tempdir_file(&dir, to));
    cr_assert_eq(system(command), 0);
}

static void forget_what_comes(void)
{
    copy_trail("state/state.json.events", "kept");
}

static void restart_forgetful(void)
{
    stop();
    copy_trail("kept", "state/state.json.events");
    start();
}

Test(pilot, a_change_that_the_trail_has_missed_is_told_at_the_start)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    usleep(2000); /* the next change has another time */
    forget_what_comes();
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_OK);
    restart_forgetful();
    cr_assert_eq(told("weight", "main", "30"), 1);
    cr_assert_eq(told("plan", "main", "holding 2"), 1);
    const struct event *weight = events_get(&controller->events, controller->events.next_id - 2);
    cr_assert_str_eq(weight->actor, "test");
    cr_assert_str_eq(weight->reason, "why; told at the next start: cutover ended before it could");
    forget_what_comes();
    cr_assert_eq(order(STEP_PAUSE, ""), CONTROL_OK);
    restart_forgetful();
    cr_assert_str_eq(last_event()->what, "plan");
    cr_assert_str_eq(last_event()->from, "holding 2");
    cr_assert_str_eq(last_event()->to, "paused 2");
    cr_assert_eq(strncmp(last_event()->reason, "paused by test: why; told", 25), 0);
    uint64_t events = controller->events.next_id;
    restart();
    cr_assert_eq(controller->events.next_id, events,
                 "told once, and nothing when nothing is missing");
}

/* What the pilot sees; with clocks of a tenth of a second. */

static struct evidence *evidence;

static void hurry(void)
{
    static struct evidence *const *shown = (struct evidence *const *)&evidence;
    struct guard_rules *rules = &controller->config->plan.guard;

    rules->window_ms = 300;
    rules->every_ms = 100;
    rules->warm_up_ms = 0;
    rules->strikes = 2;
    rules->limits.min_requests = 100;
    for (unsigned i = 0; i < controller->config->plan.step_count; i++)
        ((struct plan_step *)controller->config->plan.steps)[i].hold_ms = 500;
    controller->evidence = shown;
    controller->counters_count = 1;
    pilot_sync(controller->pilot);
    pilot_start(controller->pilot);
}

static void setup_fast(void)
{
    setup_rig();
    evidence = mem_zalloc(PLANS_MAX, sizeof(*evidence));
    write_config("plan:\n"
                 "  advance: auto\n"
                 "  steps: [{weight: 10, hold: 1h}, {weight: 100, hold: 1h}]\n",
                 "");
    start();
    hurry();
}

static void teardown_fast(void)
{
    if (controller != NULL) {
        controller->counters_count = 0;
        teardown_rig();
    }
    mem_free(evidence);
}

TestSuite(pilot_sees, .init = setup_fast, .fini = teardown_fast, .timeout = 60);

/* One request on each side, every `bad`th of new with an error (0: none). */
static void serve(unsigned number, unsigned bad)
{
    for (int side = 0; side < SIDES; side++) {
        bool fails = side == SIDE_NEW && bad != 0 && number % bad == 0;
        struct evidence_attempt attempt = {
            .side = (enum side)side,
            .bucket = number * 7919 % 10000,
            .outcome = OUTCOME_OK,
            .status = fails ? 500 : 200,
            .has_latency = true,
            .first_byte_us = 1000,
            .total_us = 2000,
        };

        evidence_note(&evidence[0], &attempt);
    }
}

/* Until the plan is in that state, or 5 s. Real time, since the clock of plans is the machine's. */
static bool run_until(enum plan_state state, unsigned bad)
{
    uint64_t end_ms = clock_mono_ms() + 5000;
    unsigned number = 0;

    while (place("main")->state != state && clock_mono_ms() < end_ms) {
        for (unsigned i = 0; i < 20; i++)
            serve(++number, bad);
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(5000);
    }
    return place("main")->state == state;
}

static void run_for(uint64_t ms, unsigned bad)
{
    uint64_t end_ms = clock_mono_ms() + ms;
    unsigned number = 0;

    while (clock_mono_ms() < end_ms) {
        for (unsigned i = 0; i < 20; i++)
            serve(++number, bad);
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(5000);
    }
}

Test(pilot_sees, an_automatic_plan_goes_to_its_end)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert(run_until(PLAN_SOAKING, 0));
    cr_assert_eq(weight_of("main"), 10000);
    cr_assert(run_until(PLAN_FINISHED, 0));
    cr_assert_eq(told("plan", "main", "soaking 2"), 1);
    cr_assert_eq(told("plan", "main", "finished"), 1);
    cr_assert_str_eq(last_event()->actor, "plan");
    cr_assert_eq(weight_of("main"), 10000);
}

Test(pilot_sees, it_does_not_go_on_without_requests)
{
    struct pilot_report report;

    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    uint64_t end_ms = clock_mono_ms() + 1200;
    while (clock_mono_ms() < end_ms) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(5000);
    }
    cr_assert_eq(place("main")->state, PLAN_HOLDING);
    cr_assert_eq(place("main")->step, 1);
    cr_assert(pilot_report(controller->pilot, STR("main"), &report));
    cr_assert_eq(report.window.verdict, VERDICT_INCONCLUSIVE);
    cr_assert_eq(report.guard->strikes, 0);
    cr_assert(run_until(PLAN_SOAKING, 0), "and does with them");
}

Test(pilot_sees, a_broken_side_is_taken_back)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert(run_until(PLAN_ROLLED_BACK, 4));
    cr_assert_eq(weight_of("main"), 0);
    cr_assert(place("main")->has_failed);
    cr_assert_eq(told("guard", "main", "fail"), 1);
    cr_assert_eq(told("guard", "main", "failed"), 1);
    cr_assert_eq(told("rollback", "main", "0"), 1);
    cr_assert_eq(told("plan", "main", "rolled_back"), 1);
    cr_assert_eq(strncmp(place("main")->note, "the guard: ", 11), 0, "%s", place("main")->note);
    cr_assert(str_eq(controller->state.actor, STR("guard")));
    run_for(500, 0);
    cr_assert_eq(place("main")->state, PLAN_ROLLED_BACK, "nothing but a start takes it on again");
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_not(place("main")->has_failed);
}

Test(pilot_sees, a_side_is_taken_back_while_the_disk_is_full)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    break_disk();
    cr_assert(run_until(PLAN_ROLLED_BACK, 4));
    cr_assert_eq(weight_of("main"), 0);
    cr_assert_not(controller->durable);
    mend_disk();
    run_until_durable(3000);
    cr_assert(controller->durable);
}

Test(pilot_sees, a_latch_outlives_good_times_and_a_restart)
{
    struct pilot_report report;

    controller->config->plan.guard.on_fail = GUARD_HOLD;
    pilot_sync(controller->pilot);
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert(run_until(PLAN_WAITING, 4));
    cr_assert_eq(weight_of("main"), 1000);
    run_for(1500, 0);
    cr_assert_eq(place("main")->state, PLAN_WAITING);
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_PLAN_REFUSED);
    controller->counters_count = 0;
    restart();
    cr_assert(place("main")->has_failed);
    cr_assert(pilot_report(controller->pilot, STR(""), &report));
    cr_assert(report.guard->has_failed);
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_PLAN_REFUSED);
    cr_assert_eq(force(STEP_ADVANCE), CONTROL_OK);
    cr_assert_eq(place("main")->step, 2);
    cr_assert_not(place("main")->has_failed);
    cr_assert(pilot_report(controller->pilot, STR(""), &report));
    cr_assert_not(report.guard->has_failed);
}

Test(pilot_sees, what_old_cannot_take_back_waits_for_old)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(order_admin(controller, &nobody, SIDE_OLD, ADMIN_MAINT, &error), CONTROL_OK);
    cr_assert(run_until(PLAN_WAITING, 4));
    run_for(2500, 0);
    cr_assert_eq(weight_of("main"), 1000);
    cr_assert_eq(told("rollback", "main", "0"), 1, "refused, and told once");
    cr_assert(place("main")->has_failed);
    cr_assert_eq(order_admin(controller, &nobody, SIDE_OLD, ADMIN_READY, &error), CONTROL_OK);
    cr_assert(run_until(PLAN_ROLLED_BACK, 0));
    cr_assert_eq(weight_of("main"), 0);
}

Test(pilot_sees, while_requests_fail_over_nothing_goes_on)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    controller_note_check(controller, SIDE_OLD, 0, false, "connection refused");
    controller_note_check(controller, SIDE_OLD, 0, false, "connection refused");
    cr_assert(pilot_is_failing_over(controller->pilot, STR("")));
    run_for(1500, 0);
    cr_assert_eq(place("main")->step, 1);
    cr_assert_eq(order(STEP_ADVANCE, ""), CONTROL_PLAN_REFUSED);
    controller_note_check(controller, SIDE_OLD, 0, true, "200");
    controller_note_check(controller, SIDE_OLD, 0, true, "200");
    cr_assert(run_until(PLAN_SOAKING, 0));
}

Test(pilot_sees, a_change_of_the_weight_begins_the_window_anew)
{
    struct window_sum *span = mem_zalloc(1, sizeof(*span));
    struct comparison comparison;

    run_for(400, 0);
    cr_assert(pilot_compare(controller->pilot, STR(""), 0, &comparison, span));
    cr_assert_gt(sample_requests(&span->side[SIDE_NEW]), 0);
    cr_assert_eq(set_weight("", 100), CONTROL_OK);
    cr_assert(pilot_compare(controller->pilot, STR("main"), 0, &comparison, span));
    cr_assert_eq(sample_requests(&span->side[SIDE_NEW]), 0);
    cr_assert_not(pilot_compare(controller->pilot, STR("nothing"), 0, &comparison, span));
    mem_free(span);
}

/* Hooks; nothing listens where they point to. */

static void setup_hooks(void)
{
    setup_rig();
    write_config("plan:\n"
                 "  steps:\n"
                 "    - {weight: 10, hold: 1h, before: 'http://127.0.0.1:1/hook?key=secret'}\n"
                 "    - {weight: 30, hold: 1h}\n",
                 "");
    start();
    pilot_start(controller->pilot);
}

TestSuite(pilot_asks, .init = setup_hooks, .fini = teardown_rig, .timeout = 60);

static void run_until_answered(void)
{
    struct pilot_report report;
    uint64_t end_ms = clock_mono_ms() + 5000;

    do {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(2000);
        cr_assert(pilot_report(controller->pilot, STR(""), &report));
    } while (report.gate_detail[0] == '\0' && clock_mono_ms() < end_ms);
    cr_assert_neq(report.gate_detail[0], '\0');
    cr_assert_str_eq(report.gate, "before");
}

Test(pilot_asks, a_start_waits_for_its_hook)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    cr_assert_eq(weight_of("main"), 0);
    run_until_answered();
    cr_assert_eq(place("main")->state, PLAN_IDLE);
    cr_assert_eq(told("hook", "main", "asked"), 1);
    cr_assert_eq(told("hook", "http://127.0.0.1:1", "no"), 1);
    cr_assert_eq(order(STEP_START, ""), CONTROL_PLAN_REFUSED, "it was ordered already");
    cr_assert_null(strstr(error.text, "secret"), "%s", error.text);
    cr_assert_eq(force(STEP_START), CONTROL_OK);
    cr_assert_eq(weight_of("main"), 1000);
    struct pilot_report report;
    cr_assert(pilot_report(controller->pilot, STR(""), &report));
    cr_assert_null(report.gate);
}

Test(pilot_asks, what_waits_for_a_hook_can_be_called_off)
{
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK);
    run_until_answered();
    cr_assert_eq(order(STEP_ABORT, ""), CONTROL_OK);
    struct pilot_report report;
    cr_assert(pilot_report(controller->pilot, STR(""), &report));
    cr_assert_null(report.gate);
    cr_assert_eq(order(STEP_ABORT, ""), CONTROL_PLAN_REFUSED);
    cr_assert_eq(order(STEP_START, ""), CONTROL_OK, "and ordered again");
    cr_assert_eq(set_weight("", 500), CONTROL_OK);
    cr_assert(pilot_report(controller->pilot, STR(""), &report));
    cr_assert_null(report.gate, "a weight by hand calls it off too");
}

/* The freeze */

static enum control_result freeze(bool on, const char *first, const char *second)
{
    struct freeze_request request = {.on = on, .retry_after_s = 30};

    if (first != NULL)
        request.routes[request.route_count++] = str_of(first);
    if (second != NULL)
        request.routes[request.route_count++] = str_of(second);
    return order_freeze(controller, &nobody, &request, &error);
}

Test(pilot, a_freeze_is_kept_by_name)
{
    const struct freeze *now = &controller->snapshot->policy.freeze;

    cr_assert_not(now->is_on);
    cr_assert_eq(freeze(true, "cart", "main"), CONTROL_OK, "%s", error.text);
    restart();
    now = &controller->snapshot->policy.freeze;
    cr_assert(now->is_on && now->main && now->routes[3] && !now->routes[0]);
    cr_assert_eq(now->retry_after_s, 30);
    write_config(PLAN,
                 "routes:\n  - {name: new, path: /new}\n  - {name: cart, path: /c, pin: old}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    now = &controller->snapshot->policy.freeze;
    cr_assert(now->routes[1] && !now->routes[0]);
    write_config(PLAN, "");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_not_null(strstr(last_event()->reason, "writes are frozen on cart"), "%s",
                       last_event()->reason);
    cr_assert_eq(freeze(false, NULL, NULL), CONTROL_OK);
    cr_assert_not(controller->snapshot->policy.freeze.is_on);
    cr_assert_str_eq(last_event()->from, "on 2 routes");
    cr_assert_str_eq(last_event()->to, "off");
}

Test(pilot, a_freeze_of_nothing_named_is_one_of_all)
{
    const struct freeze *now;

    cr_assert_eq(freeze(true, NULL, NULL), CONTROL_OK);
    now = &controller->snapshot->policy.freeze;
    cr_assert(now->main && now->routes[0] && now->routes[3]);
    write_config(PLAN, "routes:\n  - {name: gone, path: /gone}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(freeze(true, "gone", NULL), CONTROL_OK);
    write_config(PLAN, ROUTES);
    cr_assert_eq(reload(), CONTROL_OK);
    now = &controller->snapshot->policy.freeze;
    cr_assert(now->is_on && !now->main && !now->routes[0], "a name that is gone is not all");
}

Test(pilot, a_freeze_that_cannot_be_is_refused)
{
    struct freeze_request request = {.on = true, .retry_after_s = 0};

    cr_assert_eq(order_freeze(controller, &nobody, &request, &error), CONTROL_BAD_VALUE);
    cr_assert_eq(freeze(true, "nothing", NULL), CONTROL_UNKNOWN_ROUTE);
    break_disk();
    cr_assert_eq(freeze(true, NULL, NULL), CONTROL_STATE_NOT_SAVED);
    cr_assert_not_null(strstr(error.text, "the write freeze is still off"), "%s", error.text);
    cr_assert_not(controller->snapshot->policy.freeze.is_on);
    mend_disk();
}
