/*
 * account.c - the last step of every exchange: counters, evidence and the access line.
 *
 * Lines are gathered in the worker and handed to the log in one piece, at the latest at the next
 * sweep: the log's lock is then taken a few times a second instead of once for each request.
 */
#include "proxy/account.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/forward.h"

#define ACCESS_BATCH_BYTES (32 * 1024)

/* With the client's own Host a stranger can ask for a name that the platform does not know: that is
 * no fault of the server, and must neither eject it nor speak against its side. */
static bool is_for_a_strange_name(const struct exchange *exchange, enum outcome outcome)
{
    const struct config *config = exchange_config(exchange);

    return config->backends[exchange->decision.side].host == HOST_CLIENT &&
           (outcome == OUTCOME_PLATFORM_404 || outcome == OUTCOME_TLS_UNTRUSTED ||
            outcome == OUTCOME_TLS_FAILED);
}

/* The evidence of the plan that the request's weight belongs to; NULL for what is compared with
 * nothing: testers, pinned routes, a weight without a plan. */
static struct evidence *evidence_of(const struct exchange *exchange)
{
    const struct decision *decision = &exchange->decision;
    int index = decision->route < 0 ? 0 : exchange->adopted->snapshot->evidence[decision->route];

    return decision->has_bucket && index >= 0 ? &exchange->conn->worker->evidence[index] : NULL;
}

/* Engine.IO's: it is answered when there is something to tell. */
static bool is_long_poll(const struct exchange *exchange)
{
    struct str query = exchange->request.query;
    struct str parameter;

    while (str_next_part(&query, '&', &parameter))
        if (str_eq(parameter, STR("transport=polling")))
            return true;
    return false;
}

/*
 * A client that leaves tells nothing, but one that has waited for so long without a byte of an answer
 * does: a side that hangs would else leave no trace until timeouts.response_header, minutes later.
 */
static bool has_lost_patience(const struct exchange *exchange, enum outcome outcome)
{
    return outcome == OUTCOME_CLIENT_GONE && exchange->request_done && !exchange->answered &&
           !is_long_poll(exchange) &&
           clock_mono_ns() - exchange->attempt_ns >= EVIDENCE_PATIENCE_MS * UINT64_C(1000000);
}

/* Microseconds from the attempt's begin; 0: `then` has not been. */
static uint64_t since_begin_us(const struct exchange *exchange, uint64_t then_ns)
{
    return then_ns == 0 ? 0 : (then_ns - exchange->attempt_ns) / 1000;
}

static void note_evidence(struct exchange *exchange, enum outcome outcome)
{
    const struct decision *decision = &exchange->decision;
    struct evidence *evidence = evidence_of(exchange);
    struct evidence_attempt attempt = {
        .side = decision->side,
        .bucket = decision->bucket,
        .outcome = has_lost_patience(exchange, outcome) ? OUTCOME_RESPONSE_TIMEOUT : outcome,
        .status = outcome == OUTCOME_SKEW ? 404 : exchange->status,
    };

    if (evidence == NULL || decision->side != decision->home || exchange->is_noted)
        return;
    if (outcome == OUTCOME_OK && !exchange->is_stream && !is_long_poll(exchange)) {
        exchange->ended_ns = clock_mono_ns();
        attempt.has_latency = true;
        attempt.connect_us = exchange->connect_us;
        attempt.first_byte_us = since_begin_us(exchange, exchange->first_byte_ns);
        attempt.total_us = since_begin_us(exchange, exchange->ended_ns);
    }
    evidence_note(evidence, &attempt);
}

void account_opened(struct exchange *exchange, enum outcome outcome)
{
    note_evidence(exchange, outcome);
    exchange->is_noted = true;
}

void account_late(struct worker *worker)
{
    const struct deadline_list *list = &worker->deadlines.response_header;
    uint64_t now_ms = worker_now_ms(worker);

    if (list->after_ms <= EVIDENCE_LATE_MS)
        return; /* they end by themselves sooner, or have no clock */
    LIST_FOREACH (&list->entries, node) {
        struct deadline *deadline = CONTAINER_OF(node, struct deadline, node);
        struct exchange *exchange = CONTAINER_OF(deadline, struct upstream, deadline)->exchange;

        if (deadline->set_ms + EVIDENCE_LATE_MS > now_ms)
            return; /* it was sent later than that, and so were all behind it */
        if (exchange != NULL && !exchange->is_noted && !is_long_poll(exchange))
            account_opened(exchange, OUTCOME_RESPONSE_TIMEOUT);
    }
}

void account_refusal(struct exchange *exchange, enum outcome outcome)
{
    struct counters *counters = exchange->conn->worker->counters;

    counter_add(&counters->attempts[exchange->decision.side][outcome], 1);
    note_evidence(exchange, outcome);
}

void account_failover(struct exchange *exchange)
{
    enum side home = exchange->decision.home;
    struct evidence *evidence = evidence_of(exchange);

    counter_add(&exchange->conn->worker->counters->failovers[home], 1);
    if (evidence != NULL)
        evidence_note_failover(evidence, home);
}

void account_attempt(struct exchange *exchange, enum outcome outcome)
{
    struct worker *worker = exchange->conn->worker;
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    struct server *server = exchange->server->server;
    enum blame blame = outcome_row(outcome)->blame;

    counter_add(&worker->counters->attempts[server->side][outcome], 1);
    if (is_for_a_strange_name(exchange, outcome))
        return;
    note_evidence(exchange, outcome);
    if (blame != BLAME_SERVER && blame != BLAME_NOBODY)
        return;
    /* A stale connection says nothing about the server: any may close what it likes when idle. */
    if (outcome == OUTCOME_STALE)
        return;
    if (server_note_attempt(server, &snapshot->config->outlier, blame == BLAME_NOBODY,
                            worker_now_ms(worker)))
        log_event(LOG_WARN, "server ejected: too many errors in a row",
                  LOG_TEXT("backend", side_name(server->side)), LOG_TEXT("server", server->url),
                  LOG_TEXT("last_outcome", outcome_row(outcome)->token));
}

static void account_line(struct exchange *exchange, uint64_t duration_us)
{
    struct worker *worker = exchange->conn->worker;
    const struct config *config = exchange_config(exchange);
    const struct policy *policy = &exchange->adopted->snapshot->policy;
    const struct decision *decision = &exchange->decision;
    char ip[ADDR_TEXT_BYTES];
    struct access_entry entry = {
        .status = exchange->status,
        .outcome = exchange->outcome,
        .attempts = exchange->attempts,
        .duration_us = duration_us,
        .lasts = exchange->is_tunnel || exchange->is_stream,
        .bytes_in = exchange->received_bytes,
        .bytes_out = exchange->sent_bytes,
        .has_decision = exchange->is_decided,
        .side = decision->side,
        .reason = decision->reason,
        .has_bucket = decision->has_bucket,
        .bucket = decision->bucket,
    };

    if (exchange->first_byte_ns != 0)
        entry.first_byte_us = (exchange->first_byte_ns - exchange->started_ns) / 1000;
    if (!access_wanted(config->log.access, config->log.slow_ms, &entry, worker->ordinal++))
        return;
    entry.wall_ms = clock_wall_ms();
    entry.client = addr_format_ip(&exchange->client, ip);
    entry.request_id = str_from(exchange->request_id, REQUEST_ID_BYTES);
    if (exchange->is_parsed) {
        entry.request_id = forward_request_id(&exchange->request, entry.request_id);
        entry.method = exchange->request.method;
        entry.host = exchange->request.authority;
        entry.path = exchange->request.path;
    }
    if (exchange->is_decided)
        entry.route = decision_route_name(policy, decision);
    if (exchange->detail != NULL && outcome_row(exchange->outcome)->blame == BLAME_SERVER)
        entry.detail = str_of(exchange->detail);
    if (exchange->server != NULL)
        entry.server = str_of(exchange->server->server->url);
    access_format(&entry, &worker->access);
    if (buf_len(&worker->access) > ACCESS_BATCH_BYTES)
        account_flush(worker);
}

void account_request(struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;
    struct counters *counters = worker->counters;
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    const struct decision *decision = &exchange->decision;
    unsigned class = status_class(exchange->status);
    uint64_t now_ns = exchange->ended_ns != 0 ? exchange->ended_ns : clock_mono_ns();
    uint64_t duration_us = (now_ns - exchange->started_ns) / 1000;

    if (!exchange->is_decided) {
        counter_add(&counters->refused[class], 1);
    } else {
        unsigned slot = decision->route < 0 ? 0 : snapshot->slots[decision->route];
        enum side side = decision->side;

        counter_add(&counters->requests[side][slot][decision->reason][class], 1);
        counter_add(&counters->bytes_in[side], exchange->received_bytes);
        counter_add(&counters->bytes_out[side], exchange->sent_bytes);
        if (exchange->outcome != OUTCOME_TUNNEL)
            histogram_note(&counters->duration[side], duration_us);
        if (exchange->first_byte_ns != 0)
            histogram_note(&counters->first_byte[side],
                           (exchange->first_byte_ns - exchange->started_ns) / 1000);
    }
    if (snapshot->config->log.access != ACCESS_OFF)
        account_line(exchange, duration_us);
}

void account_flush(struct worker *worker)
{
    if (buf_len(&worker->access) == 0)
        return;
    log_lines(buf_str(&worker->access));
    buf_clear(&worker->access);
}
