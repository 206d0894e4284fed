/*
 * conn_accept.c - how a client gets in: a place, the PROXY header, TLS.
 *
 *     socket --take_place, count_client--> conn -----------------------+-> TLS -> CONN_HTTP
 *        |                                  |  proxy_protocol           |
 *        |                                  +-> CONN_PREFACE -> header -+
 *        +-> turn_away (503)                        |   +-> count_client --> 503
 *                                                   +-> cut: no header
 *
 * Whose connection it is must be known before it is counted for its client: at once, or by the
 * PROXY header. Proxies that we trust (forwarded.trust) are not counted: each is many clients.
 */
#include "conn_accept.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "config/trust.h"
#include "net/proxy_header.h"
#include "proxy/reply.h"

/* Places */

/* A place among all workers' client connections, or none. */
static bool take_place(struct worker *worker)
{
    struct worker_shared *common = worker->common;
    unsigned wanted = worker_config(worker)->limits.connections;
    unsigned most = wanted > 0 ? wanted : common->connections_max;

    if (atomic_load_explicit(&common->short_of_memory, memory_order_relaxed))
        return false;
    if (atomic_fetch_add_explicit(&common->connections, 1, memory_order_relaxed) < most)
        return true;
    atomic_fetch_sub_explicit(&common->connections, 1, memory_order_relaxed);
    if (log_is_due(&common->full_told_ms, worker_now_ms(worker)))
        log_event(LOG_WARN, "connections refused: there are as many as may be (limits.connections)",
                  LOG_U64("connections_max", most));
    return false;
}

/* One of the places of its client. False: there is none left. */
static bool count_client(struct conn *conn)
{
    const struct config *config = worker_config(conn->worker);
    struct worker_shared *common = conn->worker->common;
    unsigned most = config->limits.connections_per_client;

    if (most == 0 || trust_of_address(&config->forwarded, &conn->client) != NULL)
        return true;
    conn->is_tallied = tally_acquire(common->tally, &conn->client, most);
    if (!conn->is_tallied && log_is_due(&common->tally_told_ms, worker_now_ms(conn->worker)))
        log_event(LOG_WARN,
                  "connection refused: too many from one address (limits.connections_per_client)",
                  LOG_STR("from", conn_client_ip(conn)), LOG_TEXT("port", conn->port));
    return conn->is_tallied;
}

void conn_give_place(struct conn *conn)
{
    struct worker_shared *common = conn->worker->common;

    counter_sub(&conn->worker->counters->connections, 1);
    atomic_fetch_sub_explicit(&common->connections, 1, memory_order_relaxed);
    if (conn->is_tallied)
        tally_release(common->tally, &conn->client);
    conn->is_tallied = false;
}

/* No room: what is said about it. With TLS nothing, since that would take the handshake for which
 * there is no room. */
static void write_refusal(struct worker *worker, unsigned listener, struct buf *out)
{
    counter_add(&worker->counters->refused[status_class(503)], 1);
    if (worker->adopted->snapshot->keys[listener] == NULL)
        reply_overloaded(out);
}

/* As far as one write goes; the rest is the kernel's. */
static void turn_away(struct worker *worker, unsigned listener, int fd)
{
    struct buf answer = BUF_EMPTY;

    write_refusal(worker, listener, &answer);
    struct str bytes = buf_str(&answer);
    if (bytes.len > 0)
        (void)!send(fd, bytes.data, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    buf_deinit(&answer);
    shutdown(fd, SHUT_WR);
    close(fd);
}

/* The same, once its PROXY header has been read. It does not linger: others wait for its place. */
static void turn_conn_away(struct conn *conn)
{
    struct buf answer = BUF_EMPTY;

    write_refusal(conn->worker, conn->listener, &answer);
    struct str bytes = buf_str(&answer);
    struct iovec iov = {.iov_base = (char *)bytes.data, .iov_len = bytes.len};
    if (bytes.len > 0)
        (void)!stream_write(&conn->stream, &iov, 1);
    buf_deinit(&answer);
    conn_close(conn, false);
}

/* TLS */

void conn_on_tls(struct stream *stream, int status)
{
    struct conn *conn = conn_of_stream(stream);
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

/* The PROXY header */

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

    if (!log_is_due(&worker->common->preface_told_ms, worker_now_ms(worker)))
        return;
    log_event(LOG_WARN, "connection refused: no valid PROXY header in front (proxy_protocol: true)",
              LOG_STR("from", conn_client_ip(conn)), LOG_TEXT("port", conn->port));
}

/* The header is there, with whose connection it is, and `rest` behind it. */
static void end_preface(struct conn *conn, const struct proxy_header *header, struct str rest)
{
    conn->is_secure = header->is_tls;
    if (header->has_addresses) {
        set_client(conn, &header->source, &header->destination);
        if (!count_client(conn)) {
            turn_conn_away(conn);
            return;
        }
    }
    begin_http(conn);
    if (rest.len > 0)
        stream_feed(&conn->stream, rest);
}

void conn_read_preface(struct conn *conn, struct str data)
{
    struct proxy_header header;
    struct buf received = conn->inbox;
    struct str bytes;

    buf_append_str(&received, data);
    buf_init(&conn->inbox);
    bytes = buf_str(&received);
    switch (proxy_header_read(bytes, &header)) {
    case PROXY_HEADER_MORE:
        conn->inbox = received;
        return;
    case PROXY_HEADER_BAD:
        tell_bad_preface(conn);
        conn_close(conn, true);
        break;
    case PROXY_HEADER_DONE:
        end_preface(conn, &header, str_slice(bytes, header.len, bytes.len));
        break;
    }
    buf_deinit(&received);
}

/* Accepting */

void conn_accept(struct worker *worker, struct listener *listener, int fd,
                 const struct addr *client)
{
    unsigned index = (unsigned)(listener - worker->listeners);

    if (!take_place(worker)) {
        turn_away(worker, index, fd);
        return;
    }
    struct conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->worker = worker;
    conn->listener = index;
    counter_add(&worker->counters->connections, 1);
    set_client(conn, client, &listener->address);
    bool has_preface = worker_config(worker)->listen[conn->listener].proxy_protocol;
    if (!has_preface && !count_client(conn)) {
        conn_give_place(conn);
        mem_free(conn);
        turn_away(worker, index, fd);
        return;
    }
    list_init(&conn->node);
    list_push_back(&worker->conns, &conn->node);
    deadline_init(&conn->deadline);
    parser_init(&conn->parser, PARSER_REQUEST);
    worker->conn_count++;
    counter_add(&worker->counters->connections_total, 1);

    CHECK(stream_init(&conn->stream, &worker->loop, &conn_ops) == 0);
    if (stream_open(&conn->stream, fd) != 0) {
        close(fd);
        conn_close(conn, false);
        return;
    }
    if (!has_preface)
        begin_http(conn);
    conn_watch(conn);
    stream_start(&conn->stream);
}
