/*
 * snapshot.h - everything that the data path may know, as one immutable value with a number.
 *
 *     controller: snapshot_new -> publish (atomic exchange into each worker's inbox) -> unref
 *     worker:     adopts it at its next wake-up; each exchange pins the one it was decided on
 *
 * A change of any kind - weight, administrative state, reload, a name that resolves anew - makes a
 * new snapshot. So no reader ever sees half a change, and needs no lock.
 */
#ifndef STATE_SNAPSHOT_H
#define STATE_SNAPSHOT_H

#include "config/config.h"
#include "state/server.h"
#include "telemetry/counters.h"

/* A server with the addresses it has in this snapshot. */
struct snapshot_server {
    struct server *server;    /* owned: one reference */
    const struct addr *addrs; /* owned; count 0: the name has not resolved yet */
    unsigned addr_count;
};

struct snapshot_backend {
    struct snapshot_server *servers; /* owned */
    unsigned count;
    struct tls_trust *trust; /* owned: one reference; NULL: no server of the side has https:// */
};

struct snapshot {
    _Atomic unsigned refs;
    uint64_t generation;
    struct config *config; /* owned: one reference */
    struct policy policy;  /* points into config */
    struct snapshot_backend backends[SIDES];
    struct tls_keys *keys[LISTEN_MAX]; /* owned: one reference each; by listener; NULL: plain */
    unsigned slots[ROUTES_MAX];        /* counters slot of each route */
    /* Which of a worker's evidence a route's attempts are counted in, by plan; -1: none (pinned, or a
     * weight of its own without a plan). What matches no route, or follows the main weight: 0. */
    int evidence[ROUTES_MAX];
};

/*
 * A snapshot of `config` (one more reference is taken) with its `servers`: `addrs` are copied.
 * policy's weights and administrative states and the slots are for the caller to fill before it is
 * published. One reference for the caller.
 */
struct snapshot *snapshot_new(struct config *config, uint64_t generation);

/* Before publishing only: sets the next server of a side (takes a reference, copies the addresses).
 */
void snapshot_set_server(struct snapshot *snapshot, enum side side, unsigned index,
                         struct server *server, const struct addr *addrs, unsigned addr_count);

/* Before publishing only: TLS of a listener, and of a side's servers. A reference is taken; NULL is
 * allowed. */
void snapshot_set_keys(struct snapshot *snapshot, unsigned listener, struct tls_keys *keys);
void snapshot_set_trust(struct snapshot *snapshot, enum side side, struct tls_trust *trust);

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is allowed; any thread */

/* Whether a side has a server that can be used at `now_ms`, by health and ejection. */
bool snapshot_side_is_usable(const struct snapshot *snapshot, enum side side, uint64_t now_ms);

/* Whether a side has a server that is not down, ejected or not, and the side is not in maint. */
bool snapshot_side_may_be_tried(const struct snapshot *snapshot, enum side side);

/*
 * Which sides can be used. When neither can and that is due to ejections alone, both sides with a
 * server that is not down count as usable: passive ejection never takes the whole service away.
 */
void snapshot_usable(const struct snapshot *snapshot, uint64_t now_ms, bool usable[SIDES]);

/*
 * Where a decided request goes now: as decide_failover, but that an ejected side at home is tried
 * when nobody may help out, since it is still better than no answer. False: 503. The data path,
 * explain and the warnings of the admin API all ask here.
 */
bool snapshot_settle(const struct snapshot *snapshot, uint64_t now_ms, struct decision *decision);

#endif
