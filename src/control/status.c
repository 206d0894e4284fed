/*
 * status.c - the snapshot that was published last, the servers behind it, and the sums of the
 * counters, put into words. Reads only.
 */
#include "control/status.h"

#include "base/clock.h"
#include "base/version.h"
#include "control/certificates.h"
#include "control/record.h"
#include "control/status_plan.h"
#include "control/warnings.h"

enum health_state status_backend_health(const struct controller *controller, enum side side)
{
    const struct controller_backend *backend = &controller->backends[side];
    unsigned down = 0;
    for (unsigned i = 0; i < backend->count; i++) {
        enum health_state health = server_health(backend->servers[i].server);
        if (health == HEALTH_UP)
            return HEALTH_UP;
        down += health == HEALTH_DOWN ? 1 : 0;
    }
    return down == backend->count ? HEALTH_DOWN : HEALTH_UNKNOWN;
}

static void write_routes(const struct controller *controller, struct json *json)
{
    const struct policy *policy = &controller->snapshot->policy;
    json_array_begin(json, "routes");
    for (unsigned i = 0; i < policy->route_count; i++) {
        const struct route *route = &policy->routes[i];
        json_object_begin(json, NULL);
        json_str(json, "name", route->name);
        if (route->kind == ROUTE_PINNED) {
            json_text(json, "pin", side_name(route->pin));
        } else if (route->kind == ROUTE_WEIGHTED) {
            json_decimal(json, "weight", policy->route_weight[i], 2);
        } else {
            json_decimal(json, "weight", policy->weight, 2);
            json_text(json, "follows", ROUTE_MAIN);
        }
        if (config_plan(controller->config, route->name) != NULL)
            status_plan_write(controller, route->name, json);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_server(const struct server *server, uint64_t now_ms, struct json *json)
{
    unsigned upstreams = atomic_load(&server->shared.upstreams);
    unsigned active = atomic_load(&server->shared.active);
    json_object_begin(json, NULL);
    json_text(json, "url", server->url);
    json_text(json, "health", health_name(server_health(server)));
    json_bool(json, "ejected", server_is_ejected(server, now_ms));
    json_u64(json, "active", active);
    /* Two gauges that are not read at one moment. */
    json_u64(json, "idle", upstreams > active ? upstreams - active : 0);
    json_object_end(json);
}

static void write_backend(const struct controller *controller, const struct rates *rates,
                          const struct counters *sum, enum side side, struct json *json)
{
    const struct controller_backend *backend = &controller->backends[side];
    uint64_t now_ms = clock_mono_ms();
    json_object_begin(json, side_name(side));
    json_str(json, "name", controller->config->backends[side].name);
    json_text(json, "admin", admin_state_name(controller->snapshot->policy.admin[side]));
    json_text(json, "health", health_name(status_backend_health(controller, side)));
    json_array_begin(json, "servers");
    for (unsigned i = 0; i < backend->count; i++)
        write_server(backend->servers[i].server, now_ms, json);
    json_array_end(json);
    json_object_begin(json, "share");
    json_u64(json, "requests_1m", rates_last_minute(rates, sum, side));
    json_u64(json, "sockets", counter_read(&sum->tunnels[side]));
    json_object_end(json);
    json_object_end(json);
}

/* null: the weights of all of them, which only an operator's rollback changes at once. */
static void write_changed_route(const struct state *state, struct json *json)
{
    if (!str_is_empty(state->route))
        json_str(json, "route", state->route);
    else if (str_eq(state->what, STR("rollback")))
        json_none(json, "route");
    else
        json_text(json, "route", ROUTE_MAIN);
}

static void write_last_change(const struct state *state, struct json *json)
{
    char at[CLOCK_ISO_BYTES];
    if (str_is_empty(state->what)) {
        json_none(json, "last_change");
        return;
    }
    clock_format(state->changed_ms, at);
    json_object_begin(json, "last_change");
    json_text(json, "at", at);
    json_str(json, "actor", state->actor);
    json_str(json, "what", state->what);
    write_changed_route(state, json);
    json_str(json, "reason", state->reason);
    json_decimal(json, "from", state->from, 2);
    json_decimal(json, "to", state->to, 2);
    json_object_end(json);
}

static void write_certificates(const struct controller *controller, struct json *json)
{
    char end[CLOCK_ISO_BYTES];

    json_array_begin(json, "certificates");
    for (unsigned i = 0; i < certificates_count(controller->certificates); i++) {
        struct certificate_facts facts = certificates_facts(controller->certificates, i);

        clock_format((uint64_t)facts.not_after_s * 1000, end);
        json_object_begin(json, NULL);
        json_str(json, "listen", facts.listen);
        json_text(json, "name", facts.name);
        json_text(json, "not_after", end);
        json_text(json, "trouble", facts.trouble[0] == '\0' ? NULL : facts.trouble);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_warnings(const struct controller *controller, const struct rates *rates,
                           const struct counters *sum, struct str notes, struct json *json)
{
    struct warnings_traffic traffic = {.writes_open = counter_read(&sum->writes_open)};
    struct str line;
    for (int side = 0; side < SIDES; side++)
        traffic.requests_1m[side] = rates_last_minute(rates, sum, (enum side)side);
    json_array_begin(json, "warnings");
    while (str_next_part(&notes, '\n', &line))
        if (!str_is_empty(line))
            json_str(json, NULL, line);
    warnings_write(controller, &traffic, json);
    json_array_end(json);
}

void status_write(const struct controller *controller, const struct rates *rates, struct str notes,
                  struct json *json)
{
    const struct policy *policy = &controller->snapshot->policy;
    struct counters *sum = counters_new();
    controller_sum_counters(controller, sum);

    json_text(json, "version", CUTOVER_VERSION);
    json_u64(json, "uptime_s", (clock_mono_ms() - controller->started_ms) / 1000);
    json_u64(json, "generation", controller->generation);
    json_decimal(json, "weight", policy->weight, 2);
    write_routes(controller, json);
    json_object_begin(json, "backends");
    for (int side = 0; side < SIDES; side++)
        write_backend(controller, rates, sum, (enum side)side, json);
    json_object_end(json);
    status_plan_write(controller, STR(ROUTE_MAIN), json);
    status_freeze_write(controller, counter_read(&sum->writes_open), json);
    json_bool(json, "rollback_ready", controller_rollback_ready(controller));
    json_text(json, "rollback_not_ready_reason", controller_rollback_trouble(controller));
    write_last_change(&controller->state, json);
    json_bool(json, "durable", controller->durable);
    json_bool(json, "audit_durable", !controller->events.is_behind);
    json_bool(json, "draining", controller->draining);
    write_certificates(controller, json);
    write_warnings(controller, rates, sum, notes, json);
    counters_free(sum);
}
