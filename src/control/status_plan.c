/*
 * status_plan.c - configuration (the steps), state (the place) and pilot (the verdict) of one plan ->
 * one JSON object.
 */
#include "control/status_plan.h"

#include "base/clock.h"
#include "control/pilot.h"

struct plan_place status_plan_place(const struct controller *controller, struct str route)
{
    const struct state *state = &controller->state;
    const struct plan *plan = config_plan(controller->config, route);

    for (unsigned i = 0; plan != NULL && i < state->plan_count; i++)
        if (str_eq(state->plans[i].route, route))
            return state->plans[i].place;
    return (struct plan_place){.state = PLAN_IDLE};
}

/* All that is known of a plan, in one place. */
struct view {
    const struct controller *controller;
    struct str route;
    const struct plan *plan; /* one without steps when the configuration has none */
    struct plan_place place;
    struct pilot_report report;
    bool has_report;
    uint64_t now_ms;
};

static uint64_t seconds_up(uint64_t ms)
{
    return (ms + 999) / 1000;
}

/* The step that it is in; NULL: not begun. */
static const struct plan_step *present_step(const struct view *view)
{
    unsigned step = view->place.step;

    return step == 0 || step > view->plan->step_count ? NULL : &view->plan->steps[step - 1];
}

static unsigned weight_in_force(const struct view *view)
{
    const struct state *state = &view->controller->state;

    return str_eq(view->route, STR(ROUTE_MAIN)) ? state->weight
                                                : state_route_weight(state, view->route, 0);
}

/* Where advance would lead, or start when it is not under way; NULL: nowhere. */
static const struct plan_step *next_step(const struct view *view)
{
    const struct plan *plan = view->plan;
    struct error ignored;
    unsigned to;

    if (view->place.state == PLAN_FINISHED || plan->step_count == 0)
        return NULL;
    if (plan_is_active(&view->place))
        return view->place.step < plan->step_count ? &plan->steps[view->place.step] : NULL;
    return plan_start(plan, &view->place, weight_in_force(view), false, true, &to, &ignored)
               ? &plan->steps[to - 1]
               : NULL;
}

static void write_weight(const struct plan_step *step, const char *name, struct json *json)
{
    if (step == NULL)
        json_none(json, name);
    else
        json_decimal(json, name, step->weight, 2);
}

static void write_needed(uint64_t needed, bool is_known, const char *name, struct json *json)
{
    if (!is_known || needed == COMPARE_UNKNOWN)
        json_none(json, name);
    else
        json_u64(json, name, needed);
}

/* The part that the contract names. */
static void write_state(const struct view *view, bool has_verdict, struct json *json)
{
    json_text(json, "state", plan_state_name(view->place.state));
    json_u64(json, "step", view->place.step);
    json_u64(json, "steps", view->plan->step_count);
    if (plan_is_active(&view->place)) {
        json_u64(json, "hold_left_s",
                 seconds_up(plan_left_ms(view->plan, &view->place, view->now_ms)));
    } else {
        json_none(json, "hold_left_s");
    }
    json_text(json, "verdict", has_verdict ? verdict_name(view->report.window.verdict) : NULL);
}

static void write_step(const struct view *view, struct json *json)
{
    const struct plan_step *step = present_step(view);

    json_text(json, "advance", view->plan->is_auto ? "auto" : "manual");
    write_weight(step, "weight", json);
    write_weight(next_step(view), "next_weight", json);
    json_u64(json, "hold_s", step == NULL ? 0 : step->hold_ms / 1000);
    json_u64(json, "held_s",
             plan_is_active(&view->place) ? plan_held_ms(&view->place, view->now_ms) / 1000 : 0);
    json_text(json, "note", view->place.note);
}

static void write_guard(const struct view *view, struct json *json)
{
    const struct guard *guard = view->has_report ? view->report.guard : NULL;
    const struct guard_rules *rules = &view->plan->guard;

    json_bool(json, "failed", view->has_report ? view->report.has_failed : view->place.has_failed);
    json_u64(json, "strikes", guard == NULL ? 0 : guard->strikes);
    json_u64(json, "strikes_max", rules->strikes);
    json_text(json, "on_fail", rules->on_fail == GUARD_HOLD ? "hold" : "rollback");
}

static void write_verdict(const struct view *view, bool has_verdict, struct json *json)
{
    const struct comparison *window = &view->report.window;
    uint64_t window_ms =
        has_verdict ? guard_window_needed_ms(&view->plan->guard, window, view->report.span_ms) : 0;

    json_text(json, "verdict_cause", has_verdict ? compare_cause_name(window->cause) : "");
    json_text(json, "verdict_reason", has_verdict ? window->reason : "");
    write_needed(window->requests_needed, has_verdict, "requests_needed", json);
    write_needed(window->seconds_needed, has_verdict, "seconds_needed", json);
    write_needed(seconds_up(window_ms), window_ms > 0, "window_needed_s", json);
    json_bool(json, "failing_over", view->has_report && view->report.is_failing_over);
    json_u64(json, "warm_up_left_s",
             view->has_report ? seconds_up(view->report.warm_up_left_ms) : 0);
}

static void write_gate(const struct view *view, struct json *json)
{
    json_text(json, "gate", view->has_report ? view->report.gate : NULL);
    json_text(json, "gate_detail", view->has_report ? view->report.gate_detail : "");
}

static void write_steps(const struct plan *plan, struct json *json)
{
    json_array_begin(json, "step_list");
    for (unsigned i = 0; i < plan->step_count; i++) {
        json_object_begin(json, NULL);
        json_decimal(json, "weight", plan->steps[i].weight, 2);
        json_u64(json, "hold_s", plan->steps[i].hold_ms / 1000);
        json_bool(json, "before", !str_is_empty(plan->steps[i].before));
        json_bool(json, "after", !str_is_empty(plan->steps[i].after));
        json_object_end(json);
    }
    json_array_end(json);
}

void status_plan_write(const struct controller *controller, struct str route, struct json *json)
{
    struct view view = {
        .controller = controller,
        .route = route,
        .plan = config_plan(controller->config, route),
        .place = status_plan_place(controller, route),
        .now_ms = clock_boot_ms(),
    };
    bool has_verdict;

    view.has_report = pilot_report(controller->pilot, route, &view.report);
    has_verdict = view.plan != NULL && view.has_report && view.report.looked_wall_ms > 0;
    if (view.plan == NULL)
        view.plan = &controller->config->plan;
    json_object_begin(json, "plan");
    write_state(&view, has_verdict, json);
    write_step(&view, json);
    write_guard(&view, json);
    write_verdict(&view, has_verdict, json);
    write_gate(&view, json);
    write_steps(view.plan, json);
    json_object_end(json);
}

void status_freeze_write(const struct controller *controller, uint64_t writes_open,
                         struct json *json)
{
    const struct state_freeze *freeze = &controller->state.freeze;
    char since[CLOCK_ISO_BYTES];

    json_object_begin(json, "freeze");
    json_bool(json, "on", freeze->is_on);
    if (freeze->is_on) {
        clock_format(freeze->since_ms, since);
        json_text(json, "since", since);
        json_u64(json, "retry_after_s", freeze->retry_after_s);
        json_array_begin(json, "routes");
        for (unsigned i = 0; i < freeze->route_count; i++)
            json_str(json, NULL, freeze->routes[i]);
        json_array_end(json);
        json_u64(json, "writes_open", writes_open);
    }
    json_object_end(json);
}
