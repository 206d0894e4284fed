/* /fault/NAME: what backends do wrong, one at a time.
 *
 * Most faults are fixed bytes followed by a close, so they are rows of a table; the rest are
 * functions. With ?early=1 a fault happens before the request's body was read.
 */
#include "origin.h"

#include <string.h>

struct fault {
    const char *name;
    conn_cb act;
};

static void fault_close(struct conn *conn)
{
    conn->close_after = true;
}

static void fault_reset(struct conn *conn)
{
    conn_reset(conn);
}

static void fault_stall(struct conn *conn)
{
    conn_busy(conn);
}

static void fault_garbage(struct conn *conn)
{
    bytes_text(&conn->origin->out, "garbage\r\n\r\n");
    conn->close_after = true;
}

static void put_x(struct conn *conn, uint64_t n)
{
    struct bytes *out = &conn->origin->out;
    bytes_reserve(out, n);
    memset(out->at + out->len, 'x', n);
    out->len += n;
}

/* ?n=: announces n bytes, sends half of them. ?rst=1: ends in a reset, once the half is out. */
static void fault_half(struct conn *conn)
{
    struct bytes lines = {0};
    uint64_t n = request_query_number(conn, "n", 1 << 20, 1000);
    bool chunked = request_query_number(conn, "chunked", 1, 0) != 0;
    conn->req.keep_alive = true; /* it promises to go on */
    if (chunked)
        bytes_text(&lines, "Transfer-Encoding: chunked\r\n");
    else
        bytes_format(&lines, "Content-Length: %llu\r\n", (unsigned long long)n);
    bytes_put(&lines, "", 1);
    reply_head(conn, 200, lines.at);
    bytes_free(&lines);
    if (chunked)
        bytes_format(&conn->origin->out, "%llx\r\n", (unsigned long long)n);
    put_x(conn, n / 2);
    conn->reset = request_query_number(conn, "rst", 1, 0) != 0;
    conn->close_after = true;
}

static void slow_byte(struct conn *conn)
{
    struct slow_job *slow = &conn->job.slow;
    bytes_put(&conn->origin->out, slow->text.at + slow->at, 1);
    if (++slow->at == slow->text.len)
        conn_done(conn);
    else
        conn_after(conn, slow->every_ms, slow_byte);
}

/* ?ms=: between two bytes of the head */
static void fault_slow_head(struct conn *conn)
{
    struct slow_job *slow = &conn->job.slow;
    *slow = (struct slow_job){.every_ms = request_query_number(conn, "ms", 60000, 20)};
    bytes_put(&slow->text, conn->origin->hello.at, conn->origin->hello.len);
    conn->req.keep_alive = true;
    conn_busy(conn);
    slow_byte(conn);
}

static void fault_extra(struct conn *conn)
{
    reply_head(conn, 200, "Content-Length: 5\r\n");
    bytes_text(&conn->origin->out, "helloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nextra");
}

static void fault_no_length(struct conn *conn)
{
    bytes_format(&conn->origin->out, "HTTP/1.0 200 OK\r\nX-Backend: %s\r\n\r\nhello from %s\n",
                 conn->origin->name, conn->origin->name);
    conn->close_after = true;
}

static void fault_interim(struct conn *conn)
{
    bytes_text(&conn->origin->out,
               "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
    reply_text(conn, 200, "hello from %s\n", conn->origin->name);
}

static void fault_close_idle(struct conn *conn)
{
    conn->req.keep_alive = true;
    reply_text(conn, 200, "hello from %s\n", conn->origin->name);
    conn->close_after = true;
}

/* ?n=: a response head of about n bytes */
static void fault_big_head(struct conn *conn)
{
    bytes_format(&conn->origin->out,
                 "HTTP/1.1 200 OK\r\nX-Backend: %s\r\nX-Big: ", conn->origin->name);
    put_x(conn, request_query_number(conn, "n", 1 << 20, 65536));
    bytes_text(&conn->origin->out, "\r\nContent-Length: 0\r\n\r\n");
}

/* Framing that two readers may understand differently: must not be passed on. */
static void fault_both(struct conn *conn)
{
    reply_head(conn, 200, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
    bytes_text(&conn->origin->out, "5\r\nhello\r\n0\r\n\r\n");
}

static void fault_two_lengths(struct conn *conn)
{
    reply_head(conn, 200, "Content-Length: 5\r\nContent-Length: 6\r\n");
    bytes_text(&conn->origin->out, "hello!");
}

static const struct fault faults[] = {
    {"close", fault_close},
    {"reset", fault_reset},
    {"stall", fault_stall},
    {"garbage", fault_garbage},
    {"half", fault_half},
    {"slow-head", fault_slow_head},
    {"extra", fault_extra},
    {"no-length", fault_no_length},
    {"interim", fault_interim},
    {"close-idle", fault_close_idle},
    {"big-head", fault_big_head},
    {"both", fault_both},
    {"two-lengths", fault_two_lengths},
};

void fault_answer(struct conn *conn)
{
    struct span path = request_path(conn);
    size_t skip = strlen("/fault/");
    struct span name = {.at = path.at + skip, .len = path.len - skip};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (span_is(name, faults[i].name)) {
            faults[i].act(conn);
            return;
        }
    }
    reply_text(conn, 404, "no such fault\n");
}
