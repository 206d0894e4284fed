/*
 * conn.c - a client connection: bytes in, requests out, one exchange at a time. How it came to be
 * one stands in conn_accept.c.
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
#include "conn_accept.h"

#include "base/check.h"
#include "proxy/exchange.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"

#define INBOX_HIGH_BYTES (64 * 1024)

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
    if (clock == CLOCK_BODY && conn->exchange != NULL) {
        conn->body_before = conn->exchange->received_bytes;
        conn->answer_before = conn->exchange->sent_bytes;
    }
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

/* What of a body is to come before its clock starts anew: limits.body_rate for as long as the clock
 * runs. Once the answer has begun the two are talking, at a pace of their own: any byte will do. */
static uint64_t body_quota(const struct conn *conn)
{
    const struct config *config = worker_config(conn->worker);

    if (conn->exchange->status != 0)
        return 0;
    return config->limits.body_rate * config->timeouts.client_body / 1000;
}

static void body_progress(struct conn *conn)
{
    if (conn->clock == CLOCK_BODY && conn->exchange != NULL &&
        conn->exchange->received_bytes - conn->body_before >= body_quota(conn))
        set_clock(conn, CLOCK_BODY);
}

void conn_progress(struct conn *conn)
{
    if (conn->clock == CLOCK_TUNNEL)
        set_clock(conn, CLOCK_TUNNEL);
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
        /* Who is being told no, or enough, rightly sends no more. */
        if (conn->exchange->sent_bytes > conn->answer_before)
            set_clock(conn, CLOCK_BODY);
        else
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

/* Whether the request line has ended. A CRLF may come before it. */
static bool has_request_line(struct str front)
{
    return str_find_char(front, '\n', str_starts_with(front, STR("\r\n")) ? 2 : 0) >= 0;
}

/*
 * The rest of the head is still to come, but what its first line says is known: HTTP/0.9, another
 * protocol and noise are told so, instead of being waited for. 0: wait.
 */
static size_t judge_line(struct conn *conn, struct str data)
{
    if (conn->has_line || !has_request_line(data))
        return 0;
    conn->has_line = true;
    enum strict_fault fault = strict_request_line(data);
    if (fault == STRICT_OK)
        return 0;
    exchange_refuse_fault(conn, fault);
    return data.len;
}

/* A head at the front of `data`: starts its exchange and returns its length; 0 when it is not
 * complete yet. */
static size_t take_head(struct conn *conn, struct str data)
{
    size_t most = worker_config(conn->worker)->limits.head_bytes;
    size_t len = parser_find_head(data, &conn->searched);

    if (len > most || (len == 0 && data.len > most)) {
        /* When no line has ended in so many bytes, it is the target that is too long. */
        exchange_refuse(conn,
                        has_request_line(str_slice(data, 0, most)) ? OUTCOME_HEAD_TOO_LARGE
                                                                   : OUTCOME_TARGET_TOO_LONG,
                        NULL);
        return data.len;
    }
    if (len == 0)
        return judge_line(conn, data);
    conn->searched = 0;
    conn->has_line = false;
    conn->requests++;
    conn->behind = str_slice(data, len, data.len);
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
        conn->behind = str_slice(data, used_all, data.len);
        relay_request(conn->exchange, &slices, result == PARSE_DONE);
    }
    if (used_all > 0)
        body_progress(conn);
    return used_all;
}

/* Uses what can be used of the front of `data`; returns how much that was. */
static size_t conn_consume(struct conn *conn, struct str data)
{
    size_t used_all = 0;

    while (conn->state == CONN_HTTP && used_all < data.len) {
        struct str rest = str_slice(data, used_all, data.len);
        size_t used = 0;

        conn->behind = rest;
        if (conn->exchange != NULL)
            used = feed_body(conn, rest);
        else if (!conn_is_congested(conn))
            used = take_head(conn, rest);
        if (used == 0)
            break;
        used_all += used;
    }
    /* A head whose body has not come yet waits no longer; nor does that of another attempt, when
     * the first connection was dead. */
    while (conn->exchange != NULL && conn->state == CONN_HTTP && !relay_flush(conn->exchange))
        ;
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
         * middle of a body ends everything, and half an answer must not look whole. */
        if (is_over(conn) && conn->exchange != NULL)
            conn_close(conn, conn->exchange->status != 0);
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

static void on_read(struct stream *stream, struct str data, int status)
{
    struct conn *conn = conn_of_stream(stream);

    if (data.len == 0) {
        on_end(conn, status);
        return;
    }
    if (conn->state == CONN_TUNNEL) {
        tunnel_on_client(conn->exchange, data, 0);
        return;
    }
    if (conn->state == CONN_PREFACE) {
        conn_read_preface(conn, data);
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
    struct conn *conn = conn_of_stream(stream);

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
    conn_close(conn_of_stream(stream), false);
}

/* Life cycle */

static void on_close(struct stream *stream)
{
    struct conn *conn = conn_of_stream(stream);
    struct worker *worker = conn->worker;

    buf_deinit(&conn->inbox);
    mem_free(conn);
    worker->conn_count--;
    worker_note_closed(worker);
}

const struct stream_ops conn_ops = {
    .on_connect = conn_on_tls,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

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
    /* What comes next, a request or its body, has all of its time, also behind an answer that was
     * made within one call. */
    if (conn->clock != CLOCK_WRITE)
        set_clock(conn, CLOCK_NONE);
    /* It is we who end it: what the client has on its way must not reset the answer. */
    if (!keep_alive && !conn_may_keep(conn))
        conn->ends_after_answer = true;
    if (!keep_alive || conn->ends_after_answer || conn->worker->is_draining)
        conn_end(conn);
    else if (buf_len(&conn->inbox) > 0 || conn->has_ended)
        conn_process(conn);
    else
        conn_watch(conn);
}

bool conn_may_keep(const struct conn *conn)
{
    unsigned most = worker_config(conn->worker)->limits.requests_per_connection;
    struct str waiting = conn->is_processing ? conn->behind : buf_str(&conn->inbox);
    size_t searched = 0;

    if (most == 0 || conn->requests < most)
        return true;
    return conn->requests / 2 < most && parser_find_head(waiting, &searched) > 0;
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
    conn_give_place(conn);
    if (reset)
        stream_reset(&conn->stream);
    else
        stream_close(&conn->stream);
}

bool conn_is_idle(const struct conn *conn)
{
    return conn->state == CONN_HTTP && conn->exchange == NULL && conn->had_request &&
           !has_head_bytes(conn);
}
