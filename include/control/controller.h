/*
 * controller.h - the single writer: the one place where what the proxy does is changed.
 *
 *     admin API, SIGHUP, prober, resolver -> controller -> store (disk) -> new snapshot -> publish
 *
 * Lives on the control thread with its own loop; nothing here is called from anywhere else. A
 * change goes through the same four steps, always: check it, write it to disk, publish a snapshot
 * with a new generation, note an event. When the disk does not take it, a change is refused and
 * nothing is applied - but for rollback, which is applied first, answered with durable false, and
 * written again every second until the disk takes it.
 *
 * The state wins over the configuration: initial_weight, and a route's own weight, count until the
 * state knows them, which is from the first start (or reload) with them on.
 *
 * Life cycle and publishing are in controller.c, what operators order in orders.c (weights, reload)
 * and steps.c (plans, freeze), servers and what is heard of them in fleet.c; draft.h is the way of a
 * change onto disk and into a snapshot.
 */
#ifndef CONTROL_CONTROLLER_H
#define CONTROL_CONTROLLER_H

#include <uv.h>

#include "control/events.h"
#include "control/journal.h"
#include "control/memory.h"
#include "control/store.h"
#include "state/snapshot.h"

/* Error codes of the API, with the HTTP status that each has. */
#define CONTROL_RESULTS(X)                                     \
    X(CONTROL_OK, "ok", 200)                                   \
    X(CONTROL_BAD_JSON, "bad_json", 400)                       \
    X(CONTROL_UNKNOWN_FIELD, "unknown_field", 400)             \
    X(CONTROL_BAD_VALUE, "bad_value", 400)                     \
    X(CONTROL_WEIGHT_OUT_OF_RANGE, "weight_out_of_range", 400) \
    X(CONTROL_MISSING_FIELD, "missing_field", 400)             \
    X(CONTROL_UNAUTHORIZED, "unauthorized", 401)               \
    X(CONTROL_FORBIDDEN, "forbidden", 403)                     \
    X(CONTROL_NOT_FOUND, "not_found", 404)                     \
    X(CONTROL_UNKNOWN_ROUTE, "unknown_route", 404)             \
    X(CONTROL_METHOD_NOT_ALLOWED, "method_not_allowed", 405)   \
    X(CONTROL_ROUTE_PINNED, "route_pinned", 409)               \
    X(CONTROL_ROUTE_FOLLOWS, "route_follows_main", 409)        \
    X(CONTROL_OLD_NOT_USABLE, "old_not_usable", 409)           \
    X(CONTROL_NO_PLAN, "no_plan", 409)                         \
    X(CONTROL_PLAN_ELSEWHERE, "plan_elsewhere", 409)           \
    X(CONTROL_PLAN_REFUSED, "plan_refused", 409)               \
    X(CONTROL_GENERATION_STALE, "generation_stale", 412)       \
    X(CONTROL_TOO_LARGE, "too_large", 413)                     \
    X(CONTROL_CONFIG_INVALID, "config_invalid", 422)           \
    X(CONTROL_STATE_NOT_SAVED, "state_not_saved", 500)         \
    X(CONTROL_LATER, "not_in_this_version", 501)               \
    X(CONTROL_BUSY, "busy", 503)

enum control_result {
#define X(id, code, status) id,
    CONTROL_RESULTS(X)
#undef X
};

const char *control_result_code(enum control_result result);
unsigned control_result_status(enum control_result result);

/* Who asks, and why: for the audit. Borrowed strings. */
struct control_request {
    struct str actor;
    struct str reason;
    bool has_if_match;
    uint64_t if_match; /* the generation that the caller has seen */
    bool dry_run;
    bool is_again; /* the same was refused before, and told: another refusal is no event */
};

/* A server, its addresses and its checks, as the controller knows it. Order as in the
 * configuration. */
struct controller_server {
    struct server *server; /* owned: one reference */
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned addr_count;
    struct health health; /* the prober's running count */
    bool is_ejected;      /* as the events have told it last */
};

struct controller_backend {
    struct controller_server servers[SERVERS_MAX];
    unsigned count;
};

struct certificates;
struct meter;
struct pilot;
struct prober;
struct resolver;

struct controller {
    uv_loop_t *loop;       /* borrowed: from server */
    struct config *config; /* owned: one reference */
    char *config_path;     /* owned */

    struct store store;
    struct state state;       /* as applied */
    struct arena state_arena; /* strings of `state`; renewed with each change */
    bool durable;             /* `state` is on disk */
    uv_timer_t persist_timer; /* writes `state` again until it is durable */

    uint64_t generation;       /* of `snapshot`; grows over restarts too */
    struct snapshot *snapshot; /* owned: one reference; the one published last */
    struct controller_backend backends[SIDES];
    struct str slot_names[ROUTE_SLOTS]; /* owned; "main" first; never change once given */
    bool slots_are_full;                /* it was told that a route has to share slot 0 */
    struct str plan_names[PLANS_MAX];   /* owned; the same for evidence, by plan; "main" first */

    struct certificates *certificates; /* owned */
    struct events events;
    struct journal journal;    /* the events on disk */
    struct meter *meter;       /* owned */
    struct pilot *pilot;       /* owned */
    struct prober *prober;     /* owned */
    struct resolver *resolver; /* owned */

    struct buf reload_notes;     /* of the last reload, a line for each thing that may surprise */
    struct error reload_trouble; /* why the last reload was refused; empty: it was not */

    uint64_t log_dropped;    /* as of the last look */
    uint64_t log_dropped_ms; /* when it was seen to have grown; monotonic; 0: never */
    struct memory memory;
    _Atomic bool *short_of_memory; /* borrowed; for the data path; NULL: nobody asks */

    uint64_t started_ms; /* monotonic */
    bool has_been_up;    /* some server of either side has been found up, once */
    bool draining;       /* set by server when it was told to stop */

    /* where counters come from: one for each worker, borrowed */
    struct counters *const *counters;
    unsigned counters_count;
    /* the same for evidence: PLANS_MAX of them for each worker, the main plan's first */
    struct evidence *const *evidence;

    /* hands a snapshot to all workers; takes no reference (each worker takes its own) */
    void (*publish)(void *publish_data, struct snapshot *snapshot);
    void *publish_data;
};

struct controller_options {
    uv_loop_t *loop;
    struct config *config; /* a reference is taken */
    const char *config_path;
    bool reset_state;              /* start from initial_weight when the state cannot be read */
    _Atomic bool *short_of_memory; /* kept up to date for the data path; NULL: nobody asks */
    struct counters *const *counters;
    unsigned counters_count; /* of counters and evidence */
    struct evidence *const *evidence;
    void (*publish)(void *publish_data, struct snapshot *snapshot);
    void *publish_data;
};

/* Life cycle */

/*
 * Locks and reads the state (says in the log which won, state or configuration), makes the first
 * snapshot and publishes it. False: nothing was started; the error is for the person at the
 * terminal.
 */
bool controller_init(struct controller *controller, const struct controller_options *options,
                     struct error *error) MUST_CHECK;

/* Starts health checks and name resolution. */
void controller_start(struct controller *controller);

/* Stops timers, checks and look-ups: their handles close as the loop runs on. */
void controller_stop(struct controller *controller);

/* After the loop has ended, or has been given up. */
void controller_deinit(struct controller *controller);

/* From the prober and the resolver. */

/* One health check of a server ended. Flips are events and log lines. */
void controller_note_check(struct controller *controller, enum side side, unsigned index,
                           bool success, const char *detail);

/* The addresses of a server's name; publishes a new snapshot when they differ. count 0: the look-up
 * failed; the last good ones stay. */
void controller_note_addrs(struct controller *controller, enum side side, unsigned index,
                           const struct addr *addrs, unsigned count, const char *detail);

/* Inside the controller */

/* Publishes the present configuration, state and addresses under the next generation. */
void controller_publish(struct controller *controller);

/* Inspect */

/* Old has a server that a check has found up, it is not ejected, and old is not in maint. */
bool controller_rollback_ready(const struct controller *controller);

/* Why it is not ready, as a sentence; NULL when it is. */
const char *controller_rollback_trouble(const struct controller *controller);

/* Notes an event for each server that was ejected, or is back, since the last call; to be called
 * once a second. */
void controller_watch_ejections(struct controller *controller);

/* Lets the data path know when memory becomes short, or is no more, and notes an event; to be called
 * once a second. */
void controller_watch_memory(struct controller *controller);

/* Not draining, and some server of either side has been found up since the start. It stays so while
 * both sides are down: a platform that ends what is not ready must not end the proxy as well. */
bool controller_is_ready(const struct controller *controller);

/* The index of the evidence that the plan of `route` ("main" or a name) is counted in; -1 when the
 * present configuration has no such plan. Main has one also without a plan. It stays with its name
 * for as long as no other plan needs it. */
int controller_plan_index(const struct controller *controller, struct str route);

/* Sums the evidence of plan `index` (snapshot->evidence) over all workers, by side; zeroed first. */
void controller_sum_evidence(const struct controller *controller, unsigned index,
                             struct sample sum[SIDES]);

/* Sums the counters of all workers into `sum` (which is zeroed first). */
void controller_sum_counters(const struct controller *controller, struct counters *sum);

#endif
