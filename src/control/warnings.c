/*
 * warnings.c - the snapshot that was published last -> where each side's users really go -> words.
 */
#include "control/warnings.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/certificates.h"
#include "control/fleet.h"

#define SENTENCE_BYTES 256

/* So long after the last lost line it is told that the log loses lines. */
#define LOG_TOLD_MS 60000

/* Which sides have users when nothing is down. */
static void find_users(const struct policy *policy, bool has_users[SIDES])
{
    has_users[SIDE_OLD] = policy->weight < WEIGHT_MAX;
    has_users[SIDE_NEW] = policy->weight > 0;
    for (unsigned i = 0; i < policy->route_count; i++) {
        const struct route *route = &policy->routes[i];

        if (route->kind == ROUTE_PINNED) {
            has_users[route->pin] = true;
        } else if (route->kind == ROUTE_WEIGHTED) {
            has_users[SIDE_OLD] = has_users[SIDE_OLD] || policy->route_weight[i] < WEIGHT_MAX;
            has_users[SIDE_NEW] = has_users[SIDE_NEW] || policy->route_weight[i] > 0;
        }
    }
}

/* Why a side cannot be used: "new has no server that is up". */
static void write_trouble(const struct snapshot *snapshot, enum side side,
                          char text[SENTENCE_BYTES])
{
    const struct snapshot_backend *backend = &snapshot->backends[side];
    unsigned down = 0;

    for (unsigned i = 0; i < backend->count; i++)
        down += server_health(backend->servers[i].server) == HEALTH_DOWN ? 1 : 0;
    if (snapshot->policy.admin[side] == ADMIN_MAINT)
        snprintf(text, SENTENCE_BYTES, "%s is in maint", side_name(side));
    else if (down == backend->count)
        snprintf(text, SENTENCE_BYTES, "%s has no server that is up", side_name(side));
    else
        snprintf(text, SENTENCE_BYTES, "every server of %s is %sejected", side_name(side),
                 down == 0 ? "" : "down or ");
}

/* Where users whose own side is `home` go now; false: nowhere. */
static bool find_way(const struct snapshot *snapshot, enum side home, enum side *side)
{
    struct decision decision = {
        .route = -1, .side = home, .home = home, .home_reason = REASON_DRAW};
    bool stands = snapshot_settle(snapshot, clock_mono_ms(), &decision);

    *side = decision.side;
    return stands;
}

static void write_side(const struct snapshot *snapshot, enum side home, struct json *json)
{
    char trouble[SENTENCE_BYTES], text[2 * SENTENCE_BYTES];
    enum failover_policy failover = snapshot->policy.failover;
    enum side side;
    bool stands = find_way(snapshot, home, &side);

    if (stands && side == home)
        return;
    write_trouble(snapshot, home, trouble);
    if (stands) {
        snprintf(text, sizeof(text), "%s: its users are on %s meanwhile (failover)", trouble,
                 side_name(side));
    } else {
        snprintf(text, sizeof(text), "%s: its users get 503 meanwhile%s", trouble,
                 failover == FAILOVER_NONE     ? " (failover: none)"
                 : failover == FAILOVER_TO_OLD ? " (failover: to_old)"
                                               : "");
    }
    json_text(json, NULL, text);
}

static void write_sides(const struct snapshot *snapshot, const bool has_users[SIDES],
                        struct json *json)
{
    enum side side;

    if (!find_way(snapshot, SIDE_OLD, &side) && !find_way(snapshot, SIDE_NEW, &side)) {
        char old[SENTENCE_BYTES], new[SENTENCE_BYTES], text[3 * SENTENCE_BYTES];

        write_trouble(snapshot, SIDE_OLD, old);
        write_trouble(snapshot, SIDE_NEW, new);
        snprintf(text, sizeof(text),
                 "nobody can take requests now: every request is answered 503 (%s; %s)", old, new);
        json_text(json, NULL, text);
        return;
    }
    for (int home = 0; home < SIDES; home++)
        if (has_users[home])
            write_side(snapshot, (enum side)home, json);
}

/* Whether the main weight and every route's own are this one. */
static bool every_weight_is(const struct policy *policy, unsigned weight)
{
    for (unsigned i = 0; i < policy->route_count; i++)
        if (policy->routes[i].kind == ROUTE_WEIGHTED && policy->route_weight[i] != weight)
            return false;
    return policy->weight == weight;
}

/* A drained side still gets new users where the weight leaves no other side for them. */
static void write_drains(const struct policy *policy, struct json *json)
{
    bool old_drains = policy->admin[SIDE_OLD] == ADMIN_DRAIN;
    bool new_drains = policy->admin[SIDE_NEW] == ADMIN_DRAIN;

    if (old_drains && new_drains) {
        json_text(json, NULL, "both sides are in drain: that changes nothing for new users");
    } else if (new_drains && every_weight_is(policy, WEIGHT_MAX)) {
        json_text(json, NULL,
                  "new is in drain, and drain changes nothing at 100 %: there is no other side for "
                  "new users");
    } else if (old_drains && every_weight_is(policy, 0)) {
        json_text(json, NULL,
                  "old is in drain, and drain changes nothing at 0 %: there is no other side for "
                  "new users");
    }
}

static void write_certificate(const struct certificate_facts *facts, struct json *json)
{
    int64_t left_s = facts->not_after_s - (int64_t)(clock_wall_ms() / 1000);
    char text[2 * SENTENCE_BYTES + ERROR_TEXT_BYTES];

    if (facts->trouble[0] != '\0') {
        snprintf(text, sizeof(text),
                 "%.*s: the certificate files cannot be used, the old ones go on: %s",
                 STR_ARG(facts->listen), facts->trouble);
        json_text(json, NULL, text);
    }
    if (left_s >= (int64_t)CERTIFICATES_WARN_DAYS * 86400)
        return;
    if (left_s < 0)
        snprintf(text, sizeof(text), "%.*s: the certificate for %s has expired",
                 STR_ARG(facts->listen), facts->name);
    else
        snprintf(text, sizeof(text), "%.*s: the certificate for %s ends in %d days",
                 STR_ARG(facts->listen), facts->name, (int)(left_s / 86400));
    json_text(json, NULL, text);
}

static void write_certificates(const struct certificates *certificates, struct json *json)
{
    for (unsigned i = 0; i < certificates_count(certificates); i++) {
        struct certificate_facts facts = certificates_facts(certificates, i);
        write_certificate(&facts, json);
    }
}

static void write_reload(const struct controller *controller, struct json *json)
{
    const char *trouble = controller->reload_trouble.text;
    char text[SENTENCE_BYTES + ERROR_TEXT_BYTES];

    if (trouble[0] == '\0')
        return;
    snprintf(text, sizeof(text), "what runs is not what the file says, the reload was refused: %s",
             trouble);
    json_text(json, NULL, text);
}

void warnings_watch_log(struct controller *controller)
{
    uint64_t dropped = log_dropped();

    if (dropped > controller->log_dropped)
        controller->log_dropped_ms = clock_mono_ms();
    controller->log_dropped = dropped;
}

static void write_log(const struct controller *controller, struct json *json)
{
    char text[SENTENCE_BYTES];

    if (controller->log_dropped_ms == 0 ||
        clock_mono_ms() - controller->log_dropped_ms > LOG_TOLD_MS)
        return;
    snprintf(text, sizeof(text),
             "the log is not taken, by a disk that is full or by who reads it: %" PRIu64
             " lines are lost since the start",
             controller->log_dropped);
    json_text(json, NULL, text);
}

static void write_memory(const struct memory *memory, struct json *json)
{
    char text[SENTENCE_BYTES];

    if (!memory->is_short)
        return;
    snprintf(text, sizeof(text),
             "memory is short, new connections get 503: %" PRIu64 " of %" PRIu64 " MiB are used",
             memory->used_bytes >> 20, memory->limit_bytes >> 20);
    json_text(json, NULL, text);
}

void warnings_write(const struct controller *controller, const struct warnings_traffic *traffic,
                    struct json *json)
{
    const struct policy *policy = &controller->snapshot->policy;
    bool has_users[SIDES];

    find_users(policy, has_users);
    write_sides(controller->snapshot, has_users, json);
    write_drains(policy, json);
    warnings_write_plans(controller, traffic, json);
    write_certificates(controller->certificates, json);
    write_reload(controller, json);
    write_log(controller, json);
    write_memory(&controller->memory, json);
}

void warnings_write_for(const struct controller *controller, unsigned weight, struct json *json)
{
    bool has_users[SIDES];

    has_users[SIDE_OLD] = weight < WEIGHT_MAX;
    has_users[SIDE_NEW] = weight > 0;
    write_sides(controller->snapshot, has_users, json);
}
