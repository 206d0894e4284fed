/*
 * admin_conn.h - one connection of the admin port, and the server that it belongs to. Private to
 * admin.c and the other files of its name.
 *
 *     READ_HEAD > READ_BODY > WRITE > READ_HEAD ...       a connection that is kept
 *     READ_HEAD > WAIT > WRITE                            refused at the gate: answered late
 *     ... WRITE > LINGER > closed                         the last answer: until the client has it
 *     READ_HEAD > STREAM > closed                         follows the events, or the status
 *
 * One request at a time: nothing is read while an answer is under way, so what a client sends
 * ahead waits in the kernel, and a connection never holds more than one head, one body and one
 * answer. With TLS the handshake is part of the first READ_HEAD, and of its deadline.
 */
#ifndef CONTROL_ADMIN_CONN_H
#define CONTROL_ADMIN_CONN_H

#include "control/admin.h"
#include "control/admin_feed.h"
#include "http/parser.h"
#include "net/stream.h"

struct admin {
    struct controller *controller; /* borrowed */
    uv_tcp_t listener;
    uv_timer_t second;  /* samples the rates, and looks around */
    uint64_t second_ms; /* when it did so last; monotonic */
    struct addr bound;
    struct rates rates;
    struct history history;
    struct admin_feed feed;
    struct counters *sum; /* owned; scratch of the sampling */
    struct list conns;    /* of struct admin_conn */
    unsigned conn_count;
    unsigned stream_count;
    unsigned open_handles; /* listener and timers */
    bool is_stopping;
};

enum admin_conn_state {
    ADMIN_READ_HEAD = 0,
    ADMIN_READ_BODY,
    ADMIN_WAIT,
    ADMIN_WRITE,
    ADMIN_STREAM,
    ADMIN_LINGER,
    ADMIN_CLOSED, /* its handles are closing; nothing may be started any more */
};

struct admin_conn {
    struct list node;    /* admin->conns */
    struct admin *admin; /* borrowed */
    enum admin_conn_state state;

    struct stream stream;
    uv_timer_t timer; /* one deadline at a time, by state */
    uint64_t due_ms;  /* of the timer; monotonic */
    unsigned open_handles;

    struct buf in;   /* read and not yet used */
    struct buf head; /* the request's head: what `message` points into */
    struct buf body;
    struct buf out;  /* to be sent */
    size_t searched; /* of `in`, by parser_find_head */
    size_t unsent;   /* at the last look at a write's progress */

    struct parser parser;
    struct message message;
    char peer[ADDR_TEXT_BYTES];
    bool keep_alive;
    bool has_ended;     /* the client has said that nothing follows, and waits for its answer */
    bool is_over_limit; /* there are too many: it is told so, and nothing else */
    struct event_follower follower; /* ADMIN_STREAM, of events */
    bool follows_status;            /* ADMIN_STREAM, of the status */
};

/* Takes the waiting connection off the listener. */
void admin_conn_accept(struct admin *admin);

/* The one way out; safe to call again. The last close callback frees. */
void admin_conn_close(struct admin_conn *conn);

/* The server stops: at once, or once the answer under way is out. */
void admin_conn_wind_up(struct admin_conn *conn);

/* Sends `out`; then the next request, or the end (keep_alive). */
void admin_conn_write(struct admin_conn *conn);

/* Hands all of `out` to the stream; 0 or UV_E*. */
int admin_conn_send(struct admin_conn *conn);

/* Sets the deadline of the present state. */
void admin_conn_arm(struct admin_conn *conn, uint64_t timeout_ms);

#endif
