/*
 * pool.h - the connections of one worker to one server.
 *
 * With limits.upstream_connections exchanges may have to wait for a place. They wait in the order
 * in which they came, for as long as a connection may take to make; a place that comes free in
 * another worker is found at the next sweep, and while anybody waits no worker keeps a connection
 * idle.
 *
 * Idle ones are a stack: the one used last is taken first, so that the rest can time out. An idle
 * connection keeps reading: a server that closes it, or sends something unasked, is noticed at once
 * and the connection is dropped before anybody could be given it.
 */
#ifndef PROXY_POOL_H
#define PROXY_POOL_H

#include "base/list.h"
#include "http/parser.h"
#include "net/deadline.h"
#include "net/stream.h"
#include "state/snapshot.h"

struct worker;
struct exchange;
struct upstream;

struct pool {
    struct list node;                    /* in worker->pools */
    struct worker *worker;               /* borrowed: owner */
    struct server *server;               /* owned: one reference */
    struct list idle;                    /* upstreams, newest first */
    struct addr addrs[SERVER_ADDRS_MAX]; /* the server's, now */
    unsigned addr_count;                 /* 0: the name has never resolved */
    struct tls_resume resume;            /* from the last TLS connection */
    struct list waiting;                 /* exchanges without a place, oldest first */
    unsigned open;                       /* upstreams in being, leased or idle */
    unsigned next_addr; /* which of the server's addresses the next connection tries first */
    unsigned users;     /* adopted snapshots that name it; freed after the last, when empty */
    bool is_retired;    /* the server is gone from the configuration: nothing is kept idle */
};

/* The worker's pool for a server, for one more user; made when there is none. */
struct pool *pool_of(struct worker *worker, struct server *server);

/* One user less. May free the pool. */
void pool_unuse(struct pool *pool);

/* The server is gone: idle connections close now, the others when they are given back. */
void pool_retire(struct pool *pool);

/* These are the server's addresses from now on: connections to others are not kept. */
void pool_follow(struct pool *pool, const struct addr *addrs, unsigned addr_count);

/*
 * An idle connection that has been idle for less than `max_idle_ms`, or NULL. With `must_be_quiet`
 * its socket is looked at whatever the cost: nothing may have come. With TLS (`trust` is not NULL)
 * it is one that was made for `name` and judged by that trust. It is leased to the caller, who sets
 * its exchange.
 */
struct upstream *pool_acquire(struct pool *pool, uint64_t max_idle_ms, bool must_be_quiet,
                              const struct tls_trust *trust, struct str name);

/* Takes back a connection that is in step: idle from here on, or closed if it cannot be kept. */
void pool_release(struct upstream *upstream);

/* Descriptors have run out: gives up what is idle. */
void pool_shed(struct pool *pool);

/* The exchange waits for a place, or no longer does. */
void pool_wait(struct pool *pool, struct exchange *exchange);
void pool_wait_end(struct pool *pool, struct exchange *exchange);

/* A place may have come free: the exchange that waits longest tries again, right after this event.
 */
void pool_note_place(struct pool *pool);

/* Every sweep: lets those try again that wait, and gives up idle connections that others wait for.
 */
void pool_sweep(struct pool *pool);

/* One of its connections is gone for good. May free the pool. */
void pool_note_closed(struct pool *pool);

#endif
