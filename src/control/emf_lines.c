/*
 * emf_lines.c - sums of now, less those of the beginning of the interval, put into lines.
 *
 * What is told of a backend's errors and latency is what the comparison is about: attempts of the
 * users of that side, before failover hides how they ended. Requests and Responses5xx are of all
 * requests that ended at it. So an alarm on ErrorRate speaks of the same thing as the guard.
 *
 * The lines go the way of the log, whole and in one piece; a log that cannot take them loses them as
 * it loses any other line, and counts them.
 */
#include "control/emf_lines.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/pilot.h"
#include "control/rates.h"
#include "control/status_plan.h"
#include "telemetry/emf.h"

/* The timer ticks once a second, and never to the millisecond. */
#define EARLY_MS 500

struct emf_sums {
    struct counters counters;
    struct sample evidence[SIDES]; /* of all plans together; cells wrap around */
    uint64_t log_dropped;
};

static void take_sums(struct emf_sums *sums, const struct controller *controller)
{
    struct sample plan[SIDES];

    controller_sum_counters(controller, &sums->counters);
    memset(sums->evidence, 0, sizeof(sums->evidence));
    for (unsigned index = 0; index < PLANS_MAX; index++) {
        controller_sum_evidence(controller, index, plan);
        for (unsigned side = 0; side < SIDES; side++)
            sample_add(&sums->evidence[side], &plan[side]);
    }
    sums->log_dropped = log_dropped();
}

static uint64_t since(const counter *now, const counter *before)
{
    return counter_read(now) - counter_read(before);
}

/* Answers of class 5xx, whoever made them. */
static uint64_t responses_5xx(const struct counters *sum, enum side side)
{
    uint64_t total = 0;

    for (unsigned slot = 0; slot < ROUTE_SLOTS; slot++)
        for (unsigned reason = 0; reason < REASON_COUNT; reason++)
            total += counter_read(&sum->requests[side][slot][reason][5]);
    return total;
}

static void add_latency(struct emf_line *line, const struct sample *part)
{
    struct sample_latency all;

    sample_first_byte(part, &all);
    if (sample_latency_count(&all) == 0)
        return;
    emf_add_us(line, "FirstByteP50", sample_quantile_us(&all, 0.50));
    emf_add_us(line, "FirstByteP95", sample_quantile_us(&all, 0.95));
    emf_add_us(line, "FirstByteP99", sample_quantile_us(&all, 0.99));
}

static void add_servers(struct emf_line *line, const struct controller_backend *backend)
{
    uint64_t now_ms = clock_mono_ms();
    unsigned healthy = 0;

    for (unsigned i = 0; i < backend->count; i++) {
        const struct server *server = backend->servers[i].server;
        healthy += server_health(server) == HEALTH_UP && !server_is_ejected(server, now_ms);
    }
    emf_add_count(line, "HealthyServers", healthy);
}

static void put_backend(const struct emf_lines *lines, const struct controller *controller,
                        struct emf_line line, enum side side, struct buf *out)
{
    const struct counters *now = &lines->now->counters;
    const struct counters *before = &lines->before->counters;
    struct sample part = lines->now->evidence[side];
    uint64_t attempts, errors;

    sample_subtract(&part, &lines->before->evidence[side]);
    attempts = sample_requests(&part);
    errors = sample_failed(&part);
    line.dimension = "backend";
    line.dimension_value = str_of(side_name(side));
    line.name = controller->config->backends[side].name;
    emf_add_count(&line, "Requests", rates_requests(now, side) - rates_requests(before, side));
    emf_add_count(&line, "Responses5xx", responses_5xx(now, side) - responses_5xx(before, side));
    emf_add_count(&line, "Attempts", attempts);
    emf_add_count(&line, "Errors", errors);
    emf_add_share(&line, "ErrorRate", errors, attempts);
    emf_add_count(&line, "Failovers", since(&now->failovers[side], &before->failovers[side]));
    add_latency(&line, &part);
    emf_add_count(&line, "OpenSockets", counter_read(&now->tunnels[side]));
    add_servers(&line, &controller->backends[side]);
    emf_format(&line, out);
}

static void put_weight(const struct controller *controller, struct emf_line line, struct str route,
                       unsigned weight, struct buf *out)
{
    struct plan_place place = status_plan_place(controller, route);
    struct pilot_report report;

    line.dimension = "route";
    line.dimension_value = route;
    line.interval_ms = 0;
    emf_add(&line, "WeightPercent", EMF_PERCENT, weight, 2);
    if (config_plan(controller->config, route) != NULL) {
        bool is_active = plan_is_active(&place);
        bool has_report = pilot_report(controller->pilot, route, &report);

        emf_add_count(&line, "PlanStep", place.step);
        if (is_active && has_report)
            emf_add(&line, "GuardVerdict", EMF_NONE, verdict_number(report.window.verdict), 0);
        emf_add_count(&line, "GuardFailed", has_report ? report.has_failed : place.has_failed);
        emf_add_count(&line, "PlanWaiting", place.state == PLAN_WAITING);
    }
    emf_format(&line, out);
}

static void put_weights(const struct controller *controller, const struct emf_line *line,
                        struct buf *out)
{
    const struct policy *policy = &controller->snapshot->policy;

    put_weight(controller, *line, STR(ROUTE_MAIN), policy->weight, out);
    for (unsigned i = 0; i < policy->route_count; i++)
        if (policy->routes[i].kind == ROUTE_WEIGHTED)
            put_weight(controller, *line, policy->routes[i].name, policy->route_weight[i], out);
}

static void put_proxy(const struct emf_lines *lines, const struct controller *controller,
                      struct emf_line line, struct buf *out)
{
    const struct counters *now = &lines->now->counters;

    emf_add_count(&line, "Connections", counter_read(&now->connections));
    emf_add_count(&line, "RollbackReady", controller_rollback_ready(controller));
    emf_add_count(&line, "WritesFrozen", controller->state.freeze.is_on);
    emf_add_count(&line, "WritesOpen", counter_read(&now->writes_open));
    emf_add_count(&line, "StateDurable", controller->durable);
    emf_add_count(&line, "LogLinesDropped", lines->now->log_dropped - lines->before->log_dropped);
    emf_format(&line, out);
}

static void write_lines(struct emf_lines *lines, const struct controller *controller,
                        uint64_t now_ms)
{
    struct emf_line line = {.wall_ms = clock_wall_ms(), .interval_ms = now_ms - lines->begun_ms};
    struct emf_sums *before = lines->before;
    struct buf out = BUF_EMPTY;

    take_sums(lines->now, controller);
    for (unsigned side = 0; side < SIDES; side++)
        put_backend(lines, controller, line, (enum side)side, &out);
    put_weights(controller, &line, &out);
    put_proxy(lines, controller, line, &out);
    log_lines(buf_str(&out));
    buf_deinit(&out);

    lines->before = lines->now;
    lines->now = before;
    lines->begun_ms = now_ms;
}

static void begin(struct emf_lines *lines, const struct controller *controller, uint64_t now_ms)
{
    lines->before = mem_zalloc(1, sizeof(*lines->before));
    lines->now = mem_zalloc(1, sizeof(*lines->now));
    lines->begun_ms = now_ms;
    lines->due_ms = now_ms + controller->config->log.emf_ms;
    take_sums(lines->before, controller);
}

void emf_lines_tick(struct emf_lines *lines, const struct controller *controller, uint64_t now_ms)
{
    uint64_t every_ms = controller->config->log.emf_ms;

    if (every_ms == 0) {
        emf_lines_finish(lines, controller, now_ms);
    } else if (lines->before == NULL) {
        begin(lines, controller, now_ms);
    } else if (now_ms + EARLY_MS >= lines->due_ms || now_ms - lines->begun_ms >= every_ms) {
        write_lines(lines, controller, now_ms);
        /* In step with the beginning, unless the process stood still or the interval is new. */
        lines->due_ms += every_ms;
        if (lines->due_ms <= now_ms || lines->due_ms > now_ms + every_ms + EARLY_MS)
            lines->due_ms = now_ms + every_ms;
    }
}

void emf_lines_finish(struct emf_lines *lines, const struct controller *controller, uint64_t now_ms)
{
    if (lines->before == NULL)
        return;
    write_lines(lines, controller, now_ms);
    emf_lines_deinit(lines);
}

void emf_lines_deinit(struct emf_lines *lines)
{
    mem_free(lines->before);
    mem_free(lines->now);
    *lines = (struct emf_lines){0};
}
