/*
 * decide.h - route, bucket and side of one request: pure functions of the policy and the request.
 *
 *     override > pin > cookie | identity | draw (bucket against weight) > failover
 *
 * Used by the data path for each request and by /v1/explain for a described one. Nothing here looks
 * at a clock, a socket or a random number.
 */
#ifndef TRAFFIC_DECIDE_H
#define TRAFFIC_DECIDE_H

#include "http/cookie.h"
#include "http/message.h"
#include "traffic/bucket.h"
#include "traffic/route.h"

enum identity_kind {
    IDENTITY_COOKIE = 0, /* the affinity cookie */
    IDENTITY_HEADER,
    IDENTITY_JWT, /* a claim of the bearer token, decoded without verifying */
    IDENTITY_QUERY,
    IDENTITY_ADDRESS,
};

struct identity {
    enum identity_kind kind;
    struct str name; /* of the header, claim or query parameter */
};

#define IDENTITIES_MAX 8

/*
 * With either keep set, the cookie also says which side its user was placed on. That is the side by
 * the main weight: routes with a weight of their own neither obey nor change it. Weights 0 and
 * 100 % are absolute and move everyone, keep or not.
 */
struct sticky {
    struct cookie_attributes cookie; /* .secure is used when secure_auto is false */
    bool secure_auto;                /* Secure exactly when the client came over https */
    struct identity chain[IDENTITIES_MAX];
    unsigned chain_count;
    bool keep_on_raise; /* users already placed on old stay there when the weight rises */
    bool keep_on_lower; /* users already placed on new stay there when the weight falls */
};

struct override {
    struct str header; /* empty: no override */
    struct str secret; /* empty: none needed */
};

/* What an operator set for a side. */
enum admin_state {
    ADMIN_READY = 0,
    ADMIN_DRAIN, /* no new users; those placed stay */
    ADMIN_MAINT, /* nobody */
};

enum failover_policy { FAILOVER_BOTH = 0, FAILOVER_TO_OLD, FAILOVER_NONE };

/* No writes for a while: requests with an unsafe method are answered 503 on the routes that are
 * marked. For teams whose databases are copied. */
struct freeze {
    bool is_on;
    bool main;               /* what follows the main weight through no route */
    bool routes[ROUTES_MAX]; /* by index */
    unsigned retry_after_s;
};

/* Whether a request that was decided for `route` (-1: none matched) must not pass. Methods that
 * change nothing always do: GET, HEAD, OPTIONS (RFC 9110 9.2.1; TRACE is refused earlier). */
bool freeze_stops(const struct freeze *freeze, int route, struct str method);

/* All that decisions depend on, as one immutable value (part of a snapshot). */
struct policy {
    const struct route *routes; /* borrowed: from the configuration */
    unsigned route_count;
    const struct sticky *sticky;       /* borrowed: from the configuration */
    const struct override *override;   /* borrowed: from the configuration */
    unsigned weight;                   /* the main one */
    unsigned route_weight[ROUTES_MAX]; /* for ROUTE_WEIGHTED, by index */
    enum admin_state admin[SIDES];
    enum failover_policy failover;
    struct freeze freeze;
};

#define REASONS(X)                 \
    X(REASON_OVERRIDE, "override") \
    X(REASON_PIN, "pin")           \
    X(REASON_COOKIE, "cookie")     \
    X(REASON_IDENTITY, "identity") \
    X(REASON_DRAW, "draw")         \
    X(REASON_FAILOVER, "failover") \
    X(REASON_SKEW, "skew")

enum reason {
#define X(id, name) id,
    REASONS(X)
#undef X
        REASON_COUNT
};

const char *reason_name(enum reason reason);

struct decision {
    int route;      /* index, or -1 for the main weight */
    enum side side; /* where the request goes */
    enum side home; /* where it goes when nothing is down: differs from side on failover and skew */
    enum reason reason;
    enum reason home_reason; /* before failover */
    bool has_bucket;         /* false for override and pin, where no bucket is needed */
    unsigned bucket;
    unsigned weight; /* the one that was compared with, where has_bucket */
    bool needs_draw; /* decide_draw must follow */
    bool set_cookie; /* the answer carries the affinity cookie with `mark` */
    struct bucket_mark mark;
};

/*
 * Route and side of a request. When no identity in the chain applies, needs_draw is set and the
 * side is open until decide_draw. `client` is the client's address (for the identity `address`).
 */
struct decision decide(const struct policy *policy, const struct message *request,
                       const struct addr *client);

/*
 * Finishes a decision that needs_draw with the next term of the draw sequence. A side in drain gets
 * no new users as long as the other side has buckets at this weight.
 */
void decide_draw(const struct policy *policy, uint64_t term, struct decision *decision);

/*
 * What happens when `usable` says which sides have a server to send to (a side in maint is never
 * usable, whatever is passed). True: the decision stands, maybe moved to the other side with
 * REASON_FAILOVER; the cookie is left as it is. False: nobody can take the request. Starts from
 * `home` each time, so it may be asked again after a failed attempt.
 */
bool decide_failover(const struct policy *policy, const bool usable[SIDES],
                     struct decision *decision);

/* The name of the decision's route, or ROUTE_MAIN. */
struct str decision_route_name(const struct policy *policy, const struct decision *decision);

#endif
