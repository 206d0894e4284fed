/* test_plan.c - the plan of the main weight and those of routes: steps, hooks, the guard's limits. */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(plan, .init = set_up, .fini = tear_down);

#define DAY_MS ((uint64_t)86400000)

static void assert_guard_defaults(const struct guard_rules *guard)
{
    cr_assert_eq(guard->window_ms, 300000u);
    cr_assert_eq(guard->every_ms, 30000u);
    cr_assert_eq(guard->strikes, 3u);
    cr_assert_eq(guard->on_fail, GUARD_ROLLBACK);
    cr_assert_eq(guard->warm_up_ms, 30000u);
    cr_assert_eq(guard->limits.min_requests, 200u);
    cr_assert_eq(guard->limits.max_error_rate, 100u);
    cr_assert_eq(guard->limits.error_rate_over_old, 50u);
    cr_assert_eq(guard->limits.p95_ratio, 200u);
    cr_assert_eq(guard->limits.p95_over_old_ms, 200u);
}

/* Both sides can be compared without a plan, by these limits. */
Test(plan, without_steps_there_is_no_plan_but_the_guard_has_its_limits)
{
    static const char *const WITHOUT[] = {
        MINIMAL,
        MINIMAL "plan: null\n",
        MINIMAL "plan:\n",
        MINIMAL "plan: {}\n",
        MINIMAL "plan: {steps: []}\n",
        MINIMAL "plan: {advance: auto, steps: null, guard: null}\n",
        MINIMAL "plan: {guard: {}}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(WITHOUT); i++) {
        struct config *c = parse_good(WITHOUT[i]);
        cr_assert_eq(c->plan.step_count, 0u, "%s", WITHOUT[i]);
        assert_guard_defaults(&c->plan.guard);
        cr_assert_eq(c->route_plan_count, 0u);
        cr_assert_null(config_plan(c, STR("main")));
        cr_assert_null(config_plan(c, STR("")));
        config_unref(c);
    }
}

Test(plan, a_plan_has_steps)
{
    struct config *c = parse_good(MINIMAL "plan:\n"
                                          "  steps:\n"
                                          "    - {weight: 0.01, hold: 0}\n"
                                          "    - {weight: 30%, hold: 7d, before: 'http://h/b'}\n"
                                          "    - {weight: 100, hold: 365d, after: 'https://h'}\n");
    const struct plan *plan = config_plan(c, STR("main"));
    cr_assert_not_null(plan);
    cr_assert_eq(config_plan(c, STR("")), plan);
    cr_assert_null(config_plan(c, STR("other")));
    cr_assert_not(plan->is_auto);
    cr_assert_eq(plan->step_count, 3u);
    cr_assert_eq(plan->steps[0].weight, 1u);
    cr_assert_eq(plan->steps[0].hold_ms, 0u);
    cr_assert_eq(plan->steps[0].before.len + plan->steps[0].after.len, 0u);
    cr_assert_eq(plan->steps[1].weight, 3000u);
    cr_assert_eq(plan->steps[1].hold_ms, 7 * DAY_MS);
    cr_assert(str_eq(plan->steps[1].before, STR("http://h/b")));
    cr_assert_eq(plan->steps[2].weight, 10000u);
    cr_assert_eq(plan->steps[2].hold_ms, 365 * DAY_MS);
    cr_assert(str_eq(plan->steps[2].after, STR("https://h")));
    assert_guard_defaults(&plan->guard);
    config_unref(c);
}

Test(plan, a_single_step_needs_no_list)
{
    struct config *c =
        parse_good(MINIMAL "plan: {advance: auto, steps: {weight: 100, hold: 1s}}\n");
    cr_assert(c->plan.is_auto);
    cr_assert_eq(c->plan.step_count, 1u);
    config_unref(c);
}

Test(plan, the_guard_goes_by_what_is_written)
{
    struct config *c = parse_good(
        MINIMAL "plan: {guard: {window: 1d, every: 1s, min_requests: 7, max_error_rate: 2%, "
                "error_rate_over_old: 0.25, p95_ratio: 1.5, p95_over_old: 0, strikes: 1, on_fail: "
                "hold, warm_up: 0}}\n");
    const struct guard_rules *guard = &c->plan.guard;
    cr_assert_eq(guard->window_ms, DAY_MS);
    cr_assert_eq(guard->every_ms, 1000u);
    cr_assert_eq(guard->strikes, 1u);
    cr_assert_eq(guard->on_fail, GUARD_HOLD);
    cr_assert_eq(guard->warm_up_ms, 0u);
    cr_assert_eq(guard->limits.min_requests, 7u);
    cr_assert_eq(guard->limits.max_error_rate, 200u);
    cr_assert_eq(guard->limits.error_rate_over_old, 25u);
    cr_assert_eq(guard->limits.p95_ratio, 150u);
    cr_assert_eq(guard->limits.p95_over_old_ms, 0u);
    config_unref(c);
}

Test(plan, numbers_have_limits)
{
    assert_problem(MINIMAL "plan: {advance: later}\n", 5, "plan.advance", "manual or auto");
    assert_problem(MINIMAL "plan: {steps: [{weight: 10}]}\n", 5, "plan.steps[0].hold", "missing");
    assert_problem(MINIMAL "plan: {steps: [{hold: 1s}]}\n", 5, "plan.steps[0].weight", "missing");
    assert_problem(MINIMAL "plan: {steps: [{weight: 101, hold: 1s}]}\n", 5, "plan.steps[0].weight",
                   "0 to 100");
    assert_problem(MINIMAL "plan: {steps: [{weight: 1, hold: 999ms}]}\n", 5, "plan.steps[0].hold",
                   "0 or a duration from 1s to 365d");
    assert_problem(MINIMAL "plan: {steps: [{weight: 1, hold: 366d}]}\n", 5, "plan.steps[0].hold",
                   "to 365d");
    assert_problem(MINIMAL "plan: {stepz: []}\n", 5, "plan.stepz", "steps");
    assert_problem(MINIMAL "plan: {guard: {window: 0}}\n", 5, "plan.guard.window", "from 1s to 1d");
    assert_problem(MINIMAL "plan: {guard: {every: 10ms}}\n", 5, "plan.guard.every", "from 1s");
    assert_problem(MINIMAL "plan: {guard: {min_requests: 0}}\n", 5, "plan.guard.min_requests",
                   "from 1 to");
    assert_problem(MINIMAL "plan: {guard: {p95_ratio: 0.9}}\n", 5, "plan.guard.p95_ratio",
                   "from 1.00 to 100.00");
    assert_problem(MINIMAL "plan: {guard: {strikes: 0}}\n", 5, "plan.guard.strikes", "1 to 1000");
    assert_problem(MINIMAL "plan: {guard: {on_fail: stop}}\n", 5, "plan.guard.on_fail",
                   "rollback or hold");
    assert_problem(MINIMAL "plan: {guard: {max_error_rate: 101%}}\n", 5,
                   "plan.guard.max_error_rate", "0 to 100");
}

Test(plan, each_step_moves_more_users_than_the_one_before)
{
    assert_problem(MINIMAL "plan:\n"
                           "  steps:\n"
                           "    - {weight: 10, hold: 1s}\n"
                           "    - {weight: 70%, hold: 1s}\n"
                           "    - {weight: 30, hold: 1s}\n",
                   9, "plan.steps[2].weight",
                   "expected more than \"70%\", the weight of steps[1] before it, got \"30\"");
    assert_problem(MINIMAL "plan: {steps: [{weight: 10, hold: 0}, {weight: 10, hold: 0}]}\n", 5,
                   "plan.steps[1].weight", "expected more than \"10\"");
    assert_problem(MINIMAL "plan: {steps: [{weight: 0, hold: 0}, {weight: 10, hold: 0}]}\n", 5,
                   "plan.steps[0].weight", "expected more than 0");
}

Test(plan, the_guard_does_not_look_more_seldom_than_its_window_is_long)
{
    assert_problem(MINIMAL "plan: {guard: {window: 1m, every: 2m}}\n", 5, "plan.guard.every",
                   "every is longer than window");
    assert_problem(MINIMAL "plan: {guard: {window: 10s}}\n", 5, "plan.guard.window",
                   "every is longer than window");
    config_unref(parse_good(MINIMAL "plan: {guard: {window: 1m, every: 1m}}\n"));
}

static void assert_hook(const char *url, const char *problem)
{
    char text[4096];
    (void)snprintf(text, sizeof(text),
                   MINIMAL "plan: {steps: [{weight: 1, hold: 0, before: \"%s\"}]}\n", url);
    if (problem == NULL) {
        struct config *c = parse_good(text);
        cr_assert(str_eq(c->plan.steps[0].before, str_of(url)));
        config_unref(c);
    } else {
        assert_problem(text, 5, "plan.steps[0].before", problem);
        cr_assert_null(strstr(problems.items[0].text.data, "hunter2"));
        config_problems_deinit(&problems);
        config_problems_init(&problems);
    }
}

Test(plan, a_hook_is_a_url)
{
    char longest[2100] = "http://h/hunter2";
    memset(longest + strlen(longest), 'x', sizeof(longest) - strlen(longest) - 1);

    assert_hook("http://127.0.0.1:9000/checks", NULL);
    assert_hook("https://ci.example.org?step=2&key=a@b:c", NULL);
    assert_hook("https://[::1]:8443/a/b/", NULL);
    assert_hook("http://localhost", NULL);
    assert_hook("ci.example.org/hunter2", "expected a URL such as https://");
    assert_hook("ftp://ci.example.org/hunter2", "expected a URL");
    assert_hook("HTTP://ci.example.org/hunter2", "expected a URL");
    assert_hook("http://", "with a host");
    assert_hook("http:///hunter2", "with a host");
    assert_hook("https://?hunter2", "with a host");
    assert_hook("http://h:0/hunter2", "a port (1 to 65535)");
    assert_hook("http://h:/hunter2", "with a host");
    assert_hook("http://a b/hunter2", "visible ASCII");
    assert_hook("http://h/hunter2\xC3\xA9", "visible ASCII");
    assert_hook("http://h/hunter2#top", "without '#'");
    assert_hook(longest, "at most 2048 bytes");
    assert_hook("https://me:hunter2@ci.example.org/", "without user and password");
    assert_hook("https://hunter2@ci.example.org/", "${NAME}");
}

Test(plan, a_hook_may_come_from_a_variable_and_is_never_shown)
{
    const char *text = MINIMAL "plan: {steps: [{weight: 1, hold: 0, after: '${HOOK_URL}'}]}\n";
    setenv("HOOK_URL", "https://h/?key=hunter2", 1);
    struct config *c = parse_good(text);
    cr_assert(str_eq(c->plan.steps[0].after, STR("https://h/?key=hunter2")));
    config_unref(c);
    setenv("HOOK_URL", "https://h:hunter2/", 1);
    assert_problem(text, 5, "plan.steps[0].after", "with a host");
    cr_assert_null(strstr(problems.items[0].text.data, "hunter2"));
    tear_down();
    set_up();
    setenv("HOOK_URL", "", 1); /* as null: no hook */
    c = parse_good(text);
    cr_assert_eq(c->plan.steps[0].after.len, 0u);
    config_unref(c);
}

Test(plan, at_most_a_hundred_steps)
{
    char text[8192] = MINIMAL "plan:\n  steps:\n";
    for (unsigned i = 1; i <= PLAN_STEPS_MAX; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "    - {weight: %u, hold: 0}\n", i);
    }
    struct config *c = parse_good(text);
    cr_assert_eq(c->plan.step_count, PLAN_STEPS_MAX);
    config_unref(c);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                   "    - {weight: 1, hold: 0}\n");
    assert_problem(text, 7, "plan.steps", "at most 100");
}

#define STEP "{steps: [{weight: 100, hold: 0}]}"

Test(plan, a_route_with_a_weight_may_have_a_plan_of_its_own)
{
    struct config *c = parse_good(
        MINIMAL "routes:\n"
                "  - {name: a, path: /a, pin: old}\n"
                "  - {name: b, path: /b, weight: 5, plan: {advance: auto, steps: [{weight: 20, "
                "hold: 2d}], guard: {strikes: 5}}}\n"
                "  - {name: c, path: /c, weight: 0, plan: null}\n"
                "  - {name: d, path: /d, weight: 0, plan: {guard: {strikes: 2}}}\n"
                "  - {name: e, path: /e, weight: 0, plan: " STEP "}\n"
                "plan: {guard: {strikes: 9}}\n");
    cr_assert_eq(c->route_count, 5u);
    cr_assert_eq(c->route_plan_count, 2u);
    cr_assert_eq(c->route_plans[0].route, 1u);
    cr_assert_eq(c->route_plans[1].route, 4u);
    const struct plan *plan = config_plan(c, STR("b"));
    cr_assert_eq(plan, &c->route_plans[0].plan);
    cr_assert(plan->is_auto);
    cr_assert_eq(plan->steps[0].weight, 2000u);
    cr_assert_eq(plan->guard.strikes, 5u);
    cr_assert_eq(plan->guard.window_ms, 300000u);
    cr_assert_eq(config_plan(c, STR("e"))->guard.strikes, 3u); /* not those of the main plan */
    cr_assert_null(config_plan(c, STR("a")));
    cr_assert_null(config_plan(c, STR("d")));
    cr_assert_null(config_plan(c, STR("main")));
    config_unref(c);
}

Test(plan, only_a_route_with_a_weight_has_one)
{
    const char *problem = "this one has none of its own: add weight: 0";
    assert_problem(MINIMAL "routes: [{name: a, path: /a, plan: " STEP "}]\n", 5, "routes[0].plan",
                   problem);
    assert_problem(MINIMAL "routes: [{name: a, path: /a, pin: new, plan: {}}]\n", 5,
                   "routes[0].plan", problem);
    assert_problem(MINIMAL "routes: [{name: a, path: /a, weight: 0, plan: {steps: [{weight: 0, "
                           "hold: 0}]}}]\n",
                   5, "routes[0].plan.steps[0].weight", "expected more than 0");
    config_unref(parse_good(MINIMAL "routes: {name: a, path: /a, weight: 0, plan: " STEP "}\n"));
}

Test(plan, as_many_routes_as_there_may_be_plans_have_one)
{
    char text[2048] = MINIMAL "routes:\n";
    for (unsigned i = 0; i < PLANS_MAX - 1; i++) {
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len,
                       "  - {name: r%u, path: /%u, weight: 0, plan: " STEP "}\n", i, i);
    }
    struct config *c = parse_good(text);
    cr_assert_eq(c->route_plan_count, PLANS_MAX - 1u);
    config_unref(c);
    (void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
                   "  - {name: x, path: /x, weight: 0, plan: " STEP "}\n");
    assert_problem(text, 13, "routes[7].plan", "at most 7 routes may have a plan");
}
