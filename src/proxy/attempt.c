/*
 * attempt.c - tries at servers: over which connection, and whether there is another.
 *
 *     attempt_first -> choice.c: a server of the side <-------------+
 *                        | idle connection     | new one            |
 *                        |                     v                    |
 *                        |         attempt_on_connect -- failed --> attempt_failed
 *                        v                     v                    ^   | never: reply, or cut
 *                      send_head --------------------- failed ------+   v
 *                        v
 *                      relay.c
 *
 * What may be tried again (RFC 9110 9.2.2, tightened): a request of which no byte was written, with
 * any method, at another address, server or side; one that died on a kept connection before a byte
 * of the answer, with a safe method, once, at the same server over a new connection. Only a safe
 * method ever reaches a second server, or side, after a first may have seen it. A request of an
 * Engine.IO poll (sid= in its query) belongs to one server, and each delivers something new: it is
 * never sent twice, nor elsewhere once its own server has been tried. What may be tried again goes
 * to the other side at once when a change of the weights has put it there (follow_change).
 */
#include "proxy/attempt.h"

#include "base/clock.h"
#include "config/host.h"
#include "http/forward.h"
#include "http/rewrite.h"
#include "net/shortage.h"
#include "proxy/account.h"
#include "proxy/choice.h"
#include "proxy/relay.h"
#include "proxy/reply.h"

/* How long an idle connection may have been idle when a request must not arrive twice: such a
 * request cannot be sent again when the server closes just then. */
#define UNSAFE_IDLE_MS 2000

/* Addresses of one server that one request tries: each may cost timeouts.connect. */
#define ADDRS_TRIED_MAX 4

/* What only one server knows: Engine.IO's polling requests, once the connection has its id. */
static bool is_bound(const struct exchange *exchange)
{
    return message_has_parameter(&exchange->request, STR("sid"));
}

/* May arrive twice. */
static bool is_repeatable(const struct exchange *exchange)
{
    return method_is_safe(exchange->request.method) && !is_bound(exchange);
}

/* Acquire */

static enum outcome outcome_of_connect(int status, const struct addr *to)
{
    if (shortage_is_ours(status, to))
        return OUTCOME_OVERLOADED;
    switch (status) {
    case UV_ECONNREFUSED:
        return OUTCOME_CONNECT_REFUSED;
    case UV_ETIMEDOUT:
        return OUTCOME_CONNECT_TIMEOUT;
    case UV_EPROTO:
        return OUTCOME_TLS_FAILED;
    default:
        return OUTCOME_CONNECT_FAILED;
    }
}

static void send_head(struct exchange *exchange);

static const struct config_backend *backend_of(const struct exchange *exchange)
{
    return &exchange_config(exchange)->backends[exchange->decision.side];
}

/* The Host that the server is sent. */
static struct str host_for(const struct exchange *exchange)
{
    return host_of_request(backend_of(exchange), exchange->request.authority,
                           str_of(exchange->server->server->authority));
}

static struct str tls_name(const struct exchange *exchange)
{
    return host_tls_name(backend_of(exchange), host_for(exchange),
                         str_of(exchange->server->server->host));
}

/* NULL: the server is reached without TLS. */
static struct tls_trust *trust_for(const struct exchange *exchange)
{
    return exchange->server->server->is_tls
               ? exchange->adopted->snapshot->backends[exchange->decision.side].trust
               : NULL;
}

/* Waits for a place at the server, as long as a connection may take to make. */
static void wait_for_place(struct exchange *exchange)
{
    uint64_t now_ms = worker_now_ms(exchange->conn->worker);

    if (exchange->state != EXCHANGE_WAIT) {
        exchange->state = EXCHANGE_WAIT;
        exchange->wait_until_ms = now_ms + exchange_config(exchange)->timeouts.connect;
        pool_wait(exchange->pool, exchange);
    } else if (now_ms >= exchange->wait_until_ms) {
        reply_outcome(exchange, exchange->is_skewed ? OUTCOME_SKEW : OUTCOME_OVERLOADED, NULL);
    }
}

/* A place for a new connection, for who comes first. */
static bool take_place(const struct exchange *exchange)
{
    const struct pool *pool = exchange->pool;

    return (exchange->state == EXCHANGE_WAIT || list_is_empty(&pool->waiting)) &&
           upstream_take_place(pool->server,
                               exchange_config(exchange)->limits.upstream_connections);
}

static void connect_server(struct exchange *exchange)
{
    const struct snapshot_server *server = exchange->server;
    struct pool *pool = exchange->pool;
    int status;

    if (server->addr_count == 0) {
        upstream_give_place(server->server);
        attempt_failed(exchange, OUTCOME_UNRESOLVED);
        return;
    }
    unsigned index = (exchange->first_addr + exchange->addrs_tried) % server->addr_count;
    exchange->upstream = upstream_connect(pool, exchange, &server->addrs[index],
                                          trust_for(exchange), tls_name(exchange), &status);
    if (exchange->upstream != NULL)
        return;
    if (status == UV_EMFILE || status == UV_ENFILE)
        worker_shed(exchange->conn->worker);
    attempt_failed(exchange, outcome_of_connect(status, &server->addrs[index]));
}

/* The first begins with the request, which saves a look at the clock, unless it had to wait. */
static void note_begin(struct exchange *exchange)
{
    bool is_first = exchange->attempt_ns == 0 && exchange->wait_until_ms == 0;

    exchange->attempt_ns = is_first ? exchange->started_ns : clock_mono_ns();
    exchange->connect_us = 0;
}

/* One that was given up for another side (stop_waiting) is made again: no second retry. */
static void count_attempt(struct exchange *exchange)
{
    exchange->attempts++;
    if (exchange->attempts <= exchange->attempts_counted)
        return;
    exchange->attempts_counted = exchange->attempts;
    if (exchange->attempts > 1)
        counter_add(&exchange->conn->worker->counters->retries[exchange->decision.side], 1);
}

/* One attempt at exchange->server: over an idle connection when that is safe, else over a new one.
 */
static void try_server(struct exchange *exchange)
{
    const struct config *config = exchange_config(exchange);
    bool may_repeat = is_repeatable(exchange);
    uint64_t max_idle_ms = may_repeat ? config->timeouts.upstream_idle : UNSAFE_IDLE_MS;

    exchange->head_sent = false;
    exchange->write_failed = false;
    exchange->detail = NULL;
    if (!exchange->stale_retried &&
        (exchange->state == EXCHANGE_WAIT || list_is_empty(&exchange->pool->waiting)))
        exchange->upstream = pool_acquire(exchange->pool, max_idle_ms, !may_repeat,
                                          trust_for(exchange), tls_name(exchange));
    if (exchange->upstream == NULL && !take_place(exchange)) {
        wait_for_place(exchange);
        return;
    }
    if (exchange->state == EXCHANGE_WAIT)
        pool_wait_end(exchange->pool, exchange);
    note_begin(exchange);
    exchange->state = EXCHANGE_ACQUIRE;
    count_attempt(exchange);
    if (exchange->upstream == NULL) {
        connect_server(exchange);
        return;
    }
    exchange->upstream->exchange = exchange;
    send_head(exchange);
}

void attempt_retry_waiting(struct exchange *exchange)
{
    try_server(exchange);
}

void attempt_first(struct exchange *exchange)
{
    if (choice_server(exchange))
        try_server(exchange);
    else
        reply_outcome(exchange, OUTCOME_NO_SERVER, NULL);
}

/* Send the head */

static bool may_tell_secret(const struct exchange *exchange)
{
    struct str host = host_for(exchange);

    return host_may_have_secret(exchange_config(exchange), backend_of(exchange), host) ||
           stream_tls_covers(&exchange->conn->stream, rewrite_bare_host(host));
}

static void write_request_head(struct exchange *exchange, struct buf *out)
{
    const struct config *config = exchange_config(exchange);
    struct conn *conn = exchange->conn;
    char client_ip[ADDR_TEXT_BYTES];
    struct forward_request forward = {
        .message = &exchange->request,
        .host = host_for(exchange),
        .peer_ip = conn_client_ip(conn),
        .client_ip = exchange->is_trusted ? addr_format_ip(&exchange->client, client_ip)
                                          : conn_client_ip(conn),
        .scheme = exchange->scheme,
        .port = str_of(conn->port),
        .request_id = str_from(exchange->request_id, REQUEST_ID_BYTES),
        .via = str_of(conn->worker->common->via),
        .affinity_cookie = config->sticky.cookie.name,
        .override_header = config->override.header,
        .client_ip_header = config->forwarded.client_ip_header,
        .secret_header = config->forwarded.secret_header,
        .secret = may_tell_secret(exchange) ? config->forwarded.secret : STR(""),
        .trusted = exchange->is_trusted,
        .edge = exchange->edge,
        .upgrade = exchange->request.wants_upgrade,
    };

    buf_clear(out);
    forward_request_head(&forward, out);
}

static void send_head(struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;
    struct upstream *upstream = exchange->upstream;

    write_request_head(exchange, &worker->head);
    struct str head = buf_str(&worker->head);
    exchange->state = EXCHANGE_RELAY;
    if (exchange->request.body == BODY_NONE) {
        struct iovec iov = {.iov_base = (char *)head.data, .iov_len = head.len};
        /* Refused outright: the connection was dead already, and the server has seen nothing. */
        if (stream_write(&upstream->stream, &iov, 1) != 0) {
            attempt_failed(exchange, upstream->is_reused ? OUTCOME_STALE : OUTCOME_CLOSED);
            return;
        }
        exchange->head_sent = true;
        exchange_watch(exchange, true);
        return;
    }
    /* With a body: head and what has come of the body go out in one piece. */
    stream_hold(&upstream->stream, head);
    exchange_watch(exchange, true);
    if ((exchange->received_bytes > 0 || exchange->request_done) && !relay_replay(exchange))
        return;
    conn_process(exchange->conn);
}

void attempt_on_connect(struct exchange *exchange, int status)
{
    const struct stream *stream = &exchange->upstream->stream;

    if (status == 0) {
        exchange->connect_us = (clock_mono_ns() - exchange->attempt_ns) / 1000;
        send_head(exchange);
        return;
    }
    if (status == UV_EPROTO)
        exchange->detail = stream_tls_error(stream);
    attempt_failed(exchange, stream_tls_fault(stream) == TLS_UNTRUSTED
                                 ? OUTCOME_TLS_UNTRUSTED
                                 : outcome_of_connect(status, &exchange->upstream->address));
}

/* Again, or over */

/* Lets go of what it waits for: a connection that is being made, or a place for one. */
static void stop_waiting(struct exchange *exchange)
{
    struct upstream *upstream = exchange->upstream;

    if (exchange->state == EXCHANGE_WAIT)
        pool_wait_end(exchange->pool, exchange);
    exchange->state = EXCHANGE_ACQUIRE;
    if (upstream == NULL)
        return;
    exchange->upstream = NULL;
    exchange->attempts--; /* it has not been one */
    upstream_close(upstream, false);
}

/* To the other side, when a newer snapshot says so. Nothing of the request has been sent, or what
 * has been may be sent again anywhere. */
static bool follow_change(struct exchange *exchange)
{
    struct decision again;

    if (!choice_has_changed(exchange, &again))
        return false;
    stop_waiting(exchange);
    enum outcome refusal = choice_change(exchange, &again);
    if (refusal != OUTCOME_OK)
        reply_outcome(exchange, refusal, NULL);
    else
        attempt_first(exchange);
    return true;
}

void attempt_follow(struct exchange *exchange)
{
    bool is_connecting = exchange->state == EXCHANGE_ACQUIRE && exchange->upstream != NULL;

    if (is_connecting || exchange->state == EXCHANGE_WAIT)
        follow_change(exchange);
}

/* Another server of the side, or another side. */
static bool go_elsewhere(struct exchange *exchange)
{
    bool is_found = false;

    if (is_bound(exchange))
        return false;
    if (exchange->retries < exchange_config(exchange)->retry.attempts) {
        exchange->retries++;
        is_found = choice_server(exchange);
    }
    if (!is_found && !choice_fail_over(exchange))
        return false;
    try_server(exchange);
    return true;
}

/* Starts another attempt if the rules allow one. */
static bool try_again(struct exchange *exchange, enum outcome outcome)
{
    bool may_repeat = is_repeatable(exchange) && exchange_config(exchange)->retry.attempts > 0;

    if (!exchange->is_replayable || exchange->answered)
        return false;
    if (outcome == OUTCOME_STALE) {
        if (exchange->stale_retried || (exchange->head_sent && !may_repeat))
            return false;
        exchange->stale_retried = true;
        if (!follow_change(exchange))
            try_server(exchange);
        return true;
    }
    if (exchange->head_sent)
        return false;
    if (follow_change(exchange))
        return true;
    if (exchange->addrs_tried + 1 < exchange->server->addr_count &&
        exchange->addrs_tried + 1 < ADDRS_TRIED_MAX) {
        exchange->addrs_tried++;
        try_server(exchange);
        return true;
    }
    return !exchange->is_skewed && go_elsewhere(exchange);
}

/* Lets go of the attempt whose answer is not wanted: as if it had not been made. */
static void drop_attempt(struct exchange *exchange, enum outcome outcome)
{
    struct upstream *upstream = exchange->upstream;

    account_attempt(exchange, outcome);
    exchange->upstream = NULL;
    upstream_close(upstream, false);
    exchange->answered = false;
}

bool attempt_pass_over(struct exchange *exchange, enum outcome outcome)
{
    bool was_seen = outcome != OUTCOME_PLATFORM_404;

    /* Nobody there has been asked: what its own side said is what counts. */
    if (exchange->is_skewed) {
        drop_attempt(exchange, outcome);
        reply_outcome(exchange, OUTCOME_SKEW, NULL);
        return true;
    }
    if (!exchange->is_replayable || is_bound(exchange) || (was_seen && !is_repeatable(exchange)))
        return false;
    bool may_move = exchange->retries < exchange_config(exchange)->retry.attempts &&
                    choice_has_server(exchange);
    if (!may_move && !choice_may_fail_over(exchange))
        return false;
    drop_attempt(exchange, outcome);
    if (!follow_change(exchange) && !go_elsewhere(exchange))
        reply_outcome(exchange, OUTCOME_NO_SERVER, NULL);
    return true;
}

bool attempt_ask_other(struct exchange *exchange)
{
    if (!exchange->is_replayable || is_bound(exchange) || !choice_may_ask_other(exchange))
        return false;
    drop_attempt(exchange, OUTCOME_SKEW);
    if (choice_ask_other(exchange))
        try_server(exchange);
    else
        reply_outcome(exchange, OUTCOME_SKEW, NULL);
    return true;
}

void attempt_failed(struct exchange *exchange, enum outcome outcome)
{
    struct upstream *upstream = exchange->upstream;

    account_attempt(exchange, outcome);
    /* No connection came about: the next one begins with the next address. */
    if (upstream == NULL || !upstream->is_connected)
        exchange->pool->next_addr = exchange->first_addr + exchange->addrs_tried + 1;
    if (upstream != NULL) {
        exchange->upstream = NULL;
        upstream_close(upstream, true);
    }
    if (exchange->status != 0) {
        exchange_finish(exchange, outcome, true);
        return;
    }
    if (try_again(exchange, outcome))
        return;
    /* The side that the request is for has answered, and that is what counts. */
    if (exchange->is_skewed)
        reply_outcome(exchange, OUTCOME_SKEW, NULL);
    else
        reply_outcome(exchange, outcome, exchange->detail);
}

void attempt_done(struct exchange *exchange, enum outcome outcome, bool reuse)
{
    struct upstream *upstream = exchange->upstream;

    account_attempt(exchange, outcome);
    exchange->upstream = NULL;
    if (reuse)
        pool_release(upstream);
    else
        upstream_close(upstream, false);
}
