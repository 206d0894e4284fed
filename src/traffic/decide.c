/*
 * decide.c - the heart of the product: from a request to a side, without any state.
 *
 *     route ──> override? ──> pin? ──> identity chain ──> bucket < weight? ──> keep? ──> home
 *                                            └ none: needs_draw ──> decide_draw ──────────┘
 *     home ──> decide_failover ──> side
 *
 * The trick is that nothing is remembered about a user: side and cookie follow from the bucket and
 * the weight of now. The only exception is asked for by configuration (keep): then the cookie
 * remembers the side as well. That side belongs to the main weight. A route with a weight of its
 * own neither reads nor writes it, or a visit there would move the user everywhere else.
 */
#include "traffic/decide.h"

#include "base/check.h"
#include "traffic/jwt.h"

#define COOKIES_TRIED_MAX 4

const char *reason_name(enum reason reason)
{
    static const char *const names[] = {
#define X(id, name) [id] = name,
        REASONS(X)
#undef X
    };
    CHECK((unsigned)reason < REASON_COUNT);
    return names[reason];
}

struct str decision_route_name(const struct policy *policy, const struct decision *decision)
{
    return decision->route < 0 ? STR(ROUTE_MAIN) : policy->routes[decision->route].name;
}

static const struct route *route_of(const struct policy *policy, const struct decision *decision)
{
    return decision->route < 0 ? NULL : &policy->routes[decision->route];
}

static void settle(struct decision *decision, enum side side, enum reason reason)
{
    decision->side = decision->home = side;
    decision->reason = decision->home_reason = reason;
}

/* "new", or "new SECRET" where one is configured; everything else is as if it were not there. */
static bool find_override(const struct override *override, const struct message *request,
                          enum side *side)
{
    if (str_is_empty(override->header))
        return false;
    const struct field *field = message_find_name(request, override->header);
    if (field == NULL)
        return false;
    if (str_is_empty(override->secret))
        return side_parse(field->value, side);
    ptrdiff_t space = str_find_char(field->value, ' ', 0);
    if (space < 0 || !side_parse(str_slice(field->value, 0, (size_t)space), side))
        return false;
    struct str secret = str_slice(field->value, (size_t)space + 1, field->value.len);
    return str_eq_secret(str_trim(secret), override->secret);
}

static bool has_keep(const struct sticky *sticky)
{
    return sticky->keep_on_raise || sticky->keep_on_lower;
}

static bool follows_main_weight(const struct policy *policy, const struct decision *decision)
{
    const struct route *route = route_of(policy, decision);
    return route == NULL || route->kind != ROUTE_WEIGHTED;
}

static bool bucket_of_header(const struct message *request, struct str name, unsigned *bucket)
{
    const struct field *field = message_find_name(request, name);
    if (field == NULL || str_is_empty(field->value))
        return false;
    *bucket = bucket_of_value(field->value);
    return true;
}

static bool bucket_of_query(struct str query, struct str name, unsigned *bucket)
{
    struct str parameter;
    while (str_next_part(&query, '&', &parameter)) {
        ptrdiff_t equals = str_find_char(parameter, '=', 0);
        if (equals < 0 || !str_eq(str_slice(parameter, 0, (size_t)equals), name))
            continue;
        struct str value = str_slice(parameter, (size_t)equals + 1, parameter.len);
        *bucket = bucket_of_value(value);
        return !str_is_empty(value);
    }
    return false;
}

static bool bucket_of_token(const struct message *request, struct str claim, unsigned *bucket)
{
    const struct field *field = message_find(request, FIELD_AUTHORIZATION);
    return field != NULL && jwt_bucket(field->value, claim, bucket);
}

/* A browser may send the cookie twice, from two paths or domains: what cannot be read is as if
 * absent. Bounded, so that a head full of bad ones costs no more than any other. */
static bool mark_of_cookies(const struct message *request, struct str name,
                            struct bucket_mark *mark)
{
    struct str value;

    for (unsigned nth = 0; nth < COOKIES_TRIED_MAX && cookie_find(request, name, nth, &value);
         nth++)
        if (bucket_mark_parse(value, mark))
            return true;
    return false;
}

/* The bucket by one identity. `mark` has a side only if the cookie said so. */
static bool identify(const struct identity *identity, const struct sticky *sticky,
                     const struct message *request, const struct addr *client,
                     struct bucket_mark *mark)
{
    switch (identity->kind) {
    case IDENTITY_COOKIE:
        return mark_of_cookies(request, sticky->cookie.name, mark);
    case IDENTITY_HEADER:
        return bucket_of_header(request, identity->name, &mark->bucket);
    case IDENTITY_JWT:
        return bucket_of_token(request, identity->name, &mark->bucket);
    case IDENTITY_QUERY:
        return bucket_of_query(request->query, identity->name, &mark->bucket);
    case IDENTITY_ADDRESS:
        if (client->any.sa_family != AF_INET && client->any.sa_family != AF_INET6)
            return false;
        mark->bucket = bucket_of_address(client);
        return true;
    }
    return false;
}

/* The rule, and its exception for users who were already placed and are to stay. */
static enum side side_of_mark(const struct sticky *sticky, const struct bucket_mark *mark,
                              unsigned weight)
{
    enum side side = bucket_side(mark->bucket, weight);
    bool is_absolute = weight == 0 || weight >= WEIGHT_MAX;
    if (is_absolute || !mark->has_side)
        return side;
    bool keeps = side == SIDE_NEW ? sticky->keep_on_raise : sticky->keep_on_lower;
    return keeps ? mark->side : side;
}

/* The affinity cookie was there and valid: obeys it, and renews it when it has to say more. */
static void settle_by_cookie(const struct policy *policy, struct bucket_mark mark,
                             struct decision *decision)
{
    bool carries_side = has_keep(policy->sticky) && follows_main_weight(policy, decision);
    if (!carries_side)
        mark.has_side = false;
    enum side side = side_of_mark(policy->sticky, &mark, decision->weight);
    settle(decision, side, REASON_COOKIE);
    decision->set_cookie = carries_side && (!mark.has_side || mark.side != side);
    decision->mark = (struct bucket_mark){mark.bucket, carries_side, side};
}

static void settle_by_identity(const struct policy *policy, const struct message *request,
                               const struct addr *client, struct decision *decision)
{
    const struct sticky *sticky = policy->sticky;
    for (unsigned i = 0; i < sticky->chain_count; i++) {
        struct bucket_mark mark = {0};
        if (!identify(&sticky->chain[i], sticky, request, client, &mark))
            continue;
        decision->has_bucket = true;
        decision->bucket = mark.bucket;
        if (sticky->chain[i].kind == IDENTITY_COOKIE)
            settle_by_cookie(policy, mark, decision);
        else
            settle(decision, bucket_side(mark.bucket, decision->weight), REASON_IDENTITY);
        return;
    }
    settle(decision, SIDE_OLD, REASON_DRAW);
    decision->needs_draw = true;
}

struct decision decide(const struct policy *policy, const struct message *request,
                       const struct addr *client)
{
    struct decision decision = {0};
    decision.route =
        route_match(policy->routes, policy->route_count, request->method, request->path);
    const struct route *route = route_of(policy, &decision);

    enum side side;
    if (find_override(policy->override, request, &side)) {
        settle(&decision, side, REASON_OVERRIDE);
        return decision;
    }
    if (route != NULL && route->kind == ROUTE_PINNED) {
        settle(&decision, route->pin, REASON_PIN);
        return decision;
    }
    decision.weight = follows_main_weight(policy, &decision) ? policy->weight
                                                             : policy->route_weight[decision.route];
    settle_by_identity(policy, request, client, &decision);
    return decision;
}

static bool chain_has_cookie(const struct sticky *sticky)
{
    for (unsigned i = 0; i < sticky->chain_count; i++)
        if (sticky->chain[i].kind == IDENTITY_COOKIE)
            return true;
    return false;
}

/* The buckets that new users may get: all, or those of the side that is not drained. */
static void draw_range(const struct policy *policy, unsigned weight, unsigned *from, unsigned *to)
{
    bool old_drains = policy->admin[SIDE_OLD] == ADMIN_DRAIN;
    bool new_drains = policy->admin[SIDE_NEW] == ADMIN_DRAIN;
    *from = 0;
    *to = BUCKETS;
    if (new_drains && !old_drains && weight < BUCKETS)
        *from = weight;
    if (old_drains && !new_drains && weight > 0)
        *to = weight;
}

void decide_draw(const struct policy *policy, uint64_t term, struct decision *decision)
{
    CHECK(decision->needs_draw);
    const struct sticky *sticky = policy->sticky;
    unsigned from, to;
    draw_range(policy, decision->weight, &from, &to);

    decision->bucket = bucket_of_draw(term, from, to);
    decision->has_bucket = true;
    decision->needs_draw = false;
    settle(decision, bucket_side(decision->bucket, decision->weight), REASON_DRAW);
    decision->set_cookie = chain_has_cookie(sticky);
    decision->mark.bucket = decision->bucket;
    decision->mark.has_side = has_keep(sticky) && follows_main_weight(policy, decision);
    decision->mark.side = decision->home;
}

static bool may_fail_over(enum failover_policy failover, enum side to)
{
    return failover == FAILOVER_BOTH || (failover == FAILOVER_TO_OLD && to == SIDE_OLD);
}

bool decide_failover(const struct policy *policy, const bool usable[SIDES],
                     struct decision *decision)
{
    CHECK(!decision->needs_draw);
    enum side home = decision->home;
    enum side other = side_other(home);
    /* From home each time, so that asking again after an attempt gives the same kind of answer. */
    decision->side = home;
    decision->reason = decision->home_reason;
    if (usable[home] && policy->admin[home] != ADMIN_MAINT)
        return true;
    if (!usable[other] || policy->admin[other] == ADMIN_MAINT ||
        !may_fail_over(policy->failover, other))
        return false;
    decision->side = other;
    decision->reason = REASON_FAILOVER;
    return true;
}

bool freeze_stops(const struct freeze *freeze, int route, struct str method)
{
    if (!freeze->is_on || method_is_safe(method))
        return false;
    return route < 0 ? freeze->main : freeze->routes[route];
}
