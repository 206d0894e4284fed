/*
 * choice.c - the side of a request, and the servers of that side one after the other.
 *
 *     choice_decide ----> choice_server ----> choice_server ... ----> choice_fail_over
 *       the side            its servers, as long as there are any       the other side
 *          ^
 *     choice_change: decided anew, by the snapshot that a worker has adopted meanwhile
 *
 * An exchange pins the snapshot that it was decided on, so that it never sees half a change. But it
 * may wait for seconds before a byte of it is sent, for a place, for a connection, for TLS; and a
 * rollback must hold for it as well. So it is decided again then: for the same user, who is not drawn
 * a second time.
 */
#include "proxy/choice.h"

#include "proxy/account.h"

/* The side */

/* Where it goes when its own side cannot take it. */
static enum outcome settle(struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    struct decision *decision = &exchange->decision;

    if (!snapshot_settle(snapshot, worker_now_ms(exchange->conn->worker), decision))
        return snapshot->policy.admin[decision->home] == ADMIN_MAINT ? OUTCOME_MAINTENANCE
                                                                     : OUTCOME_NO_SERVER;
    if (decision->reason == REASON_FAILOVER)
        account_failover(exchange);
    return OUTCOME_OK;
}

static void draw(struct worker *worker, const struct policy *policy, struct decision *decision)
{
    uint64_t term = atomic_fetch_add_explicit(&worker->common->draws, 1, memory_order_relaxed);

    decide_draw(policy, term, decision);
}

enum outcome choice_decide(struct exchange *exchange)
{
    struct worker *worker = exchange->conn->worker;
    const struct policy *policy = &exchange->adopted->snapshot->policy;
    struct decision *decision = &exchange->decision;

    *decision = decide(policy, &exchange->request, &exchange->client);
    if (decision->needs_draw)
        draw(worker, policy, decision);
    exchange->is_decided = true;
    if (freeze_stops(&policy->freeze, decision->route, exchange->request.method))
        return OUTCOME_FROZEN;
    enum outcome outcome = settle(exchange);
    if (outcome == OUTCOME_OK && !method_is_safe(exchange->request.method)) {
        exchange->is_write = true;
        counter_add(&worker->counters->writes_open, 1);
    }
    return outcome;
}

/* Decides for the same user by the snapshot of now. False: that cannot be said, since who it is is
 * found out in another way now (a reload). */
static bool decide_again(const struct exchange *exchange, struct decision *again)
{
    const struct policy *policy = &exchange->conn->worker->adopted->snapshot->policy;
    const struct decision *first = &exchange->decision;

    *again = decide(policy, &exchange->request, &exchange->client);
    if (!again->needs_draw)
        return true;
    if (first->home_reason != REASON_DRAW)
        return false;
    again->needs_draw = false;
    again->has_bucket = true;
    again->bucket = first->bucket;
    again->side = again->home = bucket_side(first->bucket, again->weight);
    again->reason = again->home_reason = REASON_DRAW;
    again->set_cookie = first->set_cookie;
    again->mark = first->mark;
    again->mark.side = again->home;
    return true;
}

bool choice_has_changed(const struct exchange *exchange, struct decision *again)
{
    const struct worker *worker = exchange->conn->worker;
    const struct snapshot *snapshot = worker->adopted->snapshot;
    const struct decision *first = &exchange->decision;

    /* Who asks the other side for what its own does not have is there by no weight. */
    if (exchange->adopted == worker->adopted || exchange->is_skewed ||
        !decide_again(exchange, again))
        return false;
    if (snapshot->policy.admin[first->side] == ADMIN_MAINT)
        return true;
    if (again->home == first->home)
        return false;
    /* When nobody can take it, it stands at home: 503 is the answer then, as for who comes now. */
    struct decision settled = *again;
    snapshot_settle(snapshot, worker_now_ms(worker), &settled);
    return settled.side != first->side;
}

enum outcome choice_change(struct exchange *exchange, const struct decision *again)
{
    struct worker *worker = exchange->conn->worker;
    struct adopted *before = exchange->adopted;

    exchange->adopted = worker_pin(worker);
    exchange->decision = *again;
    exchange->server = NULL;
    exchange->pool = NULL;
    memset(exchange->tried, 0, sizeof(exchange->tried));
    worker_unpin(worker, before);
    return settle(exchange);
}

/* Its servers */

/* How good a server is for a request: what is left of it after each pass asks for less. */
enum fitness {
    FIT_FREE = 0, /* can be used, and has a connection or a place for one */
    FIT_BUSY,     /* can be used; there is a wait for a place */
    FIT_EJECTED,  /* not down: an ejection is a guess, and a guess is better than nothing */
    FITNESS_COUNT,
};

static bool is_fit(const struct exchange *exchange, unsigned index, enum fitness fitness)
{
    const struct adopted *adopted = exchange->adopted;
    enum side side = exchange->decision.side;
    const struct server *server = adopted->snapshot->backends[side].servers[index].server;
    const struct pool *pool = adopted->pools[side][index];
    unsigned most = exchange_config(exchange)->limits.upstream_connections;

    if ((exchange->tried[side] & (UINT64_C(1) << index)) != 0)
        return false;
    if (fitness == FIT_EJECTED)
        return server_health(server) != HEALTH_DOWN;
    if (!server_is_usable(server, worker_now_ms(exchange->conn->worker)))
        return false;
    return fitness == FIT_BUSY || most == 0 || !list_is_empty(&pool->idle) ||
           atomic_load_explicit(&server->shared.upstreams, memory_order_relaxed) < most;
}

/* Its index, or -1. */
static int next_server(struct exchange *exchange)
{
    struct adopted *adopted = exchange->adopted;
    enum side side = exchange->decision.side;
    unsigned count = adopted->snapshot->backends[side].count;
    bool usable[SERVERS_MAX];
    int index = -1;

    for (unsigned fitness = 0; fitness < FITNESS_COUNT && index < 0; fitness++) {
        for (unsigned i = 0; i < count; i++)
            usable[i] = is_fit(exchange, i, (enum fitness)fitness);
        index = balance_next(usable, count, &adopted->cursor[side]);
    }
    return index;
}

bool choice_server(struct exchange *exchange)
{
    enum side side = exchange->decision.side;
    int index = next_server(exchange);

    if (index < 0)
        return false;
    exchange->tried[side] |= UINT64_C(1) << index;
    exchange->addrs_tried = 0;
    exchange->first_addr = exchange->adopted->pools[side][index]->next_addr;
    exchange->server = &exchange->adopted->snapshot->backends[side].servers[index];
    exchange->pool = exchange->adopted->pools[side][index];
    return true;
}

bool choice_has_server(const struct exchange *exchange)
{
    enum side side = exchange->decision.side;

    for (unsigned i = 0; i < exchange->adopted->snapshot->backends[side].count; i++)
        if (is_fit(exchange, i, FIT_BUSY))
            return true;
    return false;
}

/* The other side */

static bool find_failover(const struct exchange *exchange, struct decision *decision)
{
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    bool usable[SIDES];

    *decision = exchange->decision;
    if (decision->side != decision->home)
        return false;
    snapshot_usable(snapshot, worker_now_ms(exchange->conn->worker), usable);
    usable[decision->home] = false;
    return decide_failover(&snapshot->policy, usable, decision);
}

bool choice_may_fail_over(const struct exchange *exchange)
{
    struct decision ignored;

    return find_failover(exchange, &ignored);
}

bool choice_fail_over(struct exchange *exchange)
{
    struct decision decision;

    if (!find_failover(exchange, &decision))
        return false;
    exchange->decision = decision;
    if (!choice_server(exchange))
        return false;
    account_failover(exchange);
    return true;
}

bool choice_may_ask_other(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    const struct decision *decision = &exchange->decision;
    enum side other = side_other(decision->side);
    bool usable[SIDES];

    /* Once, and by its own side's word. */
    if (exchange->is_skewed || decision->side != decision->home ||
        snapshot->policy.admin[other] == ADMIN_MAINT)
        return false;
    snapshot_usable(snapshot, worker_now_ms(exchange->conn->worker), usable);
    return usable[other];
}

bool choice_ask_other(struct exchange *exchange)
{
    exchange->is_skewed = true;
    exchange->decision.side = side_other(exchange->decision.side);
    exchange->decision.reason = REASON_SKEW;
    return choice_server(exchange);
}
