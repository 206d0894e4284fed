/*
 * compare_answer.c - pilot_compare -> numbers as people read them: rates in percent, times in ms.
 */
#include "control/compare_answer.h"

#include <math.h>
#include <stdio.h>

#include "config/values.h"
#include "control/api.h"
#include "control/pilot.h"

#define WINDOW_LEAST_MS 1000

/* Three decimals: as much as the numbers are worth. */
static void write_number(struct json *json, const char *name, double value)
{
    if (isfinite(value))
        json_decimal(json, name, llround(value * 1000), 3);
    else
        json_none(json, name);
}

static void write_interval(struct json *json, const char *name,
                           const struct compare_interval *interval, double factor)
{
    json_object_begin(json, name);
    write_number(json, "lower", interval->lower * factor);
    write_number(json, "value", interval->value * factor);
    write_number(json, "upper", interval->upper * factor);
    json_object_end(json);
}

/* One of two latencies; null where the other side has none to compare with. */
static void write_known(struct json *json, const char *name,
                        const struct compare_interval *interval, bool is_known)
{
    if (is_known)
        write_interval(json, name, interval, 1);
    else
        json_none(json, name);
}

static void write_quantile(struct json *json, const char *name,
                           const struct sample_latency *latency, double level)
{
    if (sample_latency_count(latency) == 0)
        json_none(json, name);
    else
        write_number(json, name, sample_quantile_us(latency, level) / 1000);
}

static void write_latency(struct json *json, const char *name, const struct sample_latency *latency)
{
    json_object_begin(json, name);
    write_quantile(json, "p50", latency, 0.50);
    write_quantile(json, "p95", latency, 0.95);
    write_quantile(json, "p99", latency, 0.99);
    json_u64(json, "count", sample_latency_count(latency));
    json_object_end(json);
}

static void write_kinds(struct json *json, const struct sample *sample)
{
    json_object_begin(json, "errors_by_kind");
    for (int error = 0; error < SAMPLE_ERROR_COUNT; error++)
        json_u64(json, sample_error_name((enum sample_error)error), sample->errors[error]);
    json_object_end(json);
    json_object_begin(json, "shown");
    for (int shown = 0; shown < SAMPLE_SHOWN_COUNT; shown++) {
        char status[16];
        (void)snprintf(status, sizeof(status), "%u", sample_shown_status((enum sample_shown)shown));
        json_u64(json, status, sample->shown[shown]);
    }
    json_object_end(json);
}

static void write_side(const struct controller *controller, enum side side,
                       const struct comparison *comparison, const struct sample *sample,
                       struct json *json)
{
    struct sample_latency first_byte;
    sample_first_byte(sample, &first_byte);
    json_object_begin(json, side_name(side));
    json_str(json, "name", controller->config->backends[side].name);
    json_u64(json, "requests", sample_requests(sample));
    json_u64(json, "errors", sample_failed(sample));
    write_interval(json, "error_rate", &comparison->error_rate[side], 100);
    write_kinds(json, sample);
    json_u64(json, "failovers", sample->failovers);
    write_latency(json, "connect_ms", &sample->connect);
    write_latency(json, "first_byte_ms", &first_byte);
    write_latency(json, "total_ms", &sample->total);
    json_object_begin(json, "design_effect");
    write_number(json, "errors", comparison->error_deff[side]);
    write_number(json, "latency", comparison->latency_deff[side]);
    json_object_end(json);
    json_object_end(json);
}

static void write_limits(const struct compare_limits *limits, struct json *json)
{
    json_object_begin(json, "limits");
    json_u64(json, "min_requests", limits->min_requests);
    json_decimal(json, "max_error_rate", limits->max_error_rate, 2);
    json_decimal(json, "error_rate_over_old", limits->error_rate_over_old, 2);
    json_decimal(json, "p95_ratio", limits->p95_ratio, 2);
    json_u64(json, "p95_over_old_ms", limits->p95_over_old_ms);
    json_object_end(json);
}

static void write_needed(struct json *json, const char *name, uint64_t needed)
{
    if (needed == COMPARE_UNKNOWN)
        json_none(json, name);
    else
        json_u64(json, name, needed);
}

static void write_verdict(const struct comparison *comparison, struct json *json)
{
    json_text(json, "verdict", verdict_name(comparison->verdict));
    json_text(json, "cause", compare_cause_name(comparison->cause));
    json_text(json, "reason", comparison->reason);
    write_needed(json, "requests_needed", comparison->requests_needed);
    write_needed(json, "seconds_needed", comparison->seconds_needed);
}

static void write_window_needed(const struct plan *plan, const struct comparison *comparison,
                                const struct window_sum *span, struct json *json)
{
    uint64_t needed_ms = guard_window_needed_ms(&plan->guard, comparison, span->at_ms);
    write_needed(json, "window_needed_s", needed_ms == 0 ? COMPARE_UNKNOWN : needed_ms / 1000 + 1);
}

static void write_answer(const struct controller *controller, struct str route,
                         const struct plan *plan, const struct comparison *comparison,
                         const struct window_sum *span, struct json *json)
{
    bool has_p95 = comparison->p95_ratio.value > 0;
    json_str(json, "route", route);
    json_u64(json, "window_s", (span->at_ms + 500) / 1000);
    write_verdict(comparison, json);
    write_window_needed(plan, comparison, span, json);
    json_bool(json, "failing_over", pilot_is_failing_over(controller->pilot, route));
    json_object_begin(json, "backends");
    for (int side = 0; side < SIDES; side++)
        write_side(controller, (enum side)side, comparison, &span->side[side], json);
    json_object_end(json);
    write_interval(json, "error_rate_over_old", &comparison->error_difference, 100);
    write_known(json, "p95_ratio", &comparison->p95_ratio, has_p95);
    write_known(json, "p95_over_old_ms", &comparison->p95_difference_ms, has_p95);
    write_limits(&plan->guard.limits, json);
}

/* Whose guard's limits count: false, and refused, when nothing is compared for this route. */
static bool find_plan(const struct controller *controller, struct str route,
                      const struct plan **plan, struct admin_answer *answer)
{
    const struct config *config = controller->config;
    struct error error;
    *plan = str_eq(route, STR(ROUTE_MAIN)) ? &config->plan : config_plan(config, route);
    if (*plan != NULL)
        return true;
    bool is_known = route_find(config->routes, config->route_count, route) >= 0;
    error_set(&error,
              is_known
                  ? "the route \"%.*s\" has no plan of its own: its requests are compared only "
                    "where it follows the main weight, as a part of \"main\""
                  : "there is no route \"%.*s\"",
              STR_ARG(str_slice(route, 0, 64)));
    api_refuse(answer, is_known ? CONTROL_NO_PLAN : CONTROL_UNKNOWN_ROUTE, error.text);
    return false;
}

/* 0: the whole window. */
static bool read_window(const struct admin_request *request, const struct plan *plan,
                        uint64_t *span_ms, struct admin_answer *answer)
{
    uint64_t most_ms = plan->guard.window_ms;
    char most[VALUE_TEXT_BYTES];
    struct error error, cause;
    struct str text;
    *span_ms = 0;
    if (!api_query(request->message, STR("window"), &text))
        return true;
    if (!value_duration(text, span_ms, &cause)) {
        error_set(&error, "window: %.300s", cause.text);
    } else if (*span_ms < WINDOW_LEAST_MS || *span_ms > most_ms) {
        value_duration_text(most_ms, most);
        error_set(&error, "window: expected 1s up to %s, the guard's window", most);
    } else {
        return true;
    }
    api_refuse(answer, CONTROL_BAD_VALUE, error.text);
    return false;
}

void compare_answer(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer)
{
    struct str route = STR(ROUTE_MAIN);
    struct comparison comparison;
    const struct plan *plan;
    struct window_sum span;
    uint64_t span_ms;
    struct json json;
    api_query(request->message, STR("route"), &route);
    if (!find_plan(controller, route, &plan, answer) ||
        !read_window(request, plan, &span_ms, answer))
        return;
    if (!pilot_compare(controller->pilot, route, span_ms, &comparison, &span)) {
        api_refuse(answer, CONTROL_BUSY, "nothing was counted yet: ask again in a second");
        return;
    }
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    write_answer(controller, route, plan, &comparison, &span, &json);
    json_object_end(&json);
    answer->status = 200;
}
