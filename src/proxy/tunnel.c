/*
 * tunnel.c - a byte pipe in both directions, on the two sockets that an exchange leaves behind.
 *
 *     client bytes --write--> server     congested: the client's reads stop until the server
 * drained server bytes --write--> client     and the other way round FIN of one   --FIN----> the
 * other  both have sent FIN, or either failed: over
 */
#include "proxy/tunnel.h"

#include "proxy/attempt.h"

static void note_progress(struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;

    deadline_set(&exchange->conn->deadline, &worker->deadlines.tunnel_idle, worker_now_ms(worker));
}

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

void tunnel_start(struct exchange *exchange, struct str early)
{
    struct conn *conn = exchange->conn;
    struct upstream *upstream = exchange->upstream;
    struct worker *worker = conn->worker;

    exchange->state = EXCHANGE_TUNNEL;
    conn->state = CONN_TUNNEL;
    deadline_clear(&upstream->deadline);
    note_progress(exchange);
    counter_add(&worker->counters->tunnels[exchange->decision.side], 1);
    exchange->is_tunnel = true;
    exchange->sent_bytes += early.len;
    int status = pass(&upstream->stream, &conn->stream, early);

    /* What the client sent behind its request, before it could know of the 101. */
    struct str waiting = buf_str(&conn->inbox);
    exchange->received_bytes += waiting.len;
    if (status == 0)
        status = pass(&conn->stream, &upstream->stream, waiting);
    buf_deinit(&conn->inbox);
    if (status == 0 && conn->has_ended)
        tunnel_on_client(exchange, STR(""), 0);
    else if (status != 0)
        tunnel_end(exchange, true);
    else
        stream_resume(&conn->stream);
}

void tunnel_on_client(struct exchange *exchange, struct str data, int status)
{
    struct upstream *upstream = exchange->upstream;

    exchange->received_bytes += data.len;
    if (status == 0 && data.len == 0) {
        exchange->tunnel_client_ended = true;
        stream_shutdown(&upstream->stream);
        if (exchange->tunnel_server_ended)
            tunnel_end(exchange, false);
        return;
    }
    if (status == 0)
        status = pass(&exchange->conn->stream, &upstream->stream, data);
    if (status != 0)
        tunnel_end(exchange, true);
    else
        note_progress(exchange);
}

void tunnel_on_server(struct exchange *exchange, struct str data, int status)
{
    struct conn *conn = exchange->conn;

    exchange->sent_bytes += data.len;
    if (status == 0 && data.len == 0) {
        exchange->tunnel_server_ended = true;
        stream_shutdown(&conn->stream);
        if (exchange->tunnel_client_ended)
            tunnel_end(exchange, false);
        return;
    }
    if (status == 0)
        status = pass(&exchange->upstream->stream, &conn->stream, data);
    if (status != 0)
        tunnel_end(exchange, true);
    else
        note_progress(exchange);
}

void tunnel_client_drained(struct exchange *exchange)
{
    note_progress(exchange);
    if (!exchange->tunnel_server_ended)
        stream_resume(&exchange->upstream->stream);
}

void tunnel_server_drained(struct exchange *exchange)
{
    note_progress(exchange);
    if (!exchange->tunnel_client_ended)
        stream_resume(&exchange->conn->stream);
}

void tunnel_on_idle(struct exchange *exchange)
{
    tunnel_end(exchange, false);
}
