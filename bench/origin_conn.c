/* One connection of the origin: between the loop's callbacks and the answers.
 *
 *            on_read ----> consume ----> request_parse / ws_input
 *                             |                    |
 *     waiting <-- not now ----+                    v
 *        |                                    origin.out
 *        +---------> conn_settle <-- on_timer      |
 *                     ^     |                      |
 *         on_written -+     +----> flush <---------+
 *
 * A small answer costs one read and one write: uv_try_write takes it whole, nothing is copied and
 * no timer is touched. Only what the socket does not take is kept and written by uv_write.
 */
#include "origin.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_timer(uv_timer_t *timer)
{
    struct conn *conn = timer->data;
    conn_cb cb = conn->job.on_timer;
    if (conn->writing && !conn->closing) {
        uv_timer_start(timer, on_timer, 2, 0); /* what it would say has to wait its turn */
        return;
    }
    if (cb != NULL && !conn->closing) {
        conn->job.on_timer = NULL;
        cb(conn);
    }
    conn_settle(conn);
}

void conn_after(struct conn *conn, uint64_t ms, conn_cb cb)
{
    conn->job.on_timer = cb;
    uv_timer_start(&conn->timer, on_timer, ms, 0);
}

void conn_busy(struct conn *conn)
{
    conn->busy = true;
}

void conn_done(struct conn *conn)
{
    uv_timer_stop(&conn->timer);
    bytes_free(&conn->job.slow.text);
    conn->job.on_drained = NULL;
    conn->job.on_timer = NULL;
    conn->busy = false;
    conn->req.active = false;
    if (!conn->req.keep_alive)
        conn->close_after = true;
}

static void conn_free(struct conn *conn)
{
    struct origin *origin = conn->origin;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        origin->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    origin->stats.conns_open--;
    EVP_MD_CTX_free(conn->upload.digest);
    request_deinit(&conn->req);
    bytes_free(&conn->waiting);
    bytes_free(&conn->job.slow.text);
    free(conn->rest);
    free(conn);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    if (--conn->open_handles == 0)
        conn_free(conn);
}

void conn_close(struct conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    conn->origin->out.len = 0;
    uv_close((uv_handle_t *)&conn->timer, on_closed);
    if (!conn->reset || uv_tcp_close_reset(&conn->tcp, on_closed) != 0)
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_reset(struct conn *conn)
{
    conn->reset = true;
    conn_close(conn);
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->data;
    free(conn->rest);
    conn->rest = NULL;
    conn->writing = false;
    if (status < 0) {
        conn->origin->stats.aborted += !conn->closing;
        conn_close(conn);
    }
    conn_settle(conn);
}

/* What the socket did not take. `out` belongs to all connections, so its part is copied; the extra
 * buffers stay where they are. */
static void write_rest(struct conn *conn, uv_buf_t *bufs, unsigned n)
{
    if (bufs[0].len > 0) {
        conn->rest = malloc(bufs[0].len);
        if (conn->rest == NULL)
            abort();
        memcpy(conn->rest, bufs[0].base, bufs[0].len);
        bufs[0].base = conn->rest;
    }
    conn->writing = true;
    conn->write.data = conn;
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, bufs, n, on_written) != 0) {
        conn->writing = false;
        conn_close(conn);
    }
}

/* `queue`: leave the writing to the next turn of the loop, so that others get theirs. */
static void flush(struct conn *conn, bool queue)
{
    struct bytes *out = &conn->origin->out;
    uv_buf_t bufs[3] = {uv_buf_init(out->at, (unsigned)out->len), conn->extra[0], conn->extra[1]};
    unsigned n = 1 + conn->n_extra;
    size_t left = out->len;
    for (unsigned i = 1; i < n; i++)
        left += bufs[i].len;
    out->len = 0;
    conn->n_extra = 0;
    if (left == 0 || conn->closing)
        return;
    assert(!conn->writing);
    conn->active_ms = uv_now(&conn->origin->loop);
    unsigned skip = out->at == NULL || bufs[0].len == 0;
    int taken = queue ? 0 : uv_try_write((uv_stream_t *)&conn->tcp, bufs + skip, n - skip);
    if (taken < 0 && taken != UV_EAGAIN) {
        conn->origin->stats.aborted++;
        conn_close(conn);
        return;
    }
    size_t done = taken < 0 ? 0 : (size_t)taken;
    if (done == left)
        return;
    for (unsigned i = 0; i < n; i++) {
        size_t part = done < bufs[i].len ? done : bufs[i].len;
        bufs[i].base = part == 0 ? bufs[i].base : bufs[i].base + part;
        bufs[i].len -= part;
        done -= part;
    }
    write_rest(conn, bufs, n);
}

static bool may_handle(const struct conn *conn)
{
    return !conn->busy && !conn->writing && !conn->closing && !conn->close_after;
}

static void consume(struct conn *conn, const char *at, size_t len)
{
    while (len > 0 && may_handle(conn)) {
        size_t used = conn->is_ws ? ws_input(conn, at, len) : request_parse(conn, at, len);
        at += used;
        len -= used;
        if (conn->origin->out.len > FLUSH_AT)
            flush(conn, false);
    }
    if (len > 0 && !conn->closing && !conn->close_after)
        bytes_put(&conn->waiting, at, len);
}

static void consume_waiting(struct conn *conn)
{
    struct bytes taken = conn->waiting; /* consume may put back what it cannot handle */
    conn->waiting = (struct bytes){0};
    consume(conn, taken.at, taken.len);
    bytes_free(&taken);
}

void conn_settle(struct conn *conn)
{
    enum {
        TURNS = 16 /* of production before other connections get theirs */
    };
    for (unsigned turn = 0;; turn++) {
        flush(conn, turn >= TURNS);
        if (conn->closing || conn->writing)
            break;
        if (conn->busy && conn->job.on_drained != NULL) {
            conn->job.on_drained(conn);
        } else if (conn->busy) {
            break;
        } else if (conn->close_after) {
            conn_close(conn);
            break;
        } else if (conn->waiting.len > 0) {
            consume_waiting(conn);
        } else {
            break;
        }
    }
    if (conn->closing)
        return;
    if (conn->waiting.len > WAITING_LIMIT)
        conn_read_stop(conn);
    else if (!conn->paused)
        conn_read_start(conn);
}

/* A slow upload is read in small pieces: its rate is the point, not its cost. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    const struct conn *conn = handle->data;
    uint64_t size = READ_BYTES;
    if (conn->upload.rate > 0 && conn->upload.rate / 20 < size)
        size = conn->upload.rate / 20 < 512 ? 512 : conn->upload.rate / 20;
    *buf = uv_buf_init(conn->origin->read, (unsigned)size);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    if (n == 0)
        return;
    if (n < 0) {
        conn->origin->stats.aborted += conn->req.active;
        conn_close(conn);
        return;
    }
    conn->active_ms = uv_now(&conn->origin->loop);
    if (conn->waiting.len > 0)
        bytes_put(&conn->waiting, buf->base, (size_t)n);
    else
        consume(conn, buf->base, (size_t)n);
    conn_settle(conn);
}

void conn_read_start(struct conn *conn)
{
    if (!conn->reading && !conn->closing)
        conn->reading = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) == 0;
}

void conn_read_stop(struct conn *conn)
{
    if (conn->reading) {
        uv_read_stop((uv_stream_t *)&conn->tcp);
        conn->reading = false;
    }
}

void conn_accept(struct origin *origin)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        abort();
    conn->origin = origin;
    conn->number = ++origin->stats.conns_total;
    origin->stats.conns_open++;
    conn->next = origin->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    origin->conns = conn;
    uv_tcp_init(&origin->loop, &conn->tcp);
    uv_timer_init(&origin->loop, &conn->timer);
    conn->tcp.data = conn;
    conn->timer.data = conn;
    conn->open_handles = 2;
    conn->active_ms = uv_now(&origin->loop);
    llhttp_init(&conn->parser, HTTP_REQUEST, request_settings());
    conn->parser.data = conn;
    if (uv_accept((uv_stream_t *)&origin->listener, (uv_stream_t *)&conn->tcp) != 0) {
        conn_close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    conn_read_start(conn);
}

void conn_peer(const struct conn *conn, char *text, size_t size)
{
    struct sockaddr_storage ss = {0};
    int len = sizeof(ss);
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&ss, &len) == 0) {
        if (ss.ss_family == AF_INET6) {
            uv_ip6_name((struct sockaddr_in6 *)&ss, ip, sizeof(ip));
            port = ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
        } else {
            uv_ip4_name((struct sockaddr_in *)&ss, ip, sizeof(ip));
            port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
        }
    }
    snprintf(text, size, ss.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip, port);
}
