/*
 * admin_conn.c - the libuv side of a connection: what came goes into `in` and is given to
 * admin_request_run, what is to be said stands in `out` (states drawn in admin_conn.h).
 *
 * Every answer that ends a connection is followed by a half-close and a short while of reading and
 * throwing away: closing at once on a client that still sends would reset the connection, and the
 * client would never see why it was refused.
 */
#include "control/admin_conn.h"

#include <stdio.h>

#include "base/check.h"
#include "control/admin_request.h"
#include "control/admin_stream.h"

#define READ_BYTES       16384
#define IDLE_MS          30000 /* kept, with no request under way */
#define LINGER_MS        5000
#define WIND_UP_MS       1000
#define OVER_LIMIT_EXTRA 32 /* connections beyond the limit that still get their 503 */

static void on_deadline(uv_timer_t *timer);

/* The end */

static void on_closed(uv_handle_t *handle)
{
    struct admin_conn *conn = handle->data;
    if (--conn->open_handles > 0)
        return;
    list_remove(&conn->node);
    conn->admin->conn_count--;
    buf_deinit(&conn->in);
    buf_deinit(&conn->head);
    buf_deinit(&conn->body);
    buf_deinit(&conn->out);
    buf_deinit(&conn->sending);
    message_deinit(&conn->message);
    mem_free(conn);
}

void admin_conn_close(struct admin_conn *conn)
{
    if (conn->state == ADMIN_CLOSED)
        return;
    if (conn->state == ADMIN_STREAM)
        admin_stream_stop(conn);
    conn->state = ADMIN_CLOSED;
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
    uv_close((uv_handle_t *)&conn->timer, on_closed);
}

void admin_conn_wind_up(struct admin_conn *conn)
{
    if (conn->state != ADMIN_WRITE) {
        admin_conn_close(conn);
        return;
    }
    conn->keep_alive = false;
    admin_conn_arm(conn, WIND_UP_MS);
}

void admin_conn_arm(struct admin_conn *conn, uint64_t timeout_ms)
{
    uv_update_time(conn->timer.loop); /* a call may have waited for the disk */
    CHECK(uv_timer_start(&conn->timer, on_deadline, timeout_ms, 0) == 0);
}

/* Reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *space)
{
    struct admin_conn *conn = handle->data;
    (void)suggested;
    *space = uv_buf_init(buf_reserve(&conn->in, READ_BYTES), READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *space)
{
    struct admin_conn *conn = stream->data;
    (void)space;
    if (size < 0) {
        admin_conn_close(conn);
        return;
    }
    if (conn->state == ADMIN_READ_HEAD && size > 0 && buf_len(&conn->in) == 0)
        admin_conn_arm(conn, ADMIN_REQUEST_MS); /* idle until now */
    buf_commit(&conn->in, (size_t)size);
    if (conn->state == ADMIN_LINGER || conn->state == ADMIN_STREAM)
        buf_clear(&conn->in);
    else if (size > 0)
        admin_request_run(conn);
}

static void read_on(struct admin_conn *conn)
{
    int status = uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    if (status < 0 && status != UV_EALREADY)
        admin_conn_close(conn);
}

/* Writing */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct admin_conn *conn = shutdown->data;
    if (status < 0)
        admin_conn_close(conn);
}

static void linger(struct admin_conn *conn)
{
    conn->state = ADMIN_LINGER;
    buf_clear(&conn->in);
    conn->shutdown.data = conn;
    if (uv_shutdown(&conn->shutdown, (uv_stream_t *)&conn->tcp, on_shutdown) < 0) {
        admin_conn_close(conn);
        return;
    }
    admin_conn_arm(conn, conn->admin->is_stopping ? WIND_UP_MS : LINGER_MS);
    read_on(conn);
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
    read_on(conn);
    admin_request_run(conn);
}

static void on_written(uv_write_t *write, int status)
{
    struct admin_conn *conn = write->data;
    conn->is_writing = false;
    buf_deinit(&conn->sending);
    if (conn->state != ADMIN_WRITE)
        return;
    if (status < 0)
        admin_conn_close(conn);
    else if (conn->keep_alive)
        next_request(conn);
    else
        linger(conn);
}

void admin_conn_write(struct admin_conn *conn)
{
    conn->state = ADMIN_WRITE;
    conn->sending = conn->out;
    buf_init(&conn->out);
    struct str bytes = buf_str(&conn->sending);
    uv_buf_t vector = uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.len);
    conn->write.data = conn;
    conn->is_writing = true;
    uv_read_stop((uv_stream_t *)&conn->tcp);
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &vector, 1, on_written) < 0) {
        admin_conn_close(conn);
        return;
    }
    conn->unsent = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
    admin_conn_arm(conn, ADMIN_REQUEST_MS);
}

/* Deadlines */

/* A slow reader is fine as long as it reads. */
static bool write_makes_progress(struct admin_conn *conn)
{
    size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
    bool moved = left < conn->unsent;
    conn->unsent = left;
    return moved && !conn->admin->is_stopping;
}

static void on_deadline(uv_timer_t *timer)
{
    struct admin_conn *conn = timer->data;
    bool is_partial = buf_len(&conn->in) > 0 || conn->state == ADMIN_READ_BODY;
    if (conn->state == ADMIN_WAIT)
        admin_conn_write(conn);
    else if (conn->state == ADMIN_STREAM)
        admin_stream_tick(conn);
    else if (conn->state == ADMIN_WRITE && write_makes_progress(conn))
        admin_conn_arm(conn, ADMIN_REQUEST_MS);
    else if (conn->state <= ADMIN_READ_BODY && is_partial)
        admin_request_refuse(conn, 408, "timeout", "the request did not arrive in time");
    else
        admin_conn_close(conn);
}

/* The beginning */

static void note_peer(struct admin_conn *conn)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    int len = sizeof(storage);
    uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&storage, &len);
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
    CHECK(uv_tcp_init(admin->controller->loop, &conn->tcp) == 0);
    CHECK(uv_timer_init(admin->controller->loop, &conn->timer) == 0);
    conn->tcp.data = conn;
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
    bool is_over = admin->conn_count > ADMIN_CONNECTIONS_MAX;
    if (uv_accept((uv_stream_t *)&admin->listener, (uv_stream_t *)&conn->tcp) < 0 ||
        admin->conn_count > ADMIN_CONNECTIONS_MAX + OVER_LIMIT_EXTRA) {
        admin_conn_close(conn);
        return;
    }
    note_peer(conn);
    uv_tcp_nodelay(&conn->tcp, 1);
    if (is_over) {
        admin_request_refuse(conn, 503, control_result_code(CONTROL_BUSY),
                             "too many admin connections");
        return;
    }
    admin_conn_arm(conn, ADMIN_REQUEST_MS);
    read_on(conn);
}
