/*
 * upstream.h - one connection to a server: connecting, leased to an exchange, or idle in its pool.
 *
 * It turns socket events into calls on the exchange that leases it (exchange.h); it knows nothing
 * of requests. One teardown path: upstream_close.
 */
#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include "proxy/pool.h"

struct upstream {
    struct stream stream;
    struct list node;          /* in pool->idle, or in none */
    struct pool *pool;         /* borrowed: outlives the connection */
    struct exchange *exchange; /* borrowed: who leases it; NULL when idle or closing */
    struct addr address;       /* that it leads to */
    struct tls_trust *trust;   /* owned: one reference; NULL: no TLS */
    char *name;                /* owned; whom TLS is for; NULL: no TLS */
    struct parser parser;      /* of responses */
    struct buf inbox;          /* a response head that is not complete yet */
    size_t searched;           /* of inbox, by parser_find_head */
    struct deadline deadline;
    struct deadline_list *clock; /* exchange_watch: what `deadline` is set for; NULL: not set */
    uint64_t idle_since_ms;
    uint64_t idle_limit_ms; /* from Keep-Alive: timeout=N of the server; 0: none said */
    bool is_shaking;        /* TCP is there, TLS is not yet */
    bool is_connected;      /* all is there */
    bool is_reused;         /* has carried an exchange before this one */
    bool is_active;         /* counted in server->shared.active */
};

/*
 * Starts a connection for `exchange` to one address, in a place taken before; attempt_on_connect
 * follows. With TLS, for `name`, when `trust` is not NULL. NULL when it cannot even start: *status
 * is the UV_E* error.
 */
struct upstream *upstream_connect(struct pool *pool, struct exchange *exchange,
                                  const struct addr *address, struct tls_trust *trust,
                                  struct str name, int *status);

/* Closes: the exchange, if any, hears nothing more. `reset`: with RST. Freed later, by itself. */
void upstream_close(struct upstream *upstream, bool reset);

/*
 * Takes a place for one more connection to the server, of at most `most` over all workers (0: no
 * limit). upstream_connect uses it up, or it is given back.
 */
bool upstream_take_place(struct server *server, unsigned most);
void upstream_give_place(struct server *server);

/* Leased or not, for the gauges of the server. */
void upstream_set_active(struct upstream *upstream, bool active);

#endif
