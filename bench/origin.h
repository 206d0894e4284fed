/* cutover-origin: a sample application with every habit, good and bad, that a proxy must live with.
 *
 * Used by the demo, the black-box tests and the benchmarks. One process, one libuv loop.
 *
 *     origin.c          options, listener, signals, the sweep of idle connections
 *     origin_conn.c     one connection: reading, writing, waiting, closing
 *     origin_request.c  llhttp's callbacks -> struct request; finding headers and query values
 *     origin_reply.c    heads and complete answers
 *     origin_paths.c    which path does what, and the plain ones
 *     origin_stream.c   /bytes and /sse
 *     origin_upload.c   /upload
 *     origin_ws.c       /ws
 *     origin_fault.c    /fault/...
 *     origin_stats.c    counters and the ids seen
 *     origin_bytes.c    buffers
 *
 * How an answer comes about:
 *
 *     read -> conn_settle -> request_parse -> route->answer -> out -> conn_flush -> the socket
 *                ^                               |
 *                +--- timer, write finished <----+ an answer that takes time makes the connection
 *                                                  busy and sets job callbacks
 *
 * Invariants: `origin.out` is empty between two callbacks of the loop, since each of them ends in
 * conn_settle. While a connection is busy or writing, what its client sends waits in `waiting`.
 *
 * The bytes of /bytes/N: byte i is (31*i + 7*(i>>8) + 17*(i>>16) + seed) & 255. In Python:
 *
 *     bytes((31*i + 7*(i >> 8) + 17*(i >> 16) + seed) & 255 for i in range(n))
 *
 * It repeats only after 16 MiB, so blocks that are lost, doubled or swapped show.
 */
#ifndef BENCH_ORIGIN_H
#define BENCH_ORIGIN_H

#include "origin_bytes.h"

#include <llhttp.h>
#include <openssl/evp.h>
#include <uv.h>

struct conn;
struct route;

enum {
    READ_BYTES = 65536,        /* the one read buffer */
    HEAD_LIMIT = 65536,        /* target, names and values of one head */
    WAITING_LIMIT = 65536,     /* then reading stops */
    FLUSH_AT = 262144,         /* pipelined answers are written together up to this */
    LINGER_MS = 500,           /* from an answer that left a body unread to the close */
    WS_FRAME_LIMIT = 16 << 20, /* payload of one frame */
    ROUTES_LIMIT = 16
};

/** ids of X-Test-Id and how often each was seen: open addressing, never shrinks */
struct id_table {
    struct id_entry *slots; /* owned */
    size_t cap;             /* a power of two, or 0 */
    size_t used;
};

struct stats {
    uint64_t requests;
    uint64_t conns_open;
    uint64_t conns_total;
    uint64_t aborted; /* the client left before its answer was complete */
    uint64_t bad;     /* answered 400 or 431 */
    uint64_t by_route[ROUTES_LIMIT];
    struct id_table ids;
};

struct origin {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_signal_t signals[2];
    const char *name; /* borrowed: from argv */
    uint64_t idle_timeout_ms;
    bool log;
    bool stopping;
    unsigned health_status;
    bool health_stall;
    struct stats stats;
    struct conn *conns;    /* owned: all that are open */
    struct bytes hello;    /* the answer to a plain GET /, complete */
    struct bytes out;      /* answers of the callback that runs now */
    unsigned char *table;  /* owned: the pattern of /bytes, see origin_stream.c */
    char read[READ_BYTES]; /* lent to whichever connection is readable */
};

struct field {
    uint32_t name;
    uint32_t name_len;
    uint32_t value;
    uint32_t value_len;
};

/** one request; everything is an offset into `head`, which may move while trailers arrive */
struct request {
    struct bytes head;    /* target, then names and values */
    struct field *fields; /* owned */
    uint32_t n_fields;
    uint32_t n_head_fields; /* those behind are trailers */
    uint32_t cap_fields;
    uint32_t target_len; /* the target begins at 0 */
    uint32_t path;
    uint32_t path_len;
    uint32_t query;
    uint32_t query_len;
    uint64_t body_bytes;
    bool active; /* from its first byte until it is answered */
    bool head_done;
    bool keep_alive;
    bool has_body;
    bool answered;  /* before the body, which is still to be drained */
    bool too_large; /* the head */
    bool early;     /* answer at once and leave the body unread */
    bool plain;     /* may be answered with origin.hello */
};

struct stream_job {
    uint64_t at;
    uint64_t end;
    uint64_t per_tick; /* 0: as fast as they are taken */
    uint64_t budget;   /* of this tick */
    unsigned seed;
    bool chunked;
};

struct sse_job {
    uint64_t next;
    uint64_t end;
    uint64_t interval_ms;
};

struct upload_job {
    EVP_MD_CTX *digest; /* owned; also freed with the connection */
    uint64_t rate;      /* bytes a second, 0: as they come */
    uint64_t debt;      /* bytes read since the last pause */
};

struct ws_job {
    unsigned char head[14]; /* of the frame being read */
    unsigned head_len;
    unsigned char mask[4];
    unsigned mask_at;
    uint64_t left; /* payload bytes still to come */
    bool in_payload;
    bool in_message; /* a fragmented message is open */
    bool drop;       /* payload that is not echoed: pongs */
    bool closing;    /* a close frame: end after its payload */
    uint64_t pushed;
    uint64_t push_ms;
};

struct slow_job {
    struct bytes text; /* owned */
    size_t at;
    uint64_t every_ms;
};

typedef void (*conn_cb)(struct conn *conn);

/** what a connection does while it is busy; all of it is cleared by conn_done */
struct job {
    conn_cb on_drained; /* all output was taken: produce more */
    conn_cb on_timer;
    struct stream_job stream;
    struct sse_job sse;
    struct slow_job slow;
};

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    struct origin *origin; /* borrowed */
    struct conn *prev;
    struct conn *next;
    uint64_t number;    /* counts the connections of this process */
    uint64_t requests;  /* on this connection, the present one included */
    uint64_t active_ms; /* when something was last read or written */
    llhttp_t parser;
    struct request req;
    const struct route *route; /* of the present request */
    struct bytes waiting;      /* read, but not to be handled yet */
    char *rest;                /* owned: copy of `out` that a write in flight still needs */
    uv_buf_t extra[2];         /* to be written behind `out`; must outlive the write */
    unsigned n_extra;
    int open_handles;
    bool reading;
    bool paused; /* a slow upload waits for its timer */
    bool writing;
    bool busy;
    bool close_after; /* once all is written */
    bool closing;
    bool reset;
    bool is_ws;
    struct job job;
    struct upload_job upload;
    struct ws_job ws;
};

/** a path, or a family of paths */
struct route {
    const char *path;
    bool prefix;
    const char *kind; /* its name in /stats */
    conn_cb answer;   /* called when the request is complete */
    conn_cb head;     /* called before its body; may be NULL */
    void (*body)(struct conn *conn, const char *at, size_t len);
};

/* origin_conn.c */
void conn_accept(struct origin *origin);
/** writes, goes on with what waits, closes: the one driver, called at the end of each callback */
void conn_settle(struct conn *conn);
/** the answer takes time: nothing else is handled on this connection until conn_done */
void conn_busy(struct conn *conn);
void conn_done(struct conn *conn);
void conn_close(struct conn *conn);
/** as conn_close, with a RST instead of a FIN */
void conn_reset(struct conn *conn);
/** calls `cb` after `ms`; replaces a timer that runs */
void conn_after(struct conn *conn, uint64_t ms, conn_cb cb);
void conn_read_start(struct conn *conn);
void conn_read_stop(struct conn *conn);
void conn_peer(const struct conn *conn, char *text, size_t size);

/* origin_request.c */
const llhttp_settings_t *request_settings(void);
/** consumes up to one request; returns the number of bytes used */
size_t request_parse(struct conn *conn, const char *at, size_t len);
void request_deinit(struct request *req);
struct span request_path(const struct conn *conn);
struct span request_target(const struct conn *conn);
/** the first value of a header, or a span of NULL */
struct span request_header(const struct conn *conn, const char *name);
/** a value from the query as it was sent, or a span of NULL */
struct span request_query(const struct conn *conn, const char *name);
/** a number from the query; `fallback` when it is absent or is none */
uint64_t request_query_number(const struct conn *conn, const char *name, uint64_t max,
                              uint64_t fallback);
/** appends `s` with its %XX decoded */
void request_decode(struct span s, struct bytes *out);

/* origin_reply.c: all append to origin.out */
/** a head; `lines` (may be NULL) are complete header lines. No length: the caller's */
void reply_head(struct conn *conn, unsigned status, const char *lines);
/** a complete answer, without its body where HEAD, 204 or 304 ask for that */
void reply(struct conn *conn, unsigned status, const char *lines, struct span body);
void reply_text(struct conn *conn, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reply_json(struct conn *conn, const struct bytes *json);
/** builds origin.hello */
void reply_prepare(struct origin *origin);

/* origin_paths.c */
const struct route *route_find(struct span path);
/** row `i` of the table, or NULL behind the last */
const struct route *route_at(size_t i);
size_t route_index(const struct route *route);

/* origin_stream.c */
void stream_prepare(struct origin *origin);
void stream_bytes(struct conn *conn);
void stream_sse(struct conn *conn);

/* origin_upload.c */
void upload_head(struct conn *conn);
void upload_body(struct conn *conn, const char *at, size_t len);
void upload_answer(struct conn *conn);

/* origin_ws.c */
void ws_open(struct conn *conn);
/** consumes bytes of frames; returns how many */
size_t ws_input(struct conn *conn, const char *at, size_t len);

/* origin_fault.c */
void fault_answer(struct conn *conn);

/* origin_stats.c */
/** counts a request as soon as its head is there, so that one that is cut off counts as well */
void stats_count(struct conn *conn);
void stats_answer(struct conn *conn);
void stats_deinit(struct stats *stats);

#endif
