/*
 * explain.c - POST /v1/explain: the described request becomes a head, the head a message, and the
 * message goes through the very functions that the data path uses:
 *
 *     JSON -> "GET /x HTTP/1.1\r\nHost: ..." -> parser_head -> decide -> snapshot_settle
 *
 * Nothing is changed: a draw is described by its odds and takes no term of the sequence.
 */
#include "control/explain.h"

#include "base/clock.h"
#include "control/api.h"
#include "control/fields.h"
#include "control/fleet.h"
#include "http/parser.h"

#define HEADERS_MAX       64
#define METHOD_MAX_BYTES  32
#define PATH_MAX_BYTES    8192
#define HOST_MAX_BYTES    255
#define ADDRESS_MAX_BYTES 64

struct explained {
    struct buf head;
    bool has_host; /* a Host was among the headers */
    unsigned headers;
    struct addr client; /* AF_UNSPEC: not given */
};

/* The described request as a head */

/* One word of the request line or a field name: nothing that could begin another part. */
static bool is_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c == 0x7f)
            return false;
    }
    return text.len > 0;
}

static bool is_one_line(struct str text)
{
    return memchr(text.data, '\r', text.len) == NULL && memchr(text.data, '\n', text.len) == NULL &&
           memchr(text.data, '\0', text.len) == NULL;
}

static bool add_header(void *data, struct str name, struct str value, struct error *error)
{
    struct explained *explained = data;
    if (!is_word(name) || str_find_char(name, ':', 0) >= 0 || !is_one_line(value)) {
        return error_set(error, "headers: \"%.*s\" is not a valid field",
                         STR_ARG(str_slice(name, 0, 64)));
    }
    if (++explained->headers > HEADERS_MAX)
        return error_set(error, "headers: at most %d", HEADERS_MAX);
    explained->has_host = explained->has_host || str_eq_nocase(name, STR("Host"));
    buf_append_str(&explained->head, name);
    buf_append_str(&explained->head, STR(": "));
    buf_append_str(&explained->head, value);
    buf_append_str(&explained->head, STR("\r\n"));
    return true;
}

static void add_request_line(struct fields *fields, struct buf *head)
{
    struct str method = STR("GET"), path = STR("/");
    fields_require(fields, "method");
    fields_require(fields, "path");
    if (fields_text(fields, "method", METHOD_MAX_BYTES, &method) && !is_word(method))
        fields_fault(fields, "bad_value", "method: expected a word such as GET");
    if (fields_text(fields, "path", PATH_MAX_BYTES, &path) &&
        (!is_word(path) || path.data[0] != '/'))
        fields_fault(fields, "bad_value", "path: expected a path such as /api/products?page=2");
    buf_append_str(head, method);
    buf_append_char(head, ' ');
    buf_append_str(head, path);
    buf_append_str(head, STR(" HTTP/1.1\r\n"));
}

static void add_host(struct fields *fields, struct explained *explained)
{
    struct str host = STR("localhost");
    bool is_given = fields_text(fields, "host", HOST_MAX_BYTES, &host);
    struct error error;
    if (is_given && explained->has_host)
        fields_fault(fields, "bad_value", "host: is also among the headers");
    else if (is_given && !is_word(host))
        fields_fault(fields, "bad_value", "host: expected a name such as app.example.org");
    else if (!explained->has_host && !add_header(explained, STR("Host"), host, &error))
        fields_fault(fields, "bad_value", "%s", error.text);
}

static void describe(struct fields *fields, struct explained *explained)
{
    struct str address;
    add_request_line(fields, &explained->head);
    fields_pairs(fields, "headers", add_header, explained);
    add_host(fields, explained);
    buf_append_str(&explained->head, STR("\r\n"));
    if (fields_text(fields, "address", ADDRESS_MAX_BYTES, &address) &&
        !addr_parse_ip(address, 0, &explained->client))
        fields_fault(fields, "bad_value", "address: expected one such as 203.0.113.7");
}

/* The decision as JSON */

/* Those that the balancer chooses among: when all are ejected, all that are not down. */
static void write_candidates(const struct snapshot_backend *backend, uint64_t now_ms,
                             struct json *json)
{
    bool has_usable = false;
    for (unsigned i = 0; i < backend->count; i++)
        has_usable = has_usable || server_is_usable(backend->servers[i].server, now_ms);
    for (unsigned i = 0; i < backend->count; i++) {
        const struct server *server = backend->servers[i].server;
        if (has_usable ? server_is_usable(server, now_ms) : server_health(server) != HEALTH_DOWN)
            json_text(json, NULL, server->url);
    }
}

/*
 * What a draw would give, in hundredths of a percent: the weight, unless one side takes no new
 * users and the other one has buckets for them (decide_draw).
 */
static unsigned draw_share(const struct policy *policy, unsigned weight)
{
    bool old_drains = policy->admin[SIDE_OLD] == ADMIN_DRAIN;
    bool new_drains = policy->admin[SIDE_NEW] == ADMIN_DRAIN;
    if (new_drains && !old_drains && weight < WEIGHT_MAX)
        return 0;
    return old_drains && !new_drains && weight > 0 ? WEIGHT_MAX : weight;
}

/* What becomes of all draws, in hundredths of a percent of them. */
struct draws {
    unsigned home[SIDES];    /* by the draw alone */
    unsigned reached[SIDES]; /* after failover */
    unsigned moved;          /* by failover */
    unsigned refused;        /* 503 */
};

static struct draws follow_draws(const struct snapshot *snapshot, uint64_t now_ms,
                                 const struct decision *decision)
{
    unsigned to_new = draw_share(&snapshot->policy, decision->weight);
    struct draws draws = {.home = {[SIDE_OLD] = WEIGHT_MAX - to_new, [SIDE_NEW] = to_new}};
    for (int home = 0; home < SIDES; home++) {
        struct decision drawn = *decision;
        drawn.needs_draw = false;
        drawn.home = drawn.side = (enum side)home;
        drawn.reason = drawn.home_reason = REASON_DRAW;
        if (!snapshot_settle(snapshot, now_ms, &drawn)) {
            draws.refused += draws.home[home];
            continue;
        }
        draws.reached[drawn.side] += draws.home[home];
        draws.moved += drawn.side == drawn.home ? 0 : draws.home[home];
    }
    return draws;
}

/* The side that has all of them, or null. */
static void write_if_sure(const unsigned share[SIDES], const char *name, struct json *json)
{
    if (share[SIDE_OLD] == WEIGHT_MAX || share[SIDE_NEW] == WEIGHT_MAX)
        json_text(json, name, side_name(share[SIDE_NEW] == WEIGHT_MAX ? SIDE_NEW : SIDE_OLD));
    else
        json_none(json, name);
}

static void write_share(const unsigned share[SIDES], const char *name, struct json *json)
{
    json_object_begin(json, name);
    json_decimal(json, "old", share[SIDE_OLD], 2);
    json_decimal(json, "new", share[SIDE_NEW], 2);
    json_object_end(json);
}

/* No bucket yet: the odds, after failover and before it. */
static void write_draw(const struct policy *policy, const struct draws *draws,
                       const struct decision *decision, struct json *json)
{
    bool all_moved = draws->moved == WEIGHT_MAX;
    json_text(json, "reason", reason_name(all_moved ? REASON_FAILOVER : REASON_DRAW));
    json_none(json, "bucket");
    json_decimal(json, "weight", decision->weight, 2);
    write_if_sure(draws->reached, "side", json);
    write_share(draws->reached, "share", json);
    json_decimal(json, "refused", draws->refused, 2);
    write_if_sure(draws->home, "home", json);
    write_share(draws->home, "home_share", json);
    json_text(json, "home_reason", reason_name(REASON_DRAW));
    json_bool(json, "failover", draws->moved > 0);
    /* Whether the cookie is in the chain shows in what a draw would set; the term is any. */
    struct decision drawn = *decision;
    decide_draw(policy, 0, &drawn);
    json_bool(json, "set_cookie", drawn.set_cookie);
}

static void write_settled(bool stands, const struct decision *decision, struct json *json)
{
    json_text(json, "reason", reason_name(decision->reason));
    if (decision->has_bucket) {
        json_u64(json, "bucket", decision->bucket);
        json_decimal(json, "weight", decision->weight, 2);
    } else {
        json_none(json, "bucket");
        json_none(json, "weight");
    }
    json_text(json, "side", stands ? side_name(decision->side) : NULL);
    json_text(json, "home", side_name(decision->home));
    json_text(json, "home_reason", reason_name(decision->home_reason));
    json_bool(json, "failover", stands && decision->side != decision->home);
    json_bool(json, "set_cookie", decision->set_cookie);
}

static void write_decision(const struct snapshot *snapshot, struct decision *decision,
                           struct json *json)
{
    const struct policy *policy = &snapshot->policy;
    uint64_t now_ms = clock_mono_ms();
    bool usable[SIDES];
    bool reached[SIDES];
    snapshot_usable(snapshot, now_ms, usable);
    for (int side = 0; side < SIDES; side++)
        usable[side] = usable[side] && policy->admin[side] != ADMIN_MAINT;
    json_str(json, "route", decision_route_name(policy, decision));
    if (decision->needs_draw) {
        struct draws draws = follow_draws(snapshot, now_ms, decision);
        write_draw(policy, &draws, decision, json);
        for (int side = 0; side < SIDES; side++)
            reached[side] = draws.reached[side] > 0;
    } else {
        bool stands = snapshot_settle(snapshot, now_ms, decision);
        write_settled(stands, decision, json);
        for (int side = 0; side < SIDES; side++)
            reached[side] = stands && decision->side == (enum side)side;
    }
    json_object_begin(json, "usable");
    json_bool(json, "old", usable[SIDE_OLD]);
    json_bool(json, "new", usable[SIDE_NEW]);
    json_object_end(json);
    json_array_begin(json, "server_candidates");
    for (int side = 0; side < SIDES; side++)
        if (reached[side])
            write_candidates(&snapshot->backends[side], now_ms, json);
    json_array_end(json);
}

static void decide_described(const struct controller *controller, struct explained *explained,
                             struct admin_answer *answer)
{
    struct parser parser;
    struct message message;
    struct json json;
    parser_init(&parser, PARSER_REQUEST);
    message_init(&message, HEADERS_MAX + 1);
    if (parser_head(&parser, buf_str(&explained->head), &message, false) != PARSE_DONE) {
        struct error error;
        error_set(&error, "such a request is refused with 4xx: %s",
                  strict_fault_text(parser.fault));
        api_refuse(answer, CONTROL_BAD_VALUE, error.text);
    } else {
        struct decision decision =
            decide(&controller->snapshot->policy, &message, &explained->client);
        json_init(&json, &answer->body);
        json_object_begin(&json, NULL);
        write_decision(controller->snapshot, &decision, &json);
        json_object_end(&json);
        answer->status = 200;
    }
    message_deinit(&message);
}

void explain_answer(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer)
{
    static const char *const names[] = {"method", "path", "host", "headers", "address"};
    struct explained explained = {.head = BUF_EMPTY};
    struct fields fields;
    explained.client.any.sa_family = AF_UNSPEC;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    describe(&fields, &explained);
    if (fields.code != NULL)
        api_refuse_fields(answer, &fields);
    else
        decide_described(controller, &explained, answer);
    fields_deinit(&fields);
    buf_deinit(&explained.head);
}
