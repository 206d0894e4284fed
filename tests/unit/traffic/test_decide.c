#include "traffic/decide.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* A policy to change and a request to fill, fresh for each test. */
static const struct str post_only[] = {STR_INIT("POST")};
static const struct route routes[] = {
    {.name = STR_INIT("hooks"),
     .path = STR_INIT("/hooks/"),
     .methods = post_only,
     .method_count = 1,
     .kind = ROUTE_PINNED,
     .pin = SIDE_OLD},
    {.name = STR_INIT("ahead"), .path = STR_INIT("/ahead"), .kind = ROUTE_PINNED, .pin = SIDE_NEW},
    {.name = STR_INIT("products"), .path = STR_INIT("/products"), .kind = ROUTE_WEIGHTED},
    {.name = STR_INIT("named"), .path = STR_INIT("/named"), .kind = ROUTE_FOLLOWS},
};
static struct sticky sticky;
static struct override override;
static struct policy policy;
static struct field fields[8];
static struct message request;
static struct addr client;

static void set_up(void)
{
    sticky = (struct sticky){.cookie.name = STR("cutover"), .chain_count = 1};
    override = (struct override){.header = STR("X-Cutover-Backend")};
    policy = (struct policy){.routes = routes,
                             .route_count = ARRAY_LEN(routes),
                             .sticky = &sticky,
                             .override = &override,
                             .weight = 3000,
                             .route_weight = {[2] = 6000}};
    request = (struct message){
        .method = STR("GET"), .path = STR("/"), .fields = fields, .capacity = ARRAY_LEN(fields)};
    client = (struct addr){0};
}

TestSuite(decide, .init = set_up);

static void add_field(const char *name, const char *value)
{
    cr_assert_lt(request.count, request.capacity);
    fields[request.count++] =
        (struct field){str_of(name), str_of(value), field_id_of(str_of(name))};
}

/* The decision for a request whose only field is the affinity cookie with this value. */
static struct decision decide_mark(const char *mark)
{
    static char text[32]; /* the request points into it */
    snprintf(text, sizeof(text), "a=b; cutover=%s", mark);
    request.count = 0;
    add_field("Cookie", text);
    return decide(&policy, &request, &client);
}

static struct decision decide_request(void)
{
    return decide(&policy, &request, &client);
}

static void set_chain(enum identity_kind first, const char *name, enum identity_kind second)
{
    sticky.chain[0] = (struct identity){first, str_of(name)};
    sticky.chain[1] = (struct identity){second, STR("")};
    sticky.chain_count = 2;
}

static void check(struct decision decision, enum side side, enum reason reason)
{
    cr_assert_eq(decision.side, side, "goes to %s", side_name(decision.side));
    cr_assert_eq(decision.home, side);
    cr_assert_eq(decision.reason, reason, "because of %s", reason_name(decision.reason));
    cr_assert_eq(decision.home_reason, reason);
    cr_assert_eq(decision.needs_draw, reason == REASON_DRAW && !decision.has_bucket);
}

/* --- override and pin */

Test(decide, an_override_beats_pin_and_cookie_and_sets_nothing)
{
    add_field("x-cutover-backend", "new");
    add_field("Cookie", "cutover=9999");
    request.path = STR("/hooks/x");
    request.method = STR("POST");
    struct decision decision = decide_request();
    check(decision, SIDE_NEW, REASON_OVERRIDE);
    cr_assert_eq(decision.route, 0);
    cr_assert_not(decision.has_bucket || decision.set_cookie);
}

Test(decide, an_override_needs_no_bucket_at_all)
{
    add_field("X-Cutover-Backend", "old");
    policy.weight = 10000;
    check(decide_request(), SIDE_OLD, REASON_OVERRIDE);
}

Test(decide, anything_else_in_the_override_is_ignored)
{
    static const char *const values[] = {"", "New", "newer", "new x", "old,new", "1"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        request.count = 0;
        add_field("X-Cutover-Backend", values[i]);
        check(decide_request(), SIDE_OLD, REASON_DRAW);
    }
}

Test(decide, without_a_configured_header_there_is_no_override)
{
    override.header = STR("");
    add_field("X-Cutover-Backend", "new");
    add_field("", "new");
    check(decide_request(), SIDE_OLD, REASON_DRAW);
}

Test(decide, a_configured_secret_is_required)
{
    override.secret = STR("s3 cret");
    static const char *const wrong[] = {"new",          "new ",   "new S3 cret", "new s3 cre",
                                        "new s3 crets", "new s3", "news3 cret",  "s3 cret new"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        request.count = 0;
        add_field("X-Cutover-Backend", wrong[i]);
        check(decide_request(), SIDE_OLD, REASON_DRAW);
    }
    request.count = 0;
    add_field("X-Cutover-Backend", "new s3 cret");
    check(decide_request(), SIDE_NEW, REASON_OVERRIDE);
}

Test(decide, a_pinned_route_goes_to_its_side_without_bucket_and_cookie)
{
    request.path = STR("/ahead/x");
    struct decision decision = decide_mark("9999");
    check(decision, SIDE_NEW, REASON_PIN);
    cr_assert_not(decision.has_bucket || decision.set_cookie);

    request.path = STR("/hooks/x");
    request.method = STR("POST");
    check(decide_mark("0000"), SIDE_OLD, REASON_PIN);
}

/* --- the rule */

Test(decide, the_weight_of_the_route_is_compared_or_else_the_main_one)
{
    check(decide_mark("2999"), SIDE_NEW, REASON_COOKIE);
    check(decide_mark("3000"), SIDE_OLD, REASON_COOKIE);
    cr_assert_eq(decide_mark("0001").weight, 3000);
    cr_assert_eq(decide_mark("0001").bucket, 1);
    cr_assert_eq(decide_mark("0001").route, -1);

    request.path = STR("/products/7");
    check(decide_mark("5999"), SIDE_NEW, REASON_COOKIE);
    check(decide_mark("6000"), SIDE_OLD, REASON_COOKIE);
    cr_assert_eq(decide_mark("0001").weight, 6000);
    cr_assert_eq(decide_mark("0001").route, 2);

    request.path = STR("/named");
    check(decide_mark("3000"), SIDE_OLD, REASON_COOKIE);
    cr_assert_eq(decide_mark("3000").weight, 3000);
}

/* The share on new and the moves since the last call, by asking for every bucket there is. */
static unsigned ramp_to(unsigned weight, enum side sides[BUCKETS], unsigned moves[BUCKETS][SIDES])
{
    policy.weight = weight;
    unsigned on_new = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        char mark[16];
        snprintf(mark, sizeof(mark), "%04u", bucket);
        struct decision decision = decide_mark(mark);
        cr_assert_eq(decision.reason, REASON_COOKIE);
        cr_assert_not(decision.set_cookie);
        moves[bucket][decision.side] += decision.side != sides[bucket] ? 1 : 0;
        sides[bucket] = decision.side;
        on_new += decision.side == SIDE_NEW ? 1 : 0;
    }
    return on_new;
}

Test(decide, a_whole_plan_moves_every_user_once_to_new_and_once_back)
{
    static enum side sides[BUCKETS];
    static unsigned moves[BUCKETS][SIDES];
    static const unsigned plan[] = {0, 1000, 3000, 7000, 10000, 3000, 0};
    for (size_t i = 0; i < ARRAY_LEN(plan); i++)
        cr_assert_eq(ramp_to(plan[i], sides, moves), plan[i]);
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        cr_assert(moves[bucket][SIDE_NEW] == 1 && moves[bucket][SIDE_OLD] == 1);
}

/* --- identities */

Test(decide, a_cookie_that_is_no_mark_counts_as_absent)
{
    check(decide_mark("new"), SIDE_OLD, REASON_DRAW);
    check(decide_mark("427"), SIDE_OLD, REASON_DRAW);
    check(decide_mark("0427x"), SIDE_OLD, REASON_DRAW);
}

Test(decide, the_first_identity_that_applies_wins)
{
    set_chain(IDENTITY_HEADER, "X-User", IDENTITY_COOKIE);
    struct decision decision = decide_mark("0001");
    check(decision, SIDE_NEW, REASON_COOKIE);

    policy.weight = 3033; /* alice is 3032 */
    add_field("x-user", "alice");
    decision = decide_request();
    check(decision, SIDE_NEW, REASON_IDENTITY);
    cr_assert_eq(decision.bucket, bucket_of_value(STR("alice")));
    cr_assert_not(decision.set_cookie);

    policy.weight = 3032;
    check(decide_request(), SIDE_OLD, REASON_IDENTITY);

    fields[1].value = STR("");
    check(decide_request(), SIDE_NEW, REASON_COOKIE);
}

Test(decide, the_token_is_an_identity)
{
    set_chain(IDENTITY_JWT, "sub", IDENTITY_COOKIE);
    add_field("Authorization", "Bearer e30.eyJzdWIiOiI0MiJ9.c2ln");
    struct decision decision = decide_request();
    cr_assert_eq(decision.reason, REASON_IDENTITY);
    cr_assert_eq(decision.bucket, bucket_of_value(STR("42")));
}

static bool query_gives(const char *query, const char *value)
{
    request.query = str_of(query);
    struct decision decision = decide_request();
    if (value == NULL)
        return decision.needs_draw;
    return decision.reason == REASON_IDENTITY && decision.bucket == bucket_of_value(str_of(value));
}

Test(decide, the_first_query_parameter_of_that_name_is_an_identity)
{
    set_chain(IDENTITY_QUERY, "user", IDENTITY_COOKIE);
    cr_assert(query_gives("user=alice", "alice"));
    cr_assert(query_gives("&a=b&&user=alice&user=bob", "alice"));
    cr_assert(query_gives("xuser=1&users=2&user=a=b%20c", "a=b%20c"));
    cr_assert(query_gives("user&user=alice", "alice"));
    cr_assert(query_gives("user=&user=alice", NULL));
    cr_assert(query_gives("", NULL));
    cr_assert(query_gives("User=alice", NULL));
    cr_assert(query_gives("user", NULL));
    cr_assert(query_gives("a=user=alice", NULL));
}

Test(decide, the_address_is_an_identity_and_an_empty_one_is_not)
{
    set_chain(IDENTITY_ADDRESS, "", IDENTITY_COOKIE);
    check(decide_request(), SIDE_OLD, REASON_DRAW);
    cr_assert(addr_parse_ip(STR("192.0.2.1"), 1234, &client));
    struct decision decision = decide_request();
    cr_assert_eq(decision.reason, REASON_IDENTITY);
    cr_assert_eq(decision.bucket, bucket_of_address(&client));
}

Test(decide, an_empty_chain_leaves_only_draws_and_sets_no_cookie)
{
    sticky.chain_count = 0;
    struct decision decision = decide_mark("0001");
    check(decision, SIDE_OLD, REASON_DRAW);
    decide_draw(&policy, 1, &decision);
    cr_assert_not(decision.set_cookie);
}

/* --- keep */

static void check_mark(const char *mark, enum side side, bool set_cookie)
{
    struct decision decision = decide_mark(mark);
    check(decision, side, REASON_COOKIE);
    cr_assert_eq(decision.set_cookie, set_cookie, "cookie after %s", mark);
    if (set_cookie) {
        cr_assert(decision.mark.has_side && decision.mark.side == side);
        cr_assert_eq(decision.mark.bucket, decision.bucket);
    }
}

Test(decide, without_keep_the_side_in_a_cookie_means_nothing)
{
    check_mark("0001o", SIDE_NEW, false);
    check_mark("9999n", SIDE_OLD, false);
    check_mark("0001", SIDE_NEW, false);
}

Test(decide, keep_on_raise_keeps_only_those_on_old)
{
    sticky.keep_on_raise = true;
    check_mark("0001o", SIDE_OLD, false);
    check_mark("0001n", SIDE_NEW, false);
    check_mark("9999o", SIDE_OLD, false);
    check_mark("9999n", SIDE_OLD, true);
}

Test(decide, keep_on_lower_keeps_only_those_on_new)
{
    sticky.keep_on_lower = true;
    check_mark("9999n", SIDE_NEW, false);
    check_mark("9999o", SIDE_OLD, false);
    check_mark("0001n", SIDE_NEW, false);
    check_mark("0001o", SIDE_NEW, true);
}

Test(decide, with_keep_a_cookie_without_side_gets_one)
{
    sticky.keep_on_lower = true;
    check_mark("0001", SIDE_NEW, true);
    check_mark("9999", SIDE_OLD, true);
}

Test(decide, weights_0_and_100_are_absolute_whatever_is_kept)
{
    sticky.keep_on_raise = sticky.keep_on_lower = true;
    policy.weight = 0;
    check_mark("0000n", SIDE_OLD, true);
    check_mark("0000o", SIDE_OLD, false);
    policy.weight = WEIGHT_MAX;
    check_mark("9999o", SIDE_NEW, true);
    check_mark("9999n", SIDE_NEW, false);
}

Test(decide, a_weighted_route_neither_obeys_nor_changes_the_kept_side)
{
    sticky.keep_on_raise = sticky.keep_on_lower = true;
    request.path = STR("/products");
    check_mark("5999o", SIDE_NEW, false);
    check_mark("6000n", SIDE_OLD, false);
    check_mark("5999", SIDE_NEW, false);

    request.count = 0;
    struct decision decision = decide_request();
    decide_draw(&policy, 1, &decision);
    cr_assert(decision.set_cookie);
    cr_assert_not(decision.mark.has_side);
}

Test(decide, only_cookies_are_kept)
{
    sticky.keep_on_raise = true;
    set_chain(IDENTITY_HEADER, "X-User", IDENTITY_COOKIE);
    policy.weight = 9000;
    add_field("Cookie", "cutover=3032o");
    add_field("X-User", "alice");
    struct decision decision = decide_request();
    check(decision, SIDE_NEW, REASON_IDENTITY);
    cr_assert_not(decision.set_cookie);
}

/* --- draw */

static struct decision draw(uint64_t term)
{
    request.count = 0;
    struct decision decision = decide_request();
    cr_assert(decision.needs_draw && !decision.set_cookie);
    decide_draw(&policy, term, &decision);
    return decision;
}

static unsigned new_of_1000_draws(void)
{
    unsigned on_new = 0;
    for (uint64_t term = 5000; term < 6000; term++)
        on_new += draw(term).side == SIDE_NEW ? 1 : 0;
    return on_new;
}

Test(decide, a_draw_obeys_the_rule_and_sets_the_cookie)
{
    for (uint64_t term = 0; term < 100; term++) {
        struct decision decision = draw(term);
        cr_assert_eq(decision.bucket, bucket_of_draw(term, 0, BUCKETS));
        check(decision, bucket_side(decision.bucket, 3000), REASON_DRAW);
        cr_assert(decision.has_bucket && decision.set_cookie);
        cr_assert_eq(decision.mark.bucket, decision.bucket);
        cr_assert_not(decision.mark.has_side);
    }
    unsigned on_new = new_of_1000_draws();
    cr_assert(on_new >= 297 && on_new <= 303, "%u", on_new);
}

Test(decide, with_keep_a_draw_marks_the_side)
{
    sticky.keep_on_raise = true;
    struct decision decision = draw(7);
    cr_assert(decision.mark.has_side);
    cr_assert_eq(decision.mark.side, decision.side);
}

Test(decide, a_drained_side_gets_no_new_users_but_keeps_its_own)
{
    policy.admin[SIDE_NEW] = ADMIN_DRAIN;
    cr_assert_eq(new_of_1000_draws(), 0);
    check(decide_mark("0001"), SIDE_NEW, REASON_COOKIE);

    policy.admin[SIDE_NEW] = ADMIN_READY;
    policy.admin[SIDE_OLD] = ADMIN_DRAIN;
    cr_assert_eq(new_of_1000_draws(), 1000);
    check(decide_mark("9999"), SIDE_OLD, REASON_COOKIE);
}

Test(decide, drain_cannot_take_buckets_from_a_side_that_has_none)
{
    policy.admin[SIDE_OLD] = ADMIN_DRAIN;
    policy.weight = 0;
    cr_assert_eq(new_of_1000_draws(), 0);
    policy.admin[SIDE_OLD] = ADMIN_READY;
    policy.admin[SIDE_NEW] = ADMIN_DRAIN;
    policy.weight = WEIGHT_MAX;
    cr_assert_eq(new_of_1000_draws(), 1000);
}

Test(decide, with_both_sides_drained_draws_are_ordinary)
{
    policy.admin[SIDE_OLD] = policy.admin[SIDE_NEW] = ADMIN_DRAIN;
    unsigned on_new = new_of_1000_draws();
    cr_assert(on_new >= 297 && on_new <= 303, "%u", on_new);
}

/* --- failover */

static const bool both_up[SIDES] = {true, true};
static const bool only[SIDES][SIDES] = {{true, false}, {false, true}};
static const bool none_up[SIDES] = {false, false};

Test(failover, nothing_changes_while_the_side_is_usable, .init = set_up)
{
    struct decision decision = decide_mark("0001");
    cr_assert(decide_failover(&policy, both_up, &decision));
    check(decision, SIDE_NEW, REASON_COOKIE);
    cr_assert(decide_failover(&policy, only[SIDE_NEW], &decision));
    check(decision, SIDE_NEW, REASON_COOKIE);
}

Test(failover, the_other_side_takes_this_request_and_the_cookie_stays, .init = set_up)
{
    struct decision decision = draw(3);
    struct decision before = decision;
    cr_assert(decide_failover(&policy, only[side_other(before.home)], &decision));
    cr_assert_eq(decision.side, side_other(before.home));
    cr_assert_eq(decision.home, before.home);
    cr_assert_eq(decision.reason, REASON_FAILOVER);
    cr_assert_eq(decision.home_reason, REASON_DRAW);
    cr_assert(decision.set_cookie);
    cr_assert_eq(decision.mark.bucket, before.mark.bucket);
    cr_assert_eq(decision.bucket, before.bucket);
}

Test(failover, nobody_can_take_it_when_both_are_down, .init = set_up)
{
    struct decision decision = decide_mark("0001");
    cr_assert_not(decide_failover(&policy, none_up, &decision));
    check(decision, SIDE_NEW, REASON_COOKIE);
}

Test(failover, the_policy_may_allow_only_old_or_nothing, .init = set_up)
{
    struct decision on_new = decide_mark("0001");
    struct decision on_old = decide_mark("9999");
    policy.failover = FAILOVER_TO_OLD;
    cr_assert_not(decide_failover(&policy, only[SIDE_NEW], &on_old));
    cr_assert(decide_failover(&policy, only[SIDE_OLD], &on_new));
    cr_assert_eq(on_new.side, SIDE_OLD);

    policy.failover = FAILOVER_NONE;
    cr_assert_not(decide_failover(&policy, only[SIDE_OLD], &on_new));
    cr_assert_not(decide_failover(&policy, only[SIDE_NEW], &on_old));
    check(on_new, SIDE_NEW, REASON_COOKIE);
}

Test(failover, a_side_in_maintenance_is_never_usable, .init = set_up)
{
    struct decision decision = decide_mark("0001");
    policy.admin[SIDE_NEW] = ADMIN_MAINT;
    cr_assert(decide_failover(&policy, both_up, &decision));
    cr_assert_eq(decision.side, SIDE_OLD);
    cr_assert_eq(decision.reason, REASON_FAILOVER);

    cr_assert_not(decide_failover(&policy, only[SIDE_NEW], &decision));
    policy.admin[SIDE_OLD] = ADMIN_MAINT;
    cr_assert_not(decide_failover(&policy, both_up, &decision));
}

Test(failover, a_drained_side_still_serves_its_users, .init = set_up)
{
    policy.admin[SIDE_NEW] = ADMIN_DRAIN;
    struct decision decision = decide_mark("0001");
    cr_assert(decide_failover(&policy, both_up, &decision));
    check(decision, SIDE_NEW, REASON_COOKIE);
}

Test(failover, asking_again_starts_from_home, .init = set_up)
{
    struct decision decision = decide_mark("0001");
    cr_assert(decide_failover(&policy, only[SIDE_OLD], &decision));
    cr_assert_eq(decision.side, SIDE_OLD);
    cr_assert(decide_failover(&policy, both_up, &decision));
    check(decision, SIDE_NEW, REASON_COOKIE);
}

Test(failover, overrides_and_pins_fail_over_too, .init = set_up)
{
    request.path = STR("/ahead");
    struct decision decision = decide_request();
    cr_assert(decide_failover(&policy, only[SIDE_OLD], &decision));
    cr_assert_eq(decision.side, SIDE_OLD);
    cr_assert_eq(decision.home_reason, REASON_PIN);
}

/* --- names */

static bool is_stopped(const struct freeze *freeze, int route, const char *method)
{
    return freeze_stops(freeze, route, str_of(method));
}

Test(freeze, what_changes_nothing_always_passes)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS"};
    static const char *const unsafe[] = {"POST", "PUT",      "PATCH", "DELETE", "CONNECT",
                                         "get",  "PROPFIND", "X",     ""};
    struct freeze freeze = {.is_on = true, .main = true, .routes = {true, true}};
    for (int route = -1; route < 2; route++) {
        for (size_t i = 0; i < ARRAY_LEN(safe); i++)
            cr_expect_not(is_stopped(&freeze, route, safe[i]), "%s", safe[i]);
        for (size_t i = 0; i < ARRAY_LEN(unsafe); i++)
            cr_expect(is_stopped(&freeze, route, unsafe[i]), "%s", unsafe[i]);
    }
}

Test(freeze, only_what_is_marked_stops)
{
    struct freeze freeze = {.is_on = true, .routes = {[1] = true, [ROUTES_MAX - 1] = true}};
    cr_expect_not(is_stopped(&freeze, -1, "POST"));
    cr_expect_not(is_stopped(&freeze, 0, "POST"));
    cr_expect(is_stopped(&freeze, 1, "POST"));
    cr_expect(is_stopped(&freeze, ROUTES_MAX - 1, "POST"));
    freeze = (struct freeze){.is_on = true, .main = true};
    cr_expect(is_stopped(&freeze, -1, "POST"));
    cr_expect_not(is_stopped(&freeze, 0, "POST"));
}

Test(freeze, off_stops_nothing_whatever_is_marked)
{
    struct freeze freeze = {.main = true, .routes = {true}};
    cr_expect_not(is_stopped(&freeze, -1, "POST"));
    cr_expect_not(is_stopped(&freeze, 0, "DELETE"));
}

Test(decide, reasons_and_routes_have_names)
{
    cr_assert_str_eq(reason_name(REASON_OVERRIDE), "override");
    cr_assert_str_eq(reason_name(REASON_FAILOVER), "failover");
    struct decision decision = decide_request();
    cr_assert(str_eq(decision_route_name(&policy, &decision), STR("main")));
    request.path = STR("/products");
    decision = decide_request();
    cr_assert(str_eq(decision_route_name(&policy, &decision), STR("products")));
}
