/*
 * exchange.h - one request and its answer: decided, sent to a server, relayed, accounted for.
 *
 *     READ_HEAD is conn's part; then
 *     DECIDE -> ACQUIRE -> SEND_HEAD -> RELAY -> FINISH
 *                  ^  |                   |
 *                  |  +-- failed ----+    +- failed before the first byte of the answer --+
 *                  +---- again <-----+-- may it be tried again? --------------------------+
 *                                        no: REPLY (an answer made here) -> FINISH
 *
 * As long as nothing has been sent, a newer snapshot may move it to the other side (choice.h): a
 * rollback holds for what waits as well. What has been sent stays where it is.
 *
 * Once a byte of the backend's answer has gone to the client the status is committed: what fails
 * after that cuts the client's connection, so that a truncated answer is seen as one.
 *
 * Ownership: the conn owns the exchange, the exchange leases an upstream and pins a snapshot. It
 * ends in exchange_finish, or in exchange_abort when the conn ends first; nothing may touch it
 * after a call that can lead there, and those calls say so.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "http/forward.h"
#include "proxy/conn.h"
#include "proxy/upstream.h"
#include "telemetry/outcome.h"
#include "traffic/decide.h"

enum exchange_state {
    EXCHANGE_ACQUIRE = 0, /* waiting for a connection to a server */
    EXCHANGE_WAIT,        /* waiting for a place at a server with a connection limit */
    EXCHANGE_RELAY,       /* the head is sent; bodies move */
    EXCHANGE_TUNNEL,      /* 101: bytes both ways */
    EXCHANGE_DONE,        /* being finished */
};

/* 1xx answers that are passed on for one request, at the most. */
#define INTERIM_MAX 16

struct exchange {
    struct list node;        /* in pool->waiting or worker->free_exchanges, or in none */
    struct conn *conn;       /* borrowed: owner */
    struct adopted *adopted; /* pinned; a newer one when it moves to the other side */
    enum exchange_state state;

    /* the request */
    struct buf head; /* owned: the bytes that `request` points into */
    struct message request;
    struct decision decision;
    enum forward_edge edge; /* what kind of proxy the client is believed to have passed */
    bool is_trusted;        /* the peer is a proxy whose X-Forwarded-* are believed */
    struct addr client;     /* behind trusted proxies: who they say it is */
    char request_id[REQUEST_ID_BYTES]; /* used when the client sent no valid one */
    struct str scheme;                 /* "http" or "https", as the client came */
    bool is_parsed;                    /* `request` is filled */
    bool is_decided;                   /* `decision` stands: the request is counted for its side */
    bool is_write;                     /* counted in writes_open */
    bool awaits_continue;              /* the client sends its body when it is told to (100) */
    bool request_done;                 /* the whole body has been received */
    bool is_replayable;                /* `replay` holds all of the body so far */
    struct buf replay;                 /* owned: body bytes, unframed, for a second try */
    uint64_t received_bytes;           /* of the body */

    /* the attempt under way */
    struct upstream *upstream;      /* leased; NULL between attempts */
    struct snapshot_server *server; /* borrowed: from adopted->snapshot */
    struct pool *pool;
    bool head_sent;        /* some byte of the request may have reached the server */
    bool write_failed;     /* the server takes no more of the request; it may still answer */
    bool answered;         /* some byte of the answer has come */
    uint64_t tried[SIDES]; /* bit i: server i has been tried */
    unsigned first_addr;   /* of this server's addresses, the one that was tried first */
    unsigned addrs_tried;  /* of this server's addresses, after the first */
    unsigned attempts;
    unsigned attempts_counted; /* so many are in the metrics: the most that `attempts` has been */
    const char *detail;        /* static; why the last attempt failed, in a few words; or NULL */
    uint64_t wait_until_ms;    /* EXCHANGE_WAIT: when to give up */
    unsigned retries;          /* second tries on a side */
    bool stale_retried;
    bool is_skewed;      /* asked on the other side, after a 404 on its own */
    bool is_noted;       /* in the evidence already: what it became lasts */
    uint64_t attempt_ns; /* when this attempt began, the waiting for a place left out */
    uint64_t connect_us; /* what its connection took, with TLS; 0: it had one */

    /* the answer */
    unsigned status;     /* sent to the client; 0: none yet */
    enum outcome answer; /* whose answer it is: OK, or the platform's */
    enum body_kind body; /* framing towards the client */
    bool keep_alive;     /* the client's connection goes on */
    bool is_early;       /* the answer began before the server had been sent all of the request */
    bool upstream_keep_alive;
    bool response_has_body; /* a body follows the head */
    unsigned interim;
    uint64_t sent_bytes; /* of the answer's body */
    bool is_stream;      /* server-sent events: it lasts as long as somebody listens */

    /* a tunnel: which ends have sent FIN */
    bool is_tunnel; /* counted as one */
    bool tunnel_client_ended, tunnel_server_ended;

    enum outcome outcome;
    uint64_t started_ns, first_byte_ns;
    uint64_t ended_ns; /* of the last attempt, where its end was timed; or 0 */
};

/* The configuration that it was decided on. */
static inline const struct config *exchange_config(const struct exchange *exchange)
{
    return exchange->adopted->snapshot->config;
}

/*
 * A request head has arrived, whole. Copies it, decides, and goes as far as it can without waiting.
 * May finish, and so free, the exchange before it returns: see conn->exchange.
 */
void exchange_start(struct conn *conn, struct str head);

/* A head that cannot be a request was received: answers and ends the connection. */
void exchange_refuse(struct conn *conn, enum outcome outcome, const char *detail);
void exchange_refuse_fault(struct conn *conn, enum strict_fault fault);

/* Whether relay_request would take body bytes now. */
bool exchange_wants_body(const struct exchange *exchange);

/* Whether the next thing to happen is that the client sends more of the body. */
bool exchange_awaits_body(const struct exchange *exchange);

/* Whether the client's connection can go on after an answer that is delimited: where its next
 * request would begin is known, and it and we want to. */
bool exchange_may_keep_client(const struct exchange *exchange);

/* The client broke its own request, or let it hang: answers or, when the answer has begun, cuts.
 * The server sees the request cut. Finishes the exchange. */
void exchange_client_failed(struct exchange *exchange, enum outcome outcome);

/* What the server is waited for may have changed; `progress`: it has just moved, its time starts
 * anew. */
void exchange_watch(struct exchange *exchange, bool progress);

/* From upstream.c. Each may finish the exchange. */
void exchange_on_upstream_read(struct exchange *exchange, struct str data, int status);
void exchange_on_upstream_drain(struct exchange *exchange);
void exchange_on_upstream_error(struct exchange *exchange, int status);
void exchange_on_upstream_deadline(struct exchange *exchange);

/* Our Set-Cookie value, when the decision asks for one; empty otherwise. Lives until the next call.
 */
struct str exchange_set_cookie(const struct exchange *exchange);

/* The end: counters, access line, free; then conn_exchange_done (cut: the client's connection is
 * closed with RST instead, so that the answer is seen to be incomplete). */
void exchange_finish(struct exchange *exchange, enum outcome outcome, bool cut);

/* The client's connection is going away: ends the exchange without touching the connection. */
void exchange_abort(struct exchange *exchange, enum outcome outcome);

#endif
