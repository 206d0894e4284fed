/*
 * tunnel.c - a byte pipe in both directions, on the two sockets that an exchange leaves behind.
 *
 *     client bytes --write--> server      while the server is behind, the client is not read
 *     server bytes --write--> client      and the other way round
 *     FIN of one ----FIN----> the other   behind all bytes before it
 *
 * Over when both have sent FIN and everything is on its way, or when either has failed.
 */
#include "proxy/tunnel.h"

#include "proxy/attempt.h"

/* Moves one run of bytes; the source waits while the sink is behind. 0 or UV_E*. */
static int pass(struct stream *from, struct stream *to, struct str data)
{
    struct iovec iov = {.iov_base = (char *)data.data, .iov_len = data.len};
    int status = data.len == 0 ? 0 : stream_write(to, &iov, 1);

    if (status == 0 && stream_is_congested(to))
        stream_pause(from);
    return status;
}

/* Failed: both ends are cut with RST, so that neither takes what it has for all there was. */
static void tunnel_end(struct exchange *exchange, bool failed)
{
    if (!failed)
        attempt_done(exchange, OUTCOME_TUNNEL, false);
    exchange->keep_alive = false;
    exchange_finish(exchange, OUTCOME_TUNNEL, failed);
}

/* After every event: the end, or more time. What the client has not taken yet conn_end waits for.
 */
static void tunnel_settle(struct exchange *exchange, int status)
{
    if (status != 0)
        tunnel_end(exchange, true);
    else if (exchange->tunnel_client_ended && exchange->tunnel_server_ended &&
             stream_pending(&exchange->upstream->stream) == 0)
        tunnel_end(exchange, false);
    else
        conn_progress(exchange->conn);
}

void tunnel_start(struct exchange *exchange, struct str early)
{
    struct conn *conn = exchange->conn;
    struct upstream *upstream = exchange->upstream;

    exchange->state = EXCHANGE_TUNNEL;
    exchange->is_tunnel = true;
    message_trim(&exchange->request);
    exchange_watch(exchange, false);
    counter_add(&conn->worker->counters->tunnels[exchange->decision.side], 1);

    /* What the client sent behind its request, before it could know of the 101. */
    struct buf waiting = conn_become_tunnel(conn);
    exchange->received_bytes += buf_len(&waiting);
    exchange->sent_bytes += early.len;
    int status = pass(&upstream->stream, &conn->stream, early);
    if (status == 0)
        status = pass(&conn->stream, &upstream->stream, buf_str(&waiting));
    buf_deinit(&waiting);
    if (status == 0 && conn->has_ended)
        tunnel_on_client(exchange, STR(""), 0);
    else
        tunnel_settle(exchange, status);
}

void tunnel_on_client(struct exchange *exchange, struct str data, int status)
{
    struct upstream *upstream = exchange->upstream;

    exchange->received_bytes += data.len;
    if (status == 0 && data.len == 0) {
        exchange->tunnel_client_ended = true;
        stream_shutdown(&upstream->stream);
    } else if (status == 0) {
        status = pass(&exchange->conn->stream, &upstream->stream, data);
    }
    tunnel_settle(exchange, status);
}

void tunnel_on_server(struct exchange *exchange, struct str data, int status)
{
    struct conn *conn = exchange->conn;

    exchange->sent_bytes += data.len;
    if (status == 0 && data.len == 0) {
        exchange->tunnel_server_ended = true;
        stream_shutdown(&conn->stream);
    } else if (status == 0) {
        status = pass(&exchange->upstream->stream, &conn->stream, data);
    }
    tunnel_settle(exchange, status);
}

void tunnel_client_drained(struct exchange *exchange)
{
    stream_resume(&exchange->upstream->stream);
    tunnel_settle(exchange, 0);
}

void tunnel_server_drained(struct exchange *exchange)
{
    stream_resume(&exchange->conn->stream);
    tunnel_settle(exchange, 0);
}

void tunnel_on_idle(struct exchange *exchange)
{
    tunnel_end(exchange, false);
}
