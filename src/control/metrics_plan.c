/*
 * metrics_plan.c - the part of /metrics that a cutover is watched by: where each plan stands, what its
 * guard says, what the comparison has counted, and whether writes are frozen.
 *
 * Every family stands there from the start, for main and for each route with a plan: an alert on a
 * series that comes into being with the first failure would never have seen it begin.
 */
#include "control/metrics.h"

#include "base/clock.h"
#include "control/meter.h"
#include "control/pilot.h"
#include "control/status_plan.h"
#include "telemetry/prometheus.h"

/* A route with a plan, or main. */
struct planned {
    struct str route;
    const struct plan *plan; /* NULL: none in the configuration */
    struct plan_place place; /* idle when it was never begun */
    bool has_report;
    struct pilot_report report;
};

static void look_at(const struct controller *controller, struct str route, struct planned *planned)
{
    planned->route = route;
    planned->plan = config_plan(controller->config, route);
    planned->place = status_plan_place(controller, route);
    planned->has_report = pilot_report(controller->pilot, route, &planned->report);
}

static unsigned collect(const struct controller *controller, struct planned all[PLANS_MAX])
{
    const struct config *config = controller->config;
    unsigned count = 0;

    look_at(controller, STR(ROUTE_MAIN), &all[count++]);
    for (unsigned i = 0; i < config->route_plan_count && count < PLANS_MAX; i++)
        look_at(controller, config->routes[config->route_plans[i].route].name, &all[count++]);
    return count;
}

static void write_states(const struct planned *all, unsigned count, struct buf *out)
{
    static const char name[] = "cutover_plan_state";
    prom_family(out, name, "gauge", "1 for the state that the plan is in, 0 for the others.");
    for (unsigned i = 0; i < count; i++) {
        for (int state = 0; state < PLAN_STATE_COUNT; state++) {
            const struct prom_label labels[] = {
                {"route", all[i].route},
                {"state", str_of(plan_state_name((enum plan_state)state))}};
            prom_sample(out, name, labels, 2, (int)all[i].place.state == state ? 1 : 0);
        }
    }
}

static int64_t step(const struct planned *planned)
{
    return planned->place.step;
}

static int64_t steps(const struct planned *planned)
{
    return planned->plan == NULL ? 0 : planned->plan->step_count;
}

/* In seconds, rounded up: 0 is over. */
static int64_t hold_left(const struct planned *planned)
{
    if (planned->plan == NULL || !plan_is_active(&planned->place))
        return 0;
    uint64_t left_ms = plan_left_ms(planned->plan, &planned->place, clock_boot_ms());
    return (int64_t)((left_ms + 999) / 1000);
}

static int64_t verdict(const struct planned *planned)
{
    return planned->has_report ? verdict_number(planned->report.window.verdict) : 0;
}

static int64_t strikes(const struct planned *planned)
{
    const struct guard *guard = planned->has_report ? planned->report.guard : NULL;
    return guard == NULL ? 0 : guard->strikes;
}

static int64_t failed(const struct planned *planned)
{
    return planned->has_report ? planned->report.has_failed : planned->place.has_failed;
}

static int64_t failing_over(const struct planned *planned)
{
    return planned->has_report && planned->report.is_failing_over ? 1 : 0;
}

static void write_plans(const struct controller *controller, struct buf *out)
{
    static const struct {
        const char *name, *help;
        int64_t (*value)(const struct planned *planned);
    } gauges[] = {
        {"cutover_plan_step", "The step that the plan is in; 0 before the first.", step},
        {"cutover_plan_steps", "Steps that the plan has; 0 without a plan.", steps},
        {"cutover_plan_hold_left_seconds", "What is left of the step's hold; 0 when it is over.",
         hold_left},
        {"cutover_guard_verdict", "1 pass, 0 inconclusive, -1 fail: the guard's last look.",
         verdict},
        {"cutover_guard_strikes", "Looks in a row that the new side has failed.", strikes},
        {"cutover_guard_failed", "1 once the guard has failed, until an operator goes on.", failed},
        {"cutover_guard_failing_over", "1 while requests leave a side because it cannot take them.",
         failing_over},
    };
    struct planned all[PLANS_MAX];
    unsigned count = collect(controller, all);

    write_states(all, count, out);
    for (unsigned family = 0; family < ARRAY_LEN(gauges); family++) {
        prom_family(out, gauges[family].name, "gauge", gauges[family].help);
        for (unsigned i = 0; i < count; i++) {
            const struct prom_label label = {"route", all[i].route};
            prom_sample_signed(out, gauges[family].name, &label, 1, gauges[family].value(&all[i]));
        }
    }
}

/* Whether the route of a slot has a plan now, or had one and was counted. */
static bool is_compared(const struct controller *controller, unsigned slot)
{
    const struct meter_total *old = meter_total(controller->meter, slot, SIDE_OLD);
    const struct meter_total *new = meter_total(controller->meter, slot, SIDE_NEW);

    if (slot == 0 || str_is_empty(controller->slot_names[slot]))
        return slot == 0;
    return config_plan(controller->config, controller->slot_names[slot]) != NULL ||
           old->requests + new->requests > 0;
}

static void write_compare_requests(const struct controller *controller, struct buf *out)
{
    static const char name[] = "cutover_compare_requests_total";
    prom_family(out, name, "counter",
                "Attempts that the comparison counts: users of that side, before failover.");
    for (unsigned cell = 0; cell < ROUTE_SLOTS * SIDES; cell++) {
        unsigned slot = cell / SIDES;
        enum side side = (enum side)(cell % SIDES);
        const struct prom_label labels[] = {{"backend", str_of(side_name(side))},
                                            {"route", controller->slot_names[slot]}};
        if (is_compared(controller, slot))
            prom_sample(out, name, labels, 2, meter_total(controller->meter, slot, side)->requests);
    }
}

static void write_compare_errors(const struct controller *controller, struct buf *out)
{
    static const char name[] = "cutover_compare_errors_total";
    prom_family(out, name, "counter", "Of them, those that failed, by how.");
    for (unsigned cell = 0; cell < ROUTE_SLOTS * SIDES * SAMPLE_ERROR_COUNT; cell++) {
        unsigned slot = cell / (SIDES * SAMPLE_ERROR_COUNT);
        enum side side = (enum side)(cell / SAMPLE_ERROR_COUNT % SIDES);
        enum sample_error kind = (enum sample_error)(cell % SAMPLE_ERROR_COUNT);
        const struct prom_label labels[] = {{"backend", str_of(side_name(side))},
                                            {"route", controller->slot_names[slot]},
                                            {"kind", str_of(sample_error_name(kind))}};
        if (is_compared(controller, slot))
            prom_sample(out, name, labels, 3,
                        meter_total(controller->meter, slot, side)->errors[kind]);
    }
}

void metrics_write_plans(const struct controller *controller, const struct counters *sum,
                         struct buf *out)
{
    write_plans(controller, out);
    meter_update(controller->meter);
    write_compare_requests(controller, out);
    write_compare_errors(controller, out);
    metrics_gauge(out, "cutover_frozen", "1 while unsafe methods are answered 503.",
                  controller->state.freeze.is_on ? 1 : 0);
    metrics_gauge(out, "cutover_writes_open", "Requests with an unsafe method that have not ended.",
                  counter_read(&sum->writes_open));
}
