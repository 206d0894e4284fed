/*
 * warnings_plan.c - plans that stand still and for whom, writes that are frozen, users that are not
 * where the weight says, an audit that is not on disk -> words.
 */
#include "control/warnings.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "control/journal.h"
#include "control/pilot.h"
#include "control/record.h"
#include "control/status_plan.h"

#define SENTENCE_BYTES 640

/* With fewer requests in the last minute, or a smaller difference, the share is not worth a word. */
#define SHARE_REQUESTS_MIN 1000
#define SHARE_POINTS       10

/* The last minute must lie behind a change wholly. */
#define SHARE_SETTLED_MS 70000

/* One plan that has been begun. */
struct begun {
    const struct plan *plan;
    const struct plan_place *place;
    char name[96]; /* "the plan" or "the plan of products" */
    unsigned weight;
};

static unsigned step_weight(const struct begun *begun, unsigned step)
{
    return step == 0 || step > begun->plan->step_count ? 0 : begun->plan->steps[step - 1].weight;
}

static bool is_last_step(const struct begun *begun)
{
    return begun->place->step >= begun->plan->step_count;
}

static void write_failed(const struct begun *begun, struct json *json)
{
    char text[SENTENCE_BYTES];

    snprintf(text, sizeof(text),
             "the guard of %s has failed, and nobody has acted: it stands in step %u: %.250s. Roll "
             "back, or %s",
             begun->name, begun->place->step, begun->place->note,
             is_last_step(begun) ? "finish" : "advance with force");
    json_text(json, NULL, text);
}

static void write_paused(const struct begun *begun, struct json *json)
{
    char text[SENTENCE_BYTES], now[WEIGHT_TEXT_BYTES], step[WEIGHT_TEXT_BYTES];

    if (begun->weight == step_weight(begun, begun->place->step))
        return;
    snprintf(text, sizeof(text),
             "%s is paused in step %u, and the weight is %s %% instead of the step's %s %%: resume "
             "sets it again, abort leaves it",
             begun->name, begun->place->step, weight_format(begun->weight, now),
             weight_format(step_weight(begun, begun->place->step), step));
    json_text(json, NULL, text);
}

static void write_waiting(const struct begun *begun, struct json *json)
{
    char text[SENTENCE_BYTES], next[WEIGHT_TEXT_BYTES];
    unsigned step = begun->place->step;

    if (is_last_step(begun)) {
        snprintf(text, sizeof(text), "%s waits for you: the hold of its last step is over: finish",
                 begun->name);
    } else {
        snprintf(text, sizeof(text),
                 "%s waits for you: the hold of step %u is over: advance goes on to %s %%",
                 begun->name, step, weight_format(step_weight(begun, step + 1), next));
    }
    json_text(json, NULL, text);
}

/* It would go on by itself, and does not. */
static void write_held_up(const struct begun *begun, const struct pilot_report *report,
                          struct json *json)
{
    char text[SENTENCE_BYTES];
    uint64_t left_ms = plan_left_ms(begun->plan, begun->place, clock_boot_ms());

    if (report->gate != NULL && report->gate_detail[0] != '\0') {
        snprintf(text, sizeof(text), "%s does not go on: its hook \"%s\" said no: %s", begun->name,
                 report->gate, report->gate_detail);
        json_text(json, NULL, text);
    } else if (begun->plan->is_auto && plan_is_running(begun->place) && left_ms == 0 &&
               report->gate == NULL && report->window.verdict != VERDICT_PASS) {
        snprintf(text, sizeof(text), "%s does not go on, the hold of step %u is over: %s",
                 begun->name, begun->place->step, report->window.reason);
        json_text(json, NULL, text);
    }
}

static void write_plan(const struct controller *controller, struct str route, unsigned weight,
                       struct json *json)
{
    struct plan_place place = status_plan_place(controller, route);
    struct begun begun = {
        .plan = config_plan(controller->config, route), .place = &place, .weight = weight};
    struct pilot_report report;
    bool has_report;

    if (begun.plan == NULL)
        return;
    if (str_eq(route, STR(ROUTE_MAIN)))
        snprintf(begun.name, sizeof(begun.name), "the plan");
    else
        snprintf(begun.name, sizeof(begun.name), "the plan of %.*s",
                 STR_ARG(str_slice(route, 0, 64)));
    has_report = pilot_report(controller->pilot, route, &report);
    if (place.has_failed && plan_is_active(&place))
        write_failed(&begun, json);
    else if (place.state == PLAN_PAUSED)
        write_paused(&begun, json);
    else if (place.state == PLAN_WAITING)
        write_waiting(&begun, json);
    if (has_report && !place.has_failed)
        write_held_up(&begun, &report, json);
}

/* A reload took the route away: what used to be its requests is written again. */
static void write_thawed(const struct config *config, struct str route, struct json *json)
{
    char text[SENTENCE_BYTES];

    if (str_eq(route, STR(ROUTE_MAIN)) ||
        route_find(config->routes, config->route_count, route) >= 0)
        return;
    snprintf(text, sizeof(text),
             "writes are to be frozen on %.*s, and the configuration has no such route: nothing of "
             "it is frozen now",
             STR_ARG(str_slice(route, 0, 128)));
    json_text(json, NULL, text);
}

static void write_freeze(const struct controller *controller, uint64_t writes_open,
                         struct json *json)
{
    const struct state_freeze *freeze = &controller->state.freeze;
    char text[SENTENCE_BYTES], since[CLOCK_ISO_BYTES], routes[160] = "all routes";
    int used = 0;

    if (!freeze->is_on)
        return;
    clock_format(freeze->since_ms, since);
    for (unsigned i = 0; i < freeze->route_count && used < (int)sizeof(routes); i++) {
        used += snprintf(routes + used, sizeof(routes) - (size_t)used, "%s%.*s", i > 0 ? ", " : "",
                         STR_ARG(freeze->routes[i]));
    }
    snprintf(text, sizeof(text),
             "writes are frozen on %s since %s: they get 503; %" PRIu64 " from before %s under way",
             routes, since, writes_open, writes_open == 1 ? "is" : "are");
    json_text(json, NULL, text);
    for (unsigned i = 0; i < freeze->route_count; i++)
        write_thawed(controller->config, freeze->routes[i], json);
}

/* Why users may be elsewhere than their weight says; what cannot be known is not said. */
static const char *share_reason(const struct controller *controller)
{
    const struct config *config = controller->config;
    const struct policy *policy = &controller->snapshot->policy;

    if (pilot_is_failing_over(controller->pilot, STR(ROUTE_MAIN)))
        return "a side fails over to the other";
    if (policy->admin[SIDE_OLD] != ADMIN_READY || policy->admin[SIDE_NEW] != ADMIN_READY)
        return "a side is in drain or maint";
    if (config->sticky.keep_on_raise || config->sticky.keep_on_lower)
        return "users that were placed before stay where they are (on_raise, on_lower: keep)";
    return "a few clients send most of the requests, or many send none of their cookies back";
}

static bool is_settled(const struct state *state)
{
    uint64_t now_ms = clock_wall_ms();

    return now_ms >= state->changed_ms && now_ms - state->changed_ms >= SHARE_SETTLED_MS;
}

/* Told where every request follows the one weight: else the sums of both sides say nothing of it. */
static void write_share(const struct controller *controller, const uint64_t requests[SIDES],
                        struct json *json)
{
    const struct policy *policy = &controller->snapshot->policy;
    uint64_t all = requests[SIDE_OLD] + requests[SIDE_NEW];
    char text[SENTENCE_BYTES], weight[WEIGHT_TEXT_BYTES];

    for (unsigned i = 0; i < policy->route_count; i++)
        if (policy->routes[i].kind != ROUTE_FOLLOWS)
            return;
    if (all < SHARE_REQUESTS_MIN || clock_mono_ms() - controller->started_ms < SHARE_SETTLED_MS ||
        !is_settled(&controller->state))
        return;
    uint64_t share = requests[SIDE_NEW] * WEIGHT_MAX / all;
    uint64_t off = share > policy->weight ? share - policy->weight : policy->weight - share;
    if (off <= SHARE_POINTS * 100)
        return;
    snprintf(text, sizeof(text),
             "the weight is %s %%, and %" PRIu64 " %% of the last minute's %" PRIu64
             " requests went to new: %s",
             weight_format(policy->weight, weight), (share + 50) / 100, all,
             share_reason(controller));
    json_text(json, NULL, text);
}

static void write_audit(const struct events *events, struct json *json)
{
    const struct journal *journal = events->journal;
    char text[SENTENCE_BYTES];

    if (!events->is_behind || journal == NULL)
        return;
    snprintf(text, sizeof(text),
             "the audit is not on disk, what came after event %" PRIu64
             " is in memory alone: look at %.400s",
             journal->written_id, journal->path);
    json_text(json, NULL, text);
}

void warnings_write_plans(const struct controller *controller,
                          const struct warnings_traffic *traffic, struct json *json)
{
    const struct policy *policy = &controller->snapshot->policy;

    write_plan(controller, STR(ROUTE_MAIN), policy->weight, json);
    for (unsigned i = 0; i < policy->route_count; i++)
        if (policy->routes[i].kind == ROUTE_WEIGHTED)
            write_plan(controller, policy->routes[i].name, policy->route_weight[i], json);
    write_freeze(controller, traffic->writes_open, json);
    write_share(controller, traffic->requests_1m, json);
    write_audit(&controller->events, json);
}
