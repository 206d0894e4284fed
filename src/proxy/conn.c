/*
 * conn.c - a client connection: bytes in, requests out, one exchange at a time.
 *
 *     on_read: bytes -> conn_consume -+-> take_head -> exchange_start
 *                ^                    +-> feed_body -> relay_request
 *                |                    +-> nothing can be taken now: rest -> inbox
 *     inbox -----+ conn_process: when an exchange ends, can take more, or the client has caught up
 *
 * Reads stay armed during an exchange, so that a client that goes away is noticed; they stop only
 * while INBOX_HIGH_BYTES wait. No head is taken while the client is behind with reading: what one
 * connection can make us hold is one inbox and one STREAM_HIGH_BYTES, whatever it pipelines.
 */
#include "proxy/conn.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/proxy_header.h"
#include "proxy/exchange.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"

#define INBOX_HIGH_BYTES (64 * 1024)

/* Between two lines about missing PROXY headers. */
#define PREFACE_TOLD_MS 10000

static struct conn *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct conn, stream);
}

/* Clocks */

/* Some clients send a CRLF behind a body (RFC 9112 2.2): that begins no request. */
static bool has_head_bytes(const struct conn *conn)
{
    struct str bytes = buf_str(&conn->inbox);

    return bytes.len > 2 || (bytes.len > 0 && !str_starts_with(STR("\r\n"), bytes));
}

static enum conn_clock wanted_clock(const struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return CLOCK_NONE;
    if (conn->state == CONN_TUNNEL)
        return CLOCK_TUNNEL;
    if (stream_pending(&conn->stream) > 0)
        return CLOCK_WRITE;
    if (conn->state == CONN_LINGER)
        return CLOCK_LINGER;
    if (conn->exchange != NULL)
        return exchange_awaits_body(conn->exchange) ? CLOCK_BODY : CLOCK_NONE;
    if (has_head_bytes(conn))
        return CLOCK_HEAD;
    if (conn->had_request)
        return CLOCK_IDLE;
    return conn->worker->is_draining ? CLOCK_LINGER : CLOCK_HEAD;
}

static struct deadline_list *clock_list(struct worker_deadlines *deadlines, enum conn_clock clock)
{
    switch (clock) {
    case CLOCK_HEAD:
        return &deadlines->client_header;
    case CLOCK_BODY:
    case CLOCK_WRITE:
        return &deadlines->client_body;
    case CLOCK_IDLE:
        return &deadlines->client_idle;
    case CLOCK_LINGER:
        return &deadlines->linger;
    case CLOCK_TUNNEL:
        return &deadlines->tunnel_idle;
    case CLOCK_NONE:
        break;
    }
    return NULL;
}

static void set_clock(struct conn *conn, enum conn_clock clock)
{
    struct deadline_list *list = clock_list(&conn->worker->deadlines, clock);

    conn->clock = clock;
    conn->pending_before = stream_pending(&conn->stream);
    if (list == NULL)
        deadline_clear(&conn->deadline);
    else
        deadline_set(&conn->deadline, list, worker_now_ms(conn->worker));
}

void conn_watch(struct conn *conn)
{
    enum conn_clock clock = wanted_clock(conn);

    if (clock != conn->clock)
        set_clock(conn, clock);
}

void conn_progress(struct conn *conn)
{
    if (conn->clock == CLOCK_BODY || conn->clock == CLOCK_TUNNEL)
        set_clock(conn, conn->clock);
}

static void on_write_clock(struct conn *conn)
{
    /* Slow is not stalled: as long as it takes something it may go on. */
    if (stream_pending(&conn->stream) < conn->pending_before)
        set_clock(conn, CLOCK_WRITE);
    else if (conn->exchange != NULL)
        exchange_finish(conn->exchange, OUTCOME_CLIENT_STALLED, true);
    else
        conn_close(conn, true);
}

void conn_on_deadline(struct deadline *deadline)
{
    struct conn *conn = CONTAINER_OF(deadline, struct conn, deadline);
    enum conn_clock clock = conn->clock;

    conn->clock = CLOCK_NONE;
    switch (clock) {
    case CLOCK_HEAD:
        /* Nothing was sent at all: a pre-opened connection or a port scan, not worth an answer. */
        if (conn->state == CONN_HTTP && has_head_bytes(conn))
            exchange_refuse(conn, OUTCOME_HEADER_TIMEOUT, NULL);
        else
            conn_close(conn, false);
        break;
    case CLOCK_BODY:
        exchange_client_failed(conn->exchange, OUTCOME_BODY_TIMEOUT);
        break;
    case CLOCK_WRITE:
        on_write_clock(conn);
        break;
    case CLOCK_TUNNEL:
        tunnel_on_idle(conn->exchange);
        break;
    case CLOCK_IDLE:
    case CLOCK_LINGER:
    case CLOCK_NONE:
        conn_close(conn, false);
        break;
    }
}

/* Reading */

/* A head at the front of `data`: starts its exchange and returns its length; 0 when it is not
 * complete yet. */
static size_t take_head(struct conn *conn, struct str data)
{
    size_t most = worker_config(conn->worker)->limits.head_bytes;
    size_t len = parser_find_head(data, &conn->searched);

    if (len > most || (len == 0 && data.len > most)) {
        exchange_refuse(conn, OUTCOME_HEAD_TOO_LARGE, NULL);
        return data.len;
    }
    if (len == 0)
        return 0;
    conn->searched = 0;
    exchange_start(conn, str_from(data.data, len));
    return len;
}

/* Takes the framing off the request's body and hands it on, as long as the exchange takes it. */
static size_t feed_body(struct conn *conn, struct str data)
{
    size_t used_all = 0;

    while (used_all < data.len && conn->exchange != NULL && exchange_wants_body(conn->exchange)) {
        struct slices slices;
        size_t used;
        enum parse_result result =
            parser_body(&conn->parser, str_slice(data, used_all, data.len), &used, &slices);

        if (result == PARSE_BAD) {
            exchange_client_failed(conn->exchange, OUTCOME_BAD_REQUEST);
            return data.len;
        }
        used_all += used;
        relay_request(conn->exchange, &slices, result == PARSE_DONE);
    }
    if (used_all > 0)
        conn_progress(conn);
    return used_all;
}

/* Uses what can be used of the front of `data`; returns how much that was. */
static size_t conn_consume(struct conn *conn, struct str data)
{
    size_t used_all = 0;

    while (conn->state == CONN_HTTP && used_all < data.len) {
        struct str rest = str_slice(data, used_all, data.len);
        size_t used = 0;

        if (conn->exchange != NULL)
            used = feed_body(conn, rest);
        else if (!conn_is_congested(conn))
            used = take_head(conn, rest);
        if (used == 0)
            break;
        used_all += used;
    }
    /* A head whose body has not come yet waits no longer. */
    if (conn->exchange != NULL && conn->state == CONN_HTTP)
        relay_flush(conn->exchange);
    return conn->state == CONN_HTTP ? used_all : data.len;
}

/* The client has sent FIN: is there nothing left that it could still get? */
static bool is_over(const struct conn *conn)
{
    if (!conn->has_ended)
        return false;
    if (conn->exchange == NULL)
        return !conn_is_congested(conn);
    return !conn->exchange->request_done && buf_len(&conn->inbox) == 0;
}

/* After bytes were used or kept: memory, back-pressure, and what the client is waited for. */
static void conn_settle(struct conn *conn)
{
    if (conn->state == CONN_HTTP) {
        size_t waiting = buf_len(&conn->inbox);

        if (waiting == 0)
            buf_deinit(&conn->inbox);
        if (waiting >= INBOX_HIGH_BYTES && (conn->exchange != NULL || conn_is_congested(conn)))
            stream_pause(&conn->stream);
        else
            stream_resume(&conn->stream);
        /* A FIN behind whole requests is a half-close, and their answers are delivered; one in the
         * middle of a body ends everything. */
        if (is_over(conn) && conn->exchange != NULL)
            conn_close(conn, false);
        else if (is_over(conn))
            conn_end(conn);
    }
    conn_watch(conn);
}

void conn_process(struct conn *conn)
{
    if (conn->is_processing || conn->state != CONN_HTTP)
        return;
    conn->is_processing = true;
    size_t used;
    do {
        used = conn_consume(conn, buf_str(&conn->inbox));
        buf_consume(&conn->inbox, used);
    } while (used > 0 && conn->state == CONN_HTTP && buf_len(&conn->inbox) > 0);
    conn->is_processing = false;
    conn_settle(conn);
}

static void on_end(struct conn *conn, int status)
{
    conn->has_ended = true;
    if (conn->state == CONN_TUNNEL)
        tunnel_on_client(conn->exchange, STR(""), status);
    else if (status != 0 || conn->state == CONN_PREFACE ||
             (conn->state == CONN_LINGER && stream_pending(&conn->stream) == 0))
        conn_close(conn, false);
    else
        conn_settle(conn);
}

/* The preface and TLS */

/* TLS is there, or never will be. */
static void on_connect(struct stream *stream, int status)
{
    struct conn *conn = of_stream(stream);
    enum handshake how = status != 0                     ? HANDSHAKE_FAILED
                         : stream_tls_is_resumed(stream) ? HANDSHAKE_RESUMED
                                                         : HANDSHAKE_FULL;

    /* Who connects and goes away again, a balancer's check, has not failed at anything. */
    if (status == 0 || stream_tls_has_begun(stream))
        counter_add(&conn->worker->counters->handshakes[how], 1);
    if (status != 0)
        conn_close(conn, false);
}

static void begin_http(struct conn *conn)
{
    struct tls_keys *keys = conn->worker->adopted->snapshot->keys[conn->listener];

    conn->state = CONN_HTTP;
    if (keys == NULL)
        return;
    conn->is_secure = true;
    stream_serve_tls(&conn->stream, keys);
}

static void set_client(struct conn *conn, const struct addr *client, const struct addr *own)
{
    conn->client = *client;
    conn->client_ip_len = (unsigned)addr_format_ip(client, conn->client_ip).len;
    snprintf(conn->port, sizeof(conn->port), "%u", addr_port(own));
}

/* All connections of the listener end like this when the balancer does not write the header, so it
 * must be seen; but not once for each of them. */
static void tell_bad_preface(struct conn *conn)
{
    struct worker *worker = conn->worker;
    uint64_t now_ms = worker_now_ms(worker);

    if (worker->preface_told_ms != 0 && now_ms - worker->preface_told_ms < PREFACE_TOLD_MS)
        return;
    worker->preface_told_ms = now_ms;
    log_event(LOG_WARN, "connection refused: no valid PROXY header in front (proxy_protocol: true)",
              LOG_STR("from", conn_client_ip(conn)), LOG_TEXT("port", conn->port));
}

static void read_preface(struct conn *conn, struct str data)
{
    struct proxy_header header;
    struct buf received = conn->inbox;

    buf_append_str(&received, data);
    buf_init(&conn->inbox);
    switch (proxy_header_read(buf_str(&received), &header)) {
    case PROXY_HEADER_MORE:
        conn->inbox = received;
        return;
    case PROXY_HEADER_BAD:
        tell_bad_preface(conn);
        conn_close(conn, true);
        break;
    case PROXY_HEADER_DONE:
        if (header.has_addresses)
            set_client(conn, &header.source, &header.destination);
        conn->is_secure = header.is_tls;
        begin_http(conn);
        buf_consume(&received, header.len);
        if (buf_len(&received) > 0)
            stream_feed(&conn->stream, buf_str(&received));
        break;
    }
    buf_deinit(&received);
}

static void on_read(struct stream *stream, struct str data, int status)
{
    struct conn *conn = of_stream(stream);

    if (data.len == 0) {
        on_end(conn, status);
        return;
    }
    if (conn->state == CONN_TUNNEL) {
        tunnel_on_client(conn->exchange, data, 0);
        return;
    }
    if (conn->state == CONN_PREFACE) {
        read_preface(conn, data);
        return;
    }
    if (conn->state != CONN_HTTP)
        return;
    if (buf_len(&conn->inbox) > 0) {
        buf_append_str(&conn->inbox, data);
        conn_process(conn);
        return;
    }
    conn->is_processing = true;
    size_t used = conn_consume(conn, data);
    conn->is_processing = false;
    if (used < data.len)
        buf_append(&conn->inbox, data.data + used, data.len - used);
    conn_settle(conn);
}

/* Writing */

bool conn_send(struct conn *conn, const struct iovec *iov, unsigned count)
{
    if (count == 0 || stream_write(&conn->stream, iov, count) == 0)
        return true;
    conn_close(conn, false);
    return false;
}

static void on_drain(struct stream *stream)
{
    struct conn *conn = of_stream(stream);

    if (conn->state == CONN_TUNNEL)
        tunnel_client_drained(conn->exchange);
    else if (conn->state == CONN_LINGER && conn->has_ended)
        conn_close(conn, false);
    else if (conn->exchange != NULL)
        relay_client_drained(conn->exchange);
    else
        conn_process(conn);
    conn_watch(conn);
}

static void on_error(struct stream *stream, int status)
{
    (void)status;
    conn_close(of_stream(stream), false);
}

/* Life cycle */

static void on_close(struct stream *stream)
{
    struct conn *conn = of_stream(stream);
    struct worker *worker = conn->worker;

    buf_deinit(&conn->inbox);
    mem_free(conn);
    worker->conn_count--;
    worker_note_closed(worker);
}

static const struct stream_ops conn_ops = {
    .on_connect = on_connect,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

/* No room: says so as far as one write goes, and leaves the rest to the kernel. With TLS saying so
 * would take the handshake for which there is no room. */
static void turn_away(struct worker *worker, const struct listener *listener, int fd)
{
    struct buf answer = BUF_EMPTY;

    if (worker->adopted->snapshot->keys[listener - worker->listeners] == NULL) {
        reply_overloaded(&answer);
        struct str bytes = buf_str(&answer);
        (void)!send(fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        buf_deinit(&answer);
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

/* A place among all workers' client connections, or none. */
static bool take_place(struct worker_shared *common)
{
    if (atomic_fetch_add_explicit(&common->connections, 1, memory_order_relaxed) <
        common->connections_max)
        return true;
    atomic_fetch_sub_explicit(&common->connections, 1, memory_order_relaxed);
    return false;
}

void conn_accept(struct worker *worker, struct listener *listener, int fd,
                 const struct addr *client)
{
    if (!take_place(worker->common)) {
        counter_add(&worker->counters->refused[5], 1);
        turn_away(worker, listener, fd);
        return;
    }
    struct conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->worker = worker;
    conn->listener = (unsigned)(listener - worker->listeners);
    set_client(conn, client, &listener->address);
    list_init(&conn->node);
    list_push_back(&worker->conns, &conn->node);
    deadline_init(&conn->deadline);
    parser_init(&conn->parser, PARSER_REQUEST);
    worker->conn_count++;
    counter_add(&worker->counters->connections, 1);
    counter_add(&worker->counters->connections_total, 1);

    CHECK(stream_init(&conn->stream, &worker->loop, &conn_ops) == 0);
    if (stream_open(&conn->stream, fd) != 0) {
        close(fd);
        conn_close(conn, false);
        return;
    }
    if (!worker_config(worker)->listen[conn->listener].proxy_protocol)
        begin_http(conn);
    conn_watch(conn);
    stream_start(&conn->stream);
}

void conn_end(struct conn *conn)
{
    bool client_is_done =
        conn->has_ended || (!conn->ends_after_answer && buf_len(&conn->inbox) == 0);

    /* Closing at once is right only when nothing more can come from the client: unread bytes would
     * turn our FIN into a RST that may overtake the answer. */
    if (stream_pending(&conn->stream) == 0 && client_is_done) {
        conn_close(conn, false);
        return;
    }
    conn->state = CONN_LINGER;
    buf_deinit(&conn->inbox);
    stream_shutdown(&conn->stream);
    stream_resume(&conn->stream);
    conn_watch(conn);
}

void conn_exchange_done(struct conn *conn, bool keep_alive)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->had_request = true;
    if (!keep_alive || conn->ends_after_answer || conn->worker->is_draining)
        conn_end(conn);
    else if (buf_len(&conn->inbox) > 0 || conn->has_ended)
        conn_process(conn);
    else
        conn_watch(conn);
}

struct buf conn_become_tunnel(struct conn *conn)
{
    struct buf rest = conn->inbox;

    buf_init(&conn->inbox);
    conn->state = CONN_TUNNEL;
    stream_resume(&conn->stream);
    conn_watch(conn);
    return rest;
}

void conn_close(struct conn *conn, bool reset)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    conn_watch(conn);
    list_remove(&conn->node);
    if (conn->stream.is_shaking && stream_tls_has_begun(&conn->stream))
        counter_add(&conn->worker->counters->handshakes[HANDSHAKE_FAILED], 1);
    if (conn->exchange != NULL)
        exchange_abort(conn->exchange, OUTCOME_CLIENT_GONE);
    counter_sub(&conn->worker->counters->connections, 1);
    atomic_fetch_sub_explicit(&conn->worker->common->connections, 1, memory_order_relaxed);
    if (reset)
        stream_reset(&conn->stream);
    else
        stream_close(&conn->stream);
}

bool conn_is_idle(const struct conn *conn)
{
    return conn->state == CONN_HTTP && conn->exchange == NULL && conn->had_request &&
           buf_len(&conn->inbox) == 0;
}
