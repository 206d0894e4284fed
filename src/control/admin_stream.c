/*
 * admin_stream.c - a connection that follows the events (text/event-stream):
 *
 *     events_add -> on_event -> out -> stream, one write at a time
 *
 * What has not left yet is bounded: a client that does not read is let go, and finds what it missed
 * with Last-Event-ID when it comes back.
 */
#include "control/admin_stream.h"

#include <inttypes.h>

#include "base/clock.h"
#include "http/writer.h"

#define HEARTBEAT_MS  15000
#define OUT_MAX_BYTES (512 * 1024)

void admin_stream_flush(struct admin_conn *conn)
{
    if (stream_pending(&conn->stream) > 0 || buf_len(&conn->out) == 0)
        return;
    if (admin_conn_send(conn) < 0)
        admin_conn_close(conn);
}

static void append_event(struct buf *out, const struct event *event)
{
    struct json json;
    buf_printf(out, "id: %" PRIu64 "\nevent: %s\ndata: ", event->id, event->what);
    json_init(&json, out);
    event_write(event, &json, NULL);
    buf_append_str(out, STR("\n\n"));
}

static void on_event(struct event_follower *follower, const struct event *event)
{
    struct admin_conn *conn = CONTAINER_OF(follower, struct admin_conn, follower);
    append_event(&conn->out, event);
    if (buf_len(&conn->out) > OUT_MAX_BYTES) {
        admin_conn_close(conn);
        return;
    }
    admin_stream_flush(conn);
}

void admin_stream_start(struct admin_conn *conn, uint64_t after)
{
    const struct events *events = &conn->admin->controller->events;
    char date[WRITER_DATE_BYTES];
    conn->state = ADMIN_STREAM;
    conn->admin->stream_count++;
    writer_date(clock_wall_ms(), date);
    buf_printf(&conn->out,
               "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n"
               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
               "Connection: close\r\n\r\n: following\n\n",
               date);
    for (uint64_t id = after + 1; id < events->next_id; id++) {
        const struct event *event = events_get(events, id);
        if (event != NULL)
            append_event(&conn->out, event);
    }
    conn->follower.on_event = on_event;
    events_follow(&conn->admin->controller->events, &conn->follower);
    admin_conn_arm(conn, HEARTBEAT_MS);
    admin_stream_flush(conn);
}

void admin_stream_tick(struct admin_conn *conn)
{
    size_t left = stream_pending(&conn->stream);
    if (left > 0 && left >= conn->unsent) {
        admin_conn_close(conn); /* took nothing for a whole heartbeat */
        return;
    }
    conn->unsent = left;
    buf_append_str(&conn->out, STR(": still here\n\n"));
    admin_conn_arm(conn, HEARTBEAT_MS);
    admin_stream_flush(conn);
}

void admin_stream_stop(struct admin_conn *conn)
{
    event_follower_stop(&conn->follower);
    conn->admin->stream_count--;
}
