/*
 * exchange.c - one request from its head to its end: parsed, checked, decided, handed to an
 * attempt.
 *
 *     exchange_start
 *       | parse, checks ----------------------> reply (4xx, 501)
 *       v
 *     choice_decide (route, bucket, side) ----> reply (503: frozen, or nobody can take it)
 *       v
 *     attempt_first -> relay.c or tunnel.c ---> exchange_finish
 *
 * The events of the connection to the server come in here and go to whoever they are for.
 */
#include "proxy/exchange.h"

#include "base/check.h"
#include "base/clock.h"
#include "config/trust.h"
#include "http/forward.h"
#include "proxy/account.h"
#include "proxy/attempt.h"
#include "proxy/choice.h"
#include "proxy/front.h"
#include "proxy/relay.h"
#include "proxy/reply.h"
#include "proxy/tunnel.h"

#define FREE_EXCHANGES_MAX 256

/* Entries of X-Forwarded-For that are looked at, from the last: what a client makes up in front of
 * them must not cost more than a lookup. forward.c passes on no more than 30. */
#define FORWARDED_HOPS_MAX 30

/* Life cycle */

/* A fresh one, or one that ended before: it keeps its memory for fields. */
static struct exchange *exchange_take(struct worker *worker, unsigned max_fields)
{
    struct list *node = worker->free_exchanges.next;
    struct exchange *exchange;
    struct message request;

    if (node == &worker->free_exchanges) {
        exchange = mem_alloc(sizeof(*exchange));
        message_init(&request, max_fields);
    } else {
        exchange = CONTAINER_OF(node, struct exchange, node);
        list_remove(node);
        worker->free_exchange_count--;
        request = exchange->request;
        if (request.capacity != max_fields) {
            message_deinit(&request);
            message_init(&request, max_fields);
        }
    }
    memset(exchange, 0, sizeof(*exchange));
    exchange->request = request;
    list_init(&exchange->node);
    return exchange;
}

static struct exchange *exchange_new(struct conn *conn)
{
    struct worker *worker = conn->worker;
    struct exchange *exchange = exchange_take(worker, worker_config(worker)->limits.headers);

    exchange->conn = conn;
    exchange->adopted = worker_pin(worker);
    exchange->is_replayable = true;
    exchange->client = conn->client;
    exchange->scheme = conn->is_secure ? STR("https") : STR("http");
    exchange->decision.route = -1;
    exchange->started_ns = clock_mono_ns();
    worker_request_id(worker, exchange->request_id);
    conn->exchange = exchange;
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;

    exchange->conn->exchange = NULL;
    worker_unpin(worker, exchange->adopted);
    buf_deinit(&exchange->head);
    buf_deinit(&exchange->replay);
    if (worker->free_exchange_count < FREE_EXCHANGES_MAX) {
        list_push_front(&worker->free_exchanges, &exchange->node);
        worker->free_exchange_count++;
        return;
    }
    message_deinit(&exchange->request);
    mem_free(exchange);
}

/* What must be true before the memory goes: nothing leased, the gauges right. */
static void let_go(struct exchange *exchange, enum outcome outcome)
{
    struct worker *worker = exchange->conn->worker;

    if (exchange->state == EXCHANGE_WAIT)
        pool_wait_end(exchange->pool, exchange);
    exchange->state = EXCHANGE_DONE;
    exchange->outcome = outcome;
    if (exchange->upstream != NULL) {
        account_attempt(exchange, outcome);
        upstream_close(exchange->upstream, true);
        exchange->upstream = NULL;
    }
    if (exchange->is_tunnel)
        counter_sub(&worker->counters->tunnels[exchange->decision.side], 1);
    if (exchange->is_write)
        counter_sub(&worker->counters->writes_open, 1);
    account_request(exchange);
}

void exchange_finish(struct exchange *exchange, enum outcome outcome, bool cut)
{
    struct conn *conn = exchange->conn;
    bool keep_alive = exchange->keep_alive;

    /* What is still to come of the request's body, or behind a refused Upgrade, is no request. */
    if (!exchange->request_done || exchange->request.wants_upgrade)
        conn->ends_after_answer = true;
    let_go(exchange, outcome);
    exchange_free(exchange);
    if (cut)
        conn_close(conn, true);
    else
        conn_exchange_done(conn, keep_alive);
}

void exchange_abort(struct exchange *exchange, enum outcome outcome)
{
    let_go(exchange, exchange->is_tunnel ? OUTCOME_TUNNEL : outcome);
    exchange_free(exchange);
}

struct str exchange_set_cookie(const struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;
    const struct sticky *sticky = &exchange_config(exchange)->sticky;
    struct cookie_attributes attributes = sticky->cookie;
    char mark[BUCKET_MARK_BYTES];

    if (!exchange->is_decided || !exchange->decision.set_cookie)
        return STR("");
    if (sticky->secure_auto)
        attributes.secure = str_eq(exchange->scheme, STR("https"));
    buf_clear(&worker->set_cookie);
    cookie_format(&attributes, bucket_mark_format(&exchange->decision.mark, mark),
                  &worker->set_cookie);
    return buf_str(&worker->set_cookie);
}

/* Decide */

/* From the proxy next to us to the one next to the client, as long as each was named by somebody we
 * trust. */
static void find_client(struct exchange *exchange, const struct config_trust *hop)
{
    const struct config_forwarded *forwarded = &exchange_config(exchange)->forwarded;
    struct addr address;

    exchange->edge = hop->edge;
    for (unsigned back = 0; back < FORWARDED_HOPS_MAX && hop != NULL; back++) {
        /* One of the user's own is enough: what stands in the head may all be its doing. */
        if (hop->edge == FORWARD_EDGE_PROXY)
            exchange->edge = FORWARD_EDGE_PROXY;
        struct str named = forward_client_named(&exchange->request, hop->edge, back);
        if (str_is_empty(named) || !addr_parse_ip(named, 0, &address))
            return;
        exchange->client = address;
        hop = forward_edge_is_last(hop->edge) ? NULL : trust_of_address(forwarded, &address);
    }
}

/* Who the client is and how it came, when a trusted proxy in front of us tells. */
static void believe_forwarded(struct exchange *exchange)
{
    const struct config_trust *hop =
        trust_of_address(&exchange_config(exchange)->forwarded, &exchange->conn->client);
    const struct field *proto = message_find(&exchange->request, FIELD_X_FORWARDED_PROTO);

    if (hop == NULL)
        return;
    exchange->is_trusted = true;
    if (proto != NULL && str_eq_nocase(proto->value, STR("https")))
        exchange->scheme = STR("https");
    find_client(exchange, hop);
}

static void exchange_decide(struct exchange *exchange)
{
    enum outcome refusal = choice_decide(exchange);

    if (refusal != OUTCOME_OK)
        reply_outcome(exchange, refusal, NULL);
    else
        attempt_first(exchange);
}

static enum outcome outcome_of_fault(enum strict_fault fault)
{
    switch (fault) {
    case STRICT_FIELDS:
        return OUTCOME_HEAD_TOO_LARGE;
    case STRICT_METHOD:
        return OUTCOME_METHOD;
    default:
        return OUTCOME_BAD_REQUEST;
    }
}

static bool has_long_field(const struct message *request, size_t most)
{
    for (unsigned i = 0; i < request->count; i++)
        if (request->fields[i].name.len + request->fields[i].value.len > most)
            return true;
    return false;
}

/* What is refused although it is well-formed; OUTCOME_OK when nothing is. */
static enum outcome check_request(const struct exchange *exchange)
{
    const struct message *request = &exchange->request;
    const struct config_limits *limits = &exchange_config(exchange)->limits;
    uint64_t body_max = limits->body_bytes;

    if (request->target.len > limits->target_bytes)
        return OUTCOME_TARGET_TOO_LONG;
    if (buf_len(&exchange->head) > limits->field_bytes &&
        has_long_field(request, limits->field_bytes))
        return OUTCOME_HEAD_TOO_LARGE;
    if (request->expects_more)
        return OUTCOME_EXPECTATION;
    if (body_max > 0 && request->body == BODY_LENGTH && request->content_length > body_max)
        return OUTCOME_BODY_TOO_LARGE;
    return OUTCOME_OK;
}

void exchange_start(struct conn *conn, struct str head)
{
    struct exchange *exchange = exchange_new(conn);

    buf_append_str(&exchange->head, head);
    parser_reset(&conn->parser);
    if (parser_head(&conn->parser, buf_str(&exchange->head), &exchange->request, false) !=
        PARSE_DONE) {
        conn->ends_after_answer = true;
        reply_outcome(exchange, outcome_of_fault(conn->parser.fault),
                      strict_fault_text(conn->parser.fault));
        return;
    }
    exchange->is_parsed = true;
    exchange->request_done = exchange->request.body == BODY_NONE;
    exchange->awaits_continue = exchange->request.expects_continue && !exchange->request_done;
    enum outcome refusal = check_request(exchange);
    if (refusal != OUTCOME_OK) {
        /* Who sends what is too large is not asked for more; a wrong Expect is worth another try. */
        conn->ends_after_answer = refusal != OUTCOME_EXPECTATION;
        reply_outcome(exchange, refusal, NULL);
        return;
    }
    believe_forwarded(exchange);
    if (!front_answers(exchange))
        exchange_decide(exchange);
}

void exchange_refuse_fault(struct conn *conn, enum strict_fault fault)
{
    exchange_refuse(conn, outcome_of_fault(fault), strict_fault_text(fault));
}

void exchange_refuse(struct conn *conn, enum outcome outcome, const char *detail)
{
    conn->ends_after_answer = true;
    reply_outcome(exchange_new(conn), outcome, detail);
}

/* Events of the connection to the server */

bool exchange_wants_body(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_RELAY && !exchange->request_done &&
           (exchange->write_failed || !stream_is_congested(&exchange->upstream->stream));
}

bool exchange_awaits_body(const struct exchange *exchange)
{
    return exchange_wants_body(exchange) && !exchange->awaits_continue;
}

bool exchange_may_keep_client(const struct exchange *exchange)
{
    return exchange->is_parsed && exchange->request.keep_alive && exchange->request_done &&
           !exchange->request.wants_upgrade && !exchange->conn->ends_after_answer &&
           !exchange->conn->worker->is_draining && conn_may_keep(exchange->conn);
}

void exchange_client_failed(struct exchange *exchange, enum outcome outcome)
{
    exchange->conn->ends_after_answer = true;
    if (exchange->status != 0)
        exchange_finish(exchange, outcome, true);
    else
        reply_outcome(exchange, outcome, NULL);
}

/* NULL: it is the client's turn. */
static struct deadline_list *server_clock(const struct exchange *exchange)
{
    struct worker_deadlines *deadlines = &exchange->conn->worker->deadlines;

    if (exchange->state == EXCHANGE_TUNNEL || conn_is_congested(exchange->conn) ||
        (exchange->status == 0 && exchange_awaits_body(exchange)))
        return NULL;
    return exchange->status == 0 ? &deadlines->response_header : &deadlines->response_body;
}

void exchange_watch(struct exchange *exchange, bool progress)
{
    struct upstream *upstream = exchange->upstream;

    if (upstream == NULL || !upstream->is_connected)
        return;
    struct deadline_list *list = server_clock(exchange);
    if (list == NULL)
        deadline_clear(&upstream->deadline);
    else if (progress || list != upstream->clock)
        deadline_set(&upstream->deadline, list, worker_now_ms(exchange->conn->worker));
    upstream->clock = list;
}

/* The end of what the server sends: FIN (0) or a failure. */
static void on_server_end(struct exchange *exchange, int status)
{
    struct upstream *upstream = exchange->upstream;

    if (status == UV_EPROTO)
        exchange->detail = stream_tls_error(&upstream->stream);
    if (exchange->status != 0 && status == 0)
        relay_response_end(exchange);
    else if (exchange->status != 0)
        attempt_failed(exchange, OUTCOME_TRUNCATED);
    else if (upstream->is_reused && !exchange->answered)
        attempt_failed(exchange, OUTCOME_STALE);
    else
        attempt_failed(exchange, OUTCOME_CLOSED);
}

/* The exchange may be gone after what an event leads to, and the conn closing, but its memory stays
 * until its close callback: what its client is waited for is looked at last. */

void exchange_on_upstream_read(struct exchange *exchange, struct str data, int status)
{
    struct conn *conn = exchange->conn;

    if (exchange->state == EXCHANGE_TUNNEL) {
        tunnel_on_server(exchange, data, status);
    } else if (data.len > 0) {
        exchange->answered = true;
        relay_response(exchange, data);
    } else {
        on_server_end(exchange, status);
    }
    conn_watch(conn);
}

void exchange_on_upstream_drain(struct exchange *exchange)
{
    struct conn *conn = exchange->conn;

    if (exchange->state == EXCHANGE_TUNNEL) {
        tunnel_server_drained(exchange);
        return;
    }
    exchange_watch(exchange, true);
    conn_process(conn);
}

void exchange_on_upstream_error(struct exchange *exchange, int status)
{
    struct conn *conn = exchange->conn;

    if (exchange->state == EXCHANGE_TUNNEL) {
        tunnel_on_server(exchange, STR(""), status);
        return;
    }
    /* The server takes no more, but may have said why (413, 401) before it closed: what it sent is
     * still to be read, and the end of the stream comes behind it. */
    exchange->write_failed = true;
    if (!conn_is_congested(conn))
        stream_resume(&exchange->upstream->stream);
    exchange_watch(exchange, true);
    conn_process(conn);
}

void exchange_on_upstream_deadline(struct exchange *exchange)
{
    struct conn *conn = exchange->conn;

    if (exchange->upstream->is_shaking)
        attempt_failed(exchange, OUTCOME_TLS_TIMEOUT);
    else if (!exchange->upstream->is_connected)
        attempt_failed(exchange, OUTCOME_CONNECT_TIMEOUT);
    else if (exchange->awaits_continue && exchange->received_bytes == 0)
        exchange_client_failed(exchange,
                               OUTCOME_BODY_TIMEOUT); /* it promised one and never sent it */
    else if (exchange->status == 0)
        attempt_failed(exchange, OUTCOME_RESPONSE_TIMEOUT);
    else
        attempt_failed(exchange, OUTCOME_STALLED);
    conn_watch(conn);
}
