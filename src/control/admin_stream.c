/*
 * admin_stream.c - a connection that follows the events or the status (text/event-stream):
 *
 *     events_add -> on_event -----+
 *     admin_feed -----------------+-> admin_stream_push -> out -> stream, one write at a time
 *
 * What has not left yet is bounded: a client that does not read is let go. One that follows the
 * events finds what it missed with Last-Event-ID when it comes back.
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

void admin_stream_push(struct admin_conn *conn, struct str frames)
{
    buf_append_str(&conn->out, frames);
    if (buf_len(&conn->out) > OUT_MAX_BYTES)
        admin_conn_close(conn);
    else
        admin_stream_flush(conn);
}

static void append_head(struct buf *out)
{
    char date[WRITER_DATE_BYTES];
    writer_date(clock_wall_ms(), date);
    buf_printf(out,
               "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/event-stream\r\n"
               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
               "Cross-Origin-Resource-Policy: same-origin\r\n"
               "Connection: close\r\n\r\n: following\n\n",
               date);
}

/* The events */

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
    struct buf frame = BUF_EMPTY;
    append_event(&frame, event);
    admin_stream_push(CONTAINER_OF(follower, struct admin_conn, follower), buf_str(&frame));
    buf_deinit(&frame);
}

static void follow_events(struct admin_conn *conn, uint64_t after)
{
    struct events *events = &conn->admin->controller->events;
    for (uint64_t id = after + 1; id < events->next_id; id++) {
        const struct event *event = events_get(events, id);
        if (event != NULL)
            append_event(&conn->out, event);
    }
    conn->follower.on_event = on_event;
    events_follow(events, &conn->follower);
    admin_stream_flush(conn);
}

/* Both */

void admin_stream_start(struct admin_conn *conn, const struct admin_answer *answer)
{
    conn->state = ADMIN_STREAM;
    conn->admin->stream_count++;
    list_init(&conn->follower.node);
    append_head(&conn->out);
    admin_conn_arm(conn, HEARTBEAT_MS);
    if (answer->stream_status)
        admin_feed_join(conn);
    else
        follow_events(conn, answer->stream_after);
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
    if (conn->follows_status)
        admin_feed_leave(conn);
    conn->admin->stream_count--;
}
