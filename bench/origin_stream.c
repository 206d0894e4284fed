/* Answers that go on: /bytes/N and /sse.
 *
 * The bytes of /bytes come straight out of a table of 512 rows of 256 bytes, so that a gigabyte
 * costs no copying and no memory here. Row r of the table is 31*column + 7*r. A block of 64 KiB of
 * the stream is 256 rows; adding a constant c to all of a block is the same as starting
 * c / 7 (mod 256) rows further down, and 1 / 7 is 183 (mod 256).
 */
#include "origin.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 65536, TICK_MS = 20 };

void stream_prepare(struct origin *origin)
{
    origin->table = malloc(2 * BLOCK);
    if (origin->table == NULL)
        abort();
    for (unsigned j = 0; j < 2 * BLOCK; j++)
        origin->table[j] = (unsigned char)(31 * (j & 255) + 7 * (j >> 8));
}

static char *table_at(const struct origin *origin, const struct stream_job *s)
{
    unsigned constant = (unsigned)(17 * (s->at >> 16) + s->seed);
    unsigned row = (constant * 183) & 255;
    return (char *)origin->table + (size_t)row * 256 + (s->at & (BLOCK - 1));
}

/* The next piece: never across a block, so that it is one run of the table. */
static void produce(struct conn *conn)
{
    static char crlf[] = "\r\n";
    static char last[] = "\r\n0\r\n\r\n";
    struct stream_job *s = &conn->job.stream;
    if (s->at == s->end) {
        conn_done(conn);
        return;
    }
    uint64_t len = BLOCK - (s->at & (BLOCK - 1));
    len = len > s->end - s->at ? s->end - s->at : len;
    if (s->per_tick > 0) {
        len = len > s->budget ? s->budget : len;
        s->budget -= len;
        if (s->budget == 0)
            conn->job.on_drained = NULL; /* until the next tick */
    }
    conn->extra[0] = uv_buf_init(table_at(conn->origin, s), (unsigned)len);
    conn->n_extra = 1;
    s->at += len;
    if (s->chunked) {
        bytes_format(&conn->origin->out, "%llx\r\n", (unsigned long long)len);
        bool is_last = s->at == s->end;
        conn->extra[1] = uv_buf_init(is_last ? last : crlf, is_last ? 7 : 2);
        conn->n_extra = 2;
    }
}

static void on_tick(struct conn *conn)
{
    struct stream_job *s = &conn->job.stream;
    s->budget = s->per_tick;
    conn->job.on_drained = produce;
    conn_after(conn, TICK_MS, on_tick);
}

static void start(struct conn *conn)
{
    struct stream_job *s = &conn->job.stream;
    conn_busy(conn);
    if (s->per_tick > 0)
        on_tick(conn);
    else
        conn->job.on_drained = produce;
    if (s->end > 0)
        produce(conn); /* with the head, in one write */
    else if (s->chunked)
        bytes_text(&conn->origin->out, "0\r\n\r\n");
}

void stream_bytes(struct conn *conn)
{
    struct span path = request_path(conn);
    size_t skip = strlen("/bytes/");
    struct span number = {.at = path.at + skip, .len = path.len - skip};
    struct stream_job s = {0};
    if (!span_number(number, 10ull << 30, true, &s.end)) {
        reply_text(conn, 400, "/bytes/N: 0..10g\n");
        return;
    }
    s.seed = (unsigned)request_query_number(conn, "seed", UINT32_MAX, 0);
    uint64_t rate = request_query_number(conn, "rate", 1ull << 40, 0);
    s.per_tick = rate == 0 ? 0 : rate * TICK_MS / 1000 + (rate < 1000 / TICK_MS);
    s.chunked = request_query_number(conn, "chunked", 1, 0) != 0;
    struct bytes lines = {0};
    bytes_text(&lines, "Content-Type: application/octet-stream\r\n");
    if (!s.chunked) {
        bytes_format(&lines, "Content-Length: %llu\r\n", (unsigned long long)s.end);
    } else if (conn->parser.http_minor == 0) {
        s.chunked = false; /* 1.0 has no chunks: the end of the connection ends it */
        conn->req.keep_alive = false;
    } else {
        bytes_text(&lines, "Transfer-Encoding: chunked\r\n");
    }
    bytes_put(&lines, "", 1);
    reply_head(conn, 200, lines.at);
    bytes_free(&lines);
    conn->job.stream = s;
    if (conn->parser.method != HTTP_HEAD)
        start(conn);
}

static void on_event(struct conn *conn)
{
    struct sse_job *sse = &conn->job.sse;
    struct bytes event = {0};
    bool chunked = conn->parser.http_minor == 1;
    bytes_format(&event, "id: %llu\ndata: %s %llu\n\n", (unsigned long long)sse->next,
                 conn->origin->name, (unsigned long long)sse->next);
    sse->next++;
    struct bytes *out = &conn->origin->out;
    if (chunked)
        bytes_format(out, "%zx\r\n", event.len);
    bytes_put(out, event.at, event.len);
    bytes_text(out, chunked ? "\r\n" : "");
    bytes_free(&event);
    if (sse->next == sse->end) {
        bytes_text(out, chunked ? "0\r\n\r\n" : "");
        conn_done(conn);
    } else {
        conn_after(conn, sse->interval_ms, on_event);
    }
}

/* A client that comes back with Last-Event-ID goes on behind it, as browsers expect. */
void stream_sse(struct conn *conn)
{
    uint64_t seen = 0;
    uint64_t count = request_query_number(conn, "count", UINT32_MAX, 0);
    if (!span_number(request_header(conn, "Last-Event-ID"), UINT32_MAX, false, &seen))
        seen = 0;
    struct sse_job sse = {.next = seen + 1,
                          .end = count == 0 ? UINT64_MAX : seen + 1 + count,
                          .interval_ms = request_query_number(conn, "interval_ms", 3600000, 1000)};
    conn->job.sse = sse;
    bool chunked = conn->parser.http_minor == 1;
    conn->req.keep_alive = conn->req.keep_alive && chunked;
    reply_head(conn, 200,
               chunked ? "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                         "Transfer-Encoding: chunked\r\n"
                       : "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n");
    if (conn->parser.method != HTTP_HEAD) {
        conn_busy(conn);
        on_event(conn);
    }
}
