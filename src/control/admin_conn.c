/*
 * admin_conn.c - the stream's side of a connection: what came goes into `in` and is given to
 * admin_request_run, what is to be said stands in `out` (states drawn in admin_conn.h).
 *
 * Every answer that ends a connection is followed by a half-close and a short while of reading and
 * throwing away: closing at once on a client that still sends would reset the connection, and the
 * client would never see why it was refused.
 */
#include "control/admin_conn.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/admin_request.h"
#include "control/admin_stream.h"
#include "control/certificates.h"

#define IDLE_MS          30000 /* kept, with no request under way */
#define LINGER_MS        5000
#define WIND_UP_MS       1000
#define OVER_LIMIT_EXTRA 32 /* connections beyond the limit that still get their 503 */

/* A deadline that comes later than this: the machine stood still, and what it waits for may be here
 * already, unread. */
#define LATE_MS 500

static void on_deadline(uv_timer_t *timer);

static struct admin_conn *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct admin_conn, stream);
}

/* The end */

static void free_when_closed(struct admin_conn *conn)
{
    if (--conn->open_handles > 0)
        return;
    list_remove(&conn->node);
    conn->admin->conn_count--;
    buf_deinit(&conn->in);
    buf_deinit(&conn->head);
    buf_deinit(&conn->body);
    buf_deinit(&conn->out);
    message_deinit(&conn->message);
    mem_free(conn);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

static void on_close(struct stream *stream)
{
    free_when_closed(of_stream(stream));
}

void admin_conn_close(struct admin_conn *conn)
{
    if (conn->state == ADMIN_CLOSED)
        return;
    if (conn->state == ADMIN_STREAM)
        admin_stream_stop(conn);
    conn->state = ADMIN_CLOSED;
    stream_close(&conn->stream);
    uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
}

void admin_conn_wind_up(struct admin_conn *conn)
{
    if (conn->state != ADMIN_WRITE) {
        admin_conn_close(conn);
        return;
    }
    conn->keep_alive = false;
    admin_conn_arm(conn, stream_pending(&conn->stream) > 0 ? WIND_UP_MS : 0);
}

void admin_conn_arm(struct admin_conn *conn, uint64_t timeout_ms)
{
    conn->due_ms = clock_mono_ms() + timeout_ms;
    uv_update_time(conn->timer.loop); /* a call may have waited for the disk */
    CHECK(uv_timer_start(&conn->timer, on_deadline, timeout_ms, 0) == 0);
}

/* Reading */

static void on_read(struct stream *stream, struct str data, int status)
{
    struct admin_conn *conn = of_stream(stream);
    bool is_answering = conn->state == ADMIN_WAIT || conn->state == ADMIN_WRITE;
    if (data.len == 0 && status == 0 && is_answering) {
        conn->has_ended = true; /* TLS: said together with the request */
        return;
    }
    if (data.len == 0) {
        admin_conn_close(conn);
        return;
    }
    if (conn->state == ADMIN_LINGER || conn->state == ADMIN_STREAM)
        return;
    if (conn->state == ADMIN_READ_HEAD && buf_len(&conn->in) == 0)
        admin_conn_arm(conn, ADMIN_REQUEST_MS); /* idle until now */
    buf_append_str(&conn->in, data);
    admin_request_run(conn);
}

/* Writing */

static void linger(struct admin_conn *conn)
{
    conn->state = ADMIN_LINGER;
    buf_clear(&conn->in);
    stream_shutdown(&conn->stream);
    admin_conn_arm(conn, conn->admin->is_stopping ? WIND_UP_MS : LINGER_MS);
    stream_resume(&conn->stream);
}

/* The next request begins; it may be in `in` already. */
static void next_request(struct admin_conn *conn)
{
    conn->state = ADMIN_READ_HEAD;
    conn->searched = 0;
    conn->message.method = STR(""); /* its view ends with the head */
    buf_deinit(&conn->head);
    buf_deinit(&conn->body);
    admin_conn_arm(conn, buf_len(&conn->in) > 0 ? ADMIN_REQUEST_MS : IDLE_MS);
    stream_resume(&conn->stream);
    admin_request_run(conn);
}

static void answer_is_out(struct admin_conn *conn)
{
    bool has_more = conn->keep_alive && (!conn->has_ended || buf_len(&conn->in) > 0);
    if (has_more)
        next_request(conn);
    else if (conn->has_ended)
        admin_conn_close(conn);
    else
        linger(conn);
}

int admin_conn_send(struct admin_conn *conn)
{
    struct str bytes = buf_str(&conn->out);
    struct iovec iov = {.iov_base = (char *)(uintptr_t)bytes.data, .iov_len = bytes.len};
    int status = stream_write(&conn->stream, &iov, 1);
    buf_deinit(&conn->out);
    conn->unsent = stream_pending(&conn->stream);
    return status;
}

void admin_conn_write(struct admin_conn *conn)
{
    conn->state = ADMIN_WRITE;
    stream_pause(&conn->stream);
    if (admin_conn_send(conn) < 0) {
        admin_conn_close(conn);
        return;
    }
    /* Also an answer that is out by now waits for the loop's next turn: requests that were sent
     * ahead neither nest nor keep others waiting. */
    admin_conn_arm(conn, conn->unsent > 0 ? ADMIN_REQUEST_MS : 0);
}

static void on_drain(struct stream *stream)
{
    struct admin_conn *conn = of_stream(stream);
    if (conn->state == ADMIN_WRITE)
        answer_is_out(conn);
    else if (conn->state == ADMIN_STREAM)
        admin_stream_flush(conn);
}

static void on_error(struct stream *stream, int status)
{
    (void)status;
    admin_conn_close(of_stream(stream));
}

/* Deadlines */

/* A slow reader is fine as long as it reads. */
static bool write_makes_progress(struct admin_conn *conn)
{
    size_t left = stream_pending(&conn->stream);
    bool moved = left < conn->unsent;
    conn->unsent = left;
    return moved && !conn->admin->is_stopping;
}

static void on_deadline(uv_timer_t *timer)
{
    struct admin_conn *conn = timer->data;
    bool is_partial = buf_len(&conn->in) > 0 || conn->state == ADMIN_READ_BODY;
    if (clock_mono_ms() > conn->due_ms + LATE_MS)
        admin_conn_arm(conn, LATE_MS);
    else if (conn->state == ADMIN_WAIT)
        admin_conn_write(conn);
    else if (conn->state == ADMIN_STREAM)
        admin_stream_tick(conn);
    else if (conn->state == ADMIN_WRITE && stream_pending(&conn->stream) == 0)
        answer_is_out(conn);
    else if (conn->state == ADMIN_WRITE && write_makes_progress(conn))
        admin_conn_arm(conn, ADMIN_REQUEST_MS);
    else if (conn->state <= ADMIN_READ_BODY && is_partial)
        admin_request_refuse(conn, 408, "timeout", "the request did not arrive in time");
    else
        admin_conn_close(conn);
}

/* The beginning */

static void refuse_when_full(struct admin_conn *conn)
{
    if (conn->is_over_limit)
        admin_request_refuse(conn, 503, control_result_code(CONTROL_BUSY),
                             "too many admin connections");
}

/* Who connects and goes away again has not failed at anything. */
static void on_connect(struct stream *stream, int status)
{
    struct admin_conn *conn = of_stream(stream);
    if (status == 0) {
        refuse_when_full(conn);
        return;
    }
    if (stream_tls_fault(stream) != TLS_FINE) {
        log_event(LOG_WARN, "admin TLS handshake failed", LOG_TEXT("peer", conn->peer),
                  LOG_TEXT("reason", stream_tls_error(stream)));
    }
    admin_conn_close(conn);
}

static const struct stream_ops conn_ops = {
    .on_connect = on_connect,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

static void note_peer(struct admin_conn *conn)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    int len = sizeof(storage);
    uv_tcp_getpeername(&conn->stream.tcp, (struct sockaddr *)&storage, &len);
    struct addr addr = addr_from_sockaddr((const struct sockaddr *)&storage);
    if (addr.any.sa_family == AF_UNSPEC) {
        snprintf(conn->peer, sizeof(conn->peer), "unknown"); /* gone again already */
        return;
    }
    addr_format_ip(&addr, conn->peer);
}

static struct admin_conn *conn_new(struct admin *admin)
{
    struct admin_conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->admin = admin;
    CHECK(stream_init(&conn->stream, admin->controller->loop, &conn_ops) == 0);
    CHECK(uv_timer_init(admin->controller->loop, &conn->timer) == 0);
    conn->timer.data = conn;
    conn->open_handles = 2;
    parser_init(&conn->parser, PARSER_REQUEST);
    message_init(&conn->message, ADMIN_FIELDS_MAX);
    list_push_back(&admin->conns, &conn->node);
    admin->conn_count++;
    return conn;
}

void admin_conn_accept(struct admin *admin)
{
    struct admin_conn *conn = conn_new(admin);
    struct tls_keys *keys = certificates_admin(admin->controller->certificates);
    conn->is_over_limit = admin->conn_count > ADMIN_CONNECTIONS_MAX;
    if (uv_accept((uv_stream_t *)&admin->listener, (uv_stream_t *)&conn->stream.tcp) < 0 ||
        admin->conn_count > ADMIN_CONNECTIONS_MAX + OVER_LIMIT_EXTRA) {
        admin_conn_close(conn);
        return;
    }
    note_peer(conn);
    uv_tcp_nodelay(&conn->stream.tcp, 1);
    admin_conn_arm(conn, ADMIN_REQUEST_MS);
    if (keys != NULL)
        stream_serve_tls(&conn->stream, keys);
    stream_start(&conn->stream);
    if (keys == NULL)
        refuse_when_full(conn);
}
