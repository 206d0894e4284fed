/*
 * worker.h - one event loop on a thread of its own: listeners, connections, pools, counters.
 *
 * Workers share nothing but what is atomic: the inbox for snapshots, the servers' shared fields,
 * the draw counter and the count of client connections; and, where one client's connections are
 * limited, the tally of them. Everything else in a worker belongs to its thread.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <uv.h>

#include "base/list.h"
#include "http/message.h"
#include "http/writer.h"
#include "net/deadline.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/tally.h"
#include "proxy/pool.h"
#include "state/snapshot.h"
#include "telemetry/counters.h"
#include "telemetry/evidence.h"

/* After an answer that ends a connection: how long the client may still send before it is cut. */
#define LINGER_MS 2000

/* "cutover-1a2b3c4d" */
#define VIA_BYTES 17

struct conn;
struct exchange;

/* A snapshot as one worker uses it. Exchanges pin it with a plain count, so that the only atomic
 * operation on a snapshot is one for each worker and change. */
struct adopted {
    struct snapshot *snapshot; /* owned: one reference */
    unsigned pins;             /* the worker's own while current, and one for each exchange */
    struct pool *
        *pools[SIDES];      /* owned arrays, by server index; the pools are borrowed: from worker */
    unsigned cursor[SIDES]; /* round robin */
};

/* One list for each kind of waiting; lengths follow the adopted configuration. */
struct worker_deadlines {
    struct deadline_list client_header, client_body, client_idle, linger;
    struct deadline_list connect, tls_handshake, response_header, response_body, upstream_idle;
    struct deadline_list tunnel_idle;
};

/* What all workers of a process share. */
struct worker_shared {
    _Atomic uint64_t draws;       /* the next term of the draw sequence */
    _Atomic unsigned connections; /* of clients, open now */
    _Atomic bool has_been_up;     /* a health check of ours has seen a server that was well */
    atomic_bool short_of_memory;  /* set by the control thread: no new clients meanwhile */
    /* when it was told last (log_is_due) that there is no place left, that one client has too many
     * connections, that a PROXY header was missing */
    _Atomic uint64_t full_told_ms, tally_told_ms, preface_told_ms;
    struct tally *tally;            /* owned; limits.connections_per_client: who has how many */
    unsigned connections_max;       /* fixed at start; what the descriptors allow */
    char via[VIA_BYTES];            /* fixed at start: our name in Via, and nobody else's */
    void (*on_drained)(void *data); /* called on a worker's thread when it has nothing left */
    void *on_drained_data;
};

struct worker {
    unsigned index;
    uv_thread_t thread;
    uv_loop_t loop;
    struct stream_loop io; /* loop.data */
    uv_timer_t sweep;
    uv_async_t wake;

    struct {                            /* any thread */
        struct snapshot *_Atomic inbox; /* owned: one reference; NULL: nothing new */
        _Atomic int stage;              /* enum worker_stage */
    } shared;

    struct worker_shared *common; /* borrowed: from server */
    struct counters *counters;    /* owned; read by the control thread */
    struct evidence *evidence;    /* owned; PLANS_MAX of them; likewise */
    struct adopted *adopted;      /* owned; current */
    struct listener *listeners;   /* owned array */
    unsigned listener_count;
    unsigned open_listeners;
    struct worker_deadlines deadlines;

    struct list conns; /* all client connections */
    struct list pools; /* all pools, also of servers that are gone while connections remain */
    unsigned conn_count;
    unsigned conn_peak;      /* since memory was given back last */
    unsigned upstream_count; /* open, leased or idle */

    struct list free_exchanges; /* kept for the next requests */
    unsigned free_exchange_count;

    /* scratch, used within one event only */
    struct message response;
    struct buf head;
    struct buf set_cookie;

    struct buf access;            /* access lines since the last sweep */
    uint64_t ordinal;             /* of requests, for the access sample */
    uint64_t random[2];           /* state of the request id generator */
    char date[WRITER_DATE_BYTES]; /* as of date_ms */
    uint64_t date_ms;
    uint64_t swept_ms;   /* the last sweep */
    uint64_t settled_ms; /* after a stall: nothing expires before; 0: there was none */
    bool is_draining;
    bool is_finishing; /* everything is closed or closing */
};

enum worker_stage { WORKER_RUNNING = 0, WORKER_DRAINING, WORKER_STOPPING };

/* Life cycle; the calling thread is the control thread. */

/*
 * A worker with its own sockets on the given addresses (opened, not yet accepting). Port 0 is bound
 * by the first worker and written back into `addresses`, so that the others share it.
 */
struct worker *worker_new(unsigned index, struct worker_shared *common, struct addr *addresses,
                          unsigned address_count, struct error *error) MUST_CHECK;

/* Starts the thread. A snapshot must have been published to it before. */
bool worker_start(struct worker *worker, struct error *error) MUST_CHECK;

/* Hands over a snapshot (a reference is taken). Any number may follow each other unadopted. */
void worker_publish(struct worker *worker, struct snapshot *snapshot);

/* WORKER_DRAINING: no new connections, idle ones end, the others end with what is under way.
 * WORKER_STOPPING: everything ends now. */
void worker_set_stage(struct worker *worker, enum worker_stage stage);

/* Waits for the thread to end. */
void worker_join(struct worker *worker);
void worker_free(struct worker *worker);

/* For the data path, on the worker's thread. */

static inline uint64_t worker_now_ms(const struct worker *worker)
{
    return uv_now(&worker->loop);
}

static inline const struct config *worker_config(const struct worker *worker)
{
    return worker->adopted->snapshot->config;
}

struct adopted *worker_pin(struct worker *worker);
void worker_unpin(struct worker *worker, struct adopted *adopted);

/* Descriptors have run out: gives up idle connections to servers. */
void worker_shed(struct worker *worker);

/* 32 hexadecimal digits, different each time; not a secret. */
#define REQUEST_ID_BYTES 32
void worker_request_id(struct worker *worker, char id[REQUEST_ID_BYTES]);

/* Now, as Date has it; at most a tenth of a second old. Lives until the next call. */
struct str worker_date(struct worker *worker);

/* Something was closed: a draining worker ends when that was the last. */
void worker_note_closed(struct worker *worker);

#endif
