/*
 * conn.c - a client connection: bytes in, requests out, one exchange at a time.
 *
 *     on_read: bytes -> conn_consume -+-> take_head -> exchange_start
 *                ^                    +-> relay_request (body)
 *                |                    +-> nothing can be taken now: rest -> inbox
 *     inbox -----+ conn_process: when an exchange ends, or can take more of its body
 *
 * Reads stay armed during an exchange, so that a client that goes away is noticed; they stop only
 * while more than INBOX_HIGH_BYTES wait.
 */
#include "proxy/conn.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/exchange.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"

#define INBOX_HIGH_BYTES (64 * 1024)

static struct conn *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct conn, stream);
}

static void set_deadline(struct conn *conn, struct deadline_list *list)
{
    deadline_set(&conn->deadline, list, worker_now_ms(conn->worker));
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

/* Uses what can be used of the front of `data`; returns how much that was. */
static size_t conn_consume(struct conn *conn, struct str data)
{
    size_t used_all = 0;

    while (conn->state == CONN_HTTP && used_all < data.len) {
        struct str rest = str_slice(data, used_all, data.len);
        size_t used = 0;

        if (conn->exchange == NULL)
            used = take_head(conn, rest);
        else if (exchange_wants_body(conn->exchange))
            used = relay_request(conn->exchange, rest);
        if (used == 0)
            break;
        used_all += used;
    }
    /* A head whose body has not come yet waits no longer. */
    if (conn->exchange != NULL && conn->state == CONN_HTTP)
        relay_flush(conn->exchange);
    return conn->state == CONN_HTTP || conn->state == CONN_TUNNEL ? used_all : data.len;
}

/* After bytes were used or kept: memory, back-pressure, and what the client is waited for. */
static void conn_settle(struct conn *conn)
{
    if (conn->state != CONN_HTTP)
        return;
    if (buf_len(&conn->inbox) == 0)
        buf_deinit(&conn->inbox);
    if (conn->exchange != NULL) {
        if (conn->has_ended && !conn->exchange->request_done && buf_len(&conn->inbox) == 0)
            conn_close(conn, false);
        else if (buf_len(&conn->inbox) >= INBOX_HIGH_BYTES)
            stream_pause(&conn->stream);
        else
            stream_resume(&conn->stream);
        return;
    }
    if (conn->has_ended) {
        conn_close(conn, false);
        return;
    }
    stream_resume(&conn->stream);
    /* The time for a whole head runs from its first byte, however slowly the others come. */
    if (buf_len(&conn->inbox) > 0 && !conn->head_started) {
        conn->head_started = true;
        set_deadline(conn, &conn->worker->deadlines.client_header);
    }
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
    if (conn->state == CONN_TUNNEL) {
        tunnel_on_client(conn->exchange, STR(""), status);
        return;
    }
    /* FIN behind a whole request is a half-close: its answer is still delivered. */
    if (status != 0 || conn->state == CONN_LINGER || conn->exchange == NULL ||
        (!conn->exchange->request_done && buf_len(&conn->inbox) == 0))
        conn_close(conn, false);
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

static void on_drain(struct stream *stream)
{
    struct conn *conn = of_stream(stream);

    if (conn->state == CONN_LINGER)
        set_deadline(conn, &conn->worker->deadlines.linger);
    else if (conn->state == CONN_TUNNEL)
        tunnel_client_drained(conn->exchange);
    else if (conn->exchange != NULL)
        relay_client_drained(conn->exchange);
}

static void on_error(struct stream *stream, int status)
{
    (void)status;
    conn_close(of_stream(stream), false);
}

/* Deadlines */

void conn_on_header_deadline(struct deadline *deadline)
{
    struct conn *conn = CONTAINER_OF(deadline, struct conn, deadline);

    /* Nothing was sent at all: a pre-opened connection or a port scan, not worth an answer. */
    if (buf_len(&conn->inbox) == 0)
        conn_close(conn, false);
    else
        exchange_refuse(conn, OUTCOME_HEADER_TIMEOUT, NULL);
}

void conn_on_body_deadline(struct deadline *deadline)
{
    struct conn *conn = CONTAINER_OF(deadline, struct conn, deadline);
    size_t pending = stream_pending(&conn->stream);

    if (pending > 0 && pending < conn->pending_before) {
        conn->pending_before = pending;
        set_deadline(conn, &conn->worker->deadlines.client_body);
        return;
    }
    struct exchange *exchange = conn->exchange;
    if (exchange == NULL) {
        conn_close(conn, true);
        return;
    }
    if (pending > 0)
        exchange_finish(exchange, OUTCOME_CLIENT_STALLED, true);
    else if (exchange->status != 0)
        exchange_finish(exchange, OUTCOME_BODY_TIMEOUT, true);
    else
        reply_outcome(exchange, OUTCOME_BODY_TIMEOUT, NULL);
}

void conn_on_idle_deadline(struct deadline *deadline)
{
    conn_close(CONTAINER_OF(deadline, struct conn, deadline), false);
}

void conn_on_tunnel_deadline(struct deadline *deadline)
{
    tunnel_on_idle(CONTAINER_OF(deadline, struct conn, deadline)->exchange);
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
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

/* No room: says so as far as one write goes, and leaves the rest to the kernel. */
static void turn_away(int fd)
{
    struct buf answer = BUF_EMPTY;

    reply_overloaded(&answer);
    struct str bytes = buf_str(&answer);
    (void)!send(fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_deinit(&answer);
    shutdown(fd, SHUT_WR);
    close(fd);
}

void conn_accept(struct worker *worker, struct listener *listener, int fd,
                 const struct addr *client)
{
    struct worker_shared *common = worker->common;

    if (atomic_fetch_add_explicit(&common->connections, 1, memory_order_relaxed) >=
        common->connections_max) {
        atomic_fetch_sub_explicit(&common->connections, 1, memory_order_relaxed);
        counter_add(&worker->counters->refused[5], 1);
        turn_away(fd);
        return;
    }
    struct conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->worker = worker;
    conn->client = *client;
    struct str ip = addr_format_ip(client, conn->client_ip);
    conn->client_ip_len = (unsigned)ip.len;
    snprintf(conn->port, sizeof(conn->port), "%u", addr_port(&listener->address));
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
    set_deadline(conn, &worker->deadlines.client_header);
    stream_start(&conn->stream);
}

/* The last answer is written. Closing at once is right only when nothing more can come from the
 * client: unread bytes would turn our FIN into a RST that may overtake the answer. */
static void conn_end(struct conn *conn)
{
    bool client_is_done = !conn->ends_after_answer && buf_len(&conn->inbox) == 0;

    if (stream_pending(&conn->stream) == 0 && (client_is_done || conn->has_ended)) {
        conn_close(conn, false);
        return;
    }
    conn->state = CONN_LINGER;
    buf_deinit(&conn->inbox);
    conn->pending_before = stream_pending(&conn->stream);
    set_deadline(conn, conn->pending_before > 0 ? &conn->worker->deadlines.client_body
                                                : &conn->worker->deadlines.linger);
    stream_shutdown(&conn->stream);
    stream_resume(&conn->stream);
}

void conn_exchange_done(struct conn *conn, bool keep_alive)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->head_started = false;
    if (!keep_alive || conn->ends_after_answer || conn->worker->is_draining) {
        conn_end(conn);
        return;
    }
    set_deadline(conn, &conn->worker->deadlines.client_idle);
    conn_process(conn);
}

void conn_close(struct conn *conn, bool reset)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    deadline_clear(&conn->deadline);
    list_remove(&conn->node);
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
    return conn->state == CONN_HTTP && conn->exchange == NULL && buf_len(&conn->inbox) == 0;
}
