/* test_api.c - the calls of the admin API against a real controller with a fake publish. */
#include "control/api.h"

#include <criterion/criterion.h>

#include <fcntl.h>

#include "http/parser.h"
#include "tempdir.h"

static struct tempdir dir;
static uv_loop_t loop;
static struct controller *controller;
static struct rates rates;
static struct admin_answer answer;
static char head[4096];
static struct message message;

static void publish(void *data, struct snapshot *snapshot)
{
    (void)data;
    (void)snapshot;
}

static void write_config(const char *weight_line)
{
    struct buf text = BUF_EMPTY;
    buf_printf(&text,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/state.json\n%s\nbackends:\n"
               "  old: {name: railway, servers: [http://127.0.0.1:9001]}\n"
               "  new: {servers: [http://127.0.0.1:9002, http://127.0.0.1:9003]}\n"
               "routes:\n"
               "  - {name: hooks, path: /webhooks/, pin: old}\n"
               "  - {name: plain, path: /plain/}\n"
               "  - {name: products, path: /api/products, weight: 30}\n",
               dir.path, weight_line);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
}

static void set_up(void)
{
    struct error error;
    struct config_problems problems;
    cr_assert_geq(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), 0);
    tempdir_make(&dir);
    write_config("initial_weight: 10");
    config_problems_init(&problems);
    struct config *config = config_load(tempdir_file(&dir, "cutover.yaml"), &problems);
    cr_assert_not_null(config);
    cr_assert_eq(uv_loop_init(&loop), 0);
    struct controller_options options = {.loop = &loop,
                                         .config = config,
                                         .config_path = tempdir_file(&dir, "cutover.yaml"),
                                         .publish = publish};
    controller = mem_zalloc(1, sizeof(*controller));
    cr_assert(controller_init(controller, &options, &error), "%s", error.text);
    config_unref(config);
    config_problems_deinit(&problems);
    message_init(&message, 20);
}

static void tear_down(void)
{
    buf_deinit(&answer.body);
    message_deinit(&message);
    controller_stop(controller);
    uv_run(&loop, UV_RUN_DEFAULT);
    controller_deinit(controller);
    mem_free(controller);
    cr_expect_eq(uv_loop_close(&loop), 0);
    tempdir_remove(&dir);
}

TestSuite(api, .init = set_up, .fini = tear_down, .timeout = 60);

/* `fields` are whole lines. The answer's status; what it says stays in `answer`. */
static unsigned call_with(const char *method, const char *target, const char *fields,
                          const char *body)
{
    struct parser parser;
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", method, target,
             fields);
    parser_init(&parser, PARSER_REQUEST);
    cr_assert_eq(parser_head(&parser, str_of(head), &message, false), PARSE_DONE, "%s", head);
    struct admin_request request = {
        .message = &message, .body = str_of(body), .peer = STR("192.0.2.1"), .rates = &rates};
    buf_deinit(&answer.body);
    answer = (struct admin_answer){.status = 0};
    api_answer(controller, &request, &answer);
    return answer.status;
}

static unsigned call(const char *method, const char *target, const char *body)
{
    return call_with(method, target, "", body);
}

static bool says(const char *text)
{
    struct str body = buf_str(&answer.body);
    return memmem(body.data, body.len, text, strlen(text)) != NULL;
}

#define EXPECT_SAYS(text) \
    cr_expect(says(text), "%s is not in %.*s", text, STR_ARG(buf_str(&answer.body)))

Test(api, status_says_what_is_configured_and_changes_nothing)
{
    uint64_t generation = controller->generation;
    cr_expect_eq(call("GET", "/v1/status", ""), 200);
    EXPECT_SAYS("\"weight\":10,");
    EXPECT_SAYS("{\"name\":\"hooks\",\"pin\":\"old\"}");
    EXPECT_SAYS("{\"name\":\"plain\",\"weight\":10,\"follows\":\"main\"}");
    EXPECT_SAYS("{\"name\":\"products\",\"weight\":30}");
    EXPECT_SAYS("\"name\":\"railway\",\"admin\":\"ready\",\"health\":\"unknown\"");
    EXPECT_SAYS("\"share\":{\"requests_1m\":0,\"sockets\":0}");
    EXPECT_SAYS("\"plan\":{\"state\":\"idle\"");
    EXPECT_SAYS("\"rollback_ready\":false");
    EXPECT_SAYS("\"last_change\":null");
    EXPECT_SAYS("\"durable\":true");
    cr_expect_eq(controller->generation, generation);
}

Test(api, health_of_a_backend_is_up_with_one_server_and_down_with_none)
{
    struct controller_backend *new = &controller->backends[SIDE_NEW];
    atomic_store(&new->servers[0].server->shared.health, HEALTH_DOWN);
    call("GET", "/v1/status", "");
    EXPECT_SAYS("\"new\":{\"name\":\"new\",\"admin\":\"ready\",\"health\":\"unknown\"");
    atomic_store(&new->servers[1].server->shared.health, HEALTH_DOWN);
    call("GET", "/v1/status", "");
    EXPECT_SAYS("\"new\":{\"name\":\"new\",\"admin\":\"ready\",\"health\":\"down\"");
    atomic_store(&new->servers[1].server->shared.health, HEALTH_UP);
    call("GET", "/v1/status", "");
    EXPECT_SAYS("\"new\":{\"name\":\"new\",\"admin\":\"ready\",\"health\":\"up\"");
}

Test(api, a_weight_is_applied_signed_and_tagged)
{
    char etag[32];
    cr_expect_eq(call_with("PUT", "/v1/weight", "X-Actor: jane\r\n",
                           "{\"weight\":12.5,\"reason\":\"week two\"}"),
                 200);
    EXPECT_SAYS("\"weight\":12.5,");
    EXPECT_SAYS("\"actor\":\"jane\"");
    EXPECT_SAYS("\"reason\":\"week two\",\"from\":10,\"to\":12.5}");
    EXPECT_SAYS("\"change\":{\"route\":\"main\",\"from\":10,\"to\":12.5}");
    cr_expect_eq(controller->snapshot->policy.weight, 1250);
    snprintf(etag, sizeof(etag), "\"%llu\"", (unsigned long long)controller->generation);
    cr_expect(str_eq(answer.etag, str_of(etag)));
}

Test(api, a_route_has_its_own_weight_and_main_is_a_name_for_the_main_one)
{
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":40,\"route\":\"products\"}"), 200);
    EXPECT_SAYS("{\"name\":\"products\",\"weight\":40}");
    EXPECT_SAYS("\"change\":{\"route\":\"products\",\"from\":30,\"to\":40}");
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":50,\"route\":\"main\"}"), 200);
    cr_expect_eq(controller->snapshot->policy.weight, 5000);
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":1,\"route\":\"nope\"}"), 404);
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":1,\"route\":\"hooks\"}"), 409);
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":1,\"route\":\"plain\"}"), 409);
}

Test(api, a_dry_run_says_what_would_move_and_moves_nothing)
{
    uint64_t generation = controller->generation;
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=1", "{\"weight\":30}"), 200);
    EXPECT_SAYS("\"dry_run\":true,\"route\":\"main\",\"from\":10,\"to\":30");
    EXPECT_SAYS("\"moves\":{\"buckets\":2000,\"share_percent\":20,\"direction\":\"to_new\"");
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=1", "{\"weight\":0.25,\"route\":\"products\"}"),
                 200);
    EXPECT_SAYS("\"moves\":{\"buckets\":2975,\"share_percent\":29.75,\"direction\":\"to_old\"");
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=1", "{\"weight\":10}"), 200);
    EXPECT_SAYS("\"direction\":\"none\"");
    cr_expect_eq(controller->generation, generation);
}

Test(api, a_misspelt_parameter_never_becomes_a_change)
{
    uint64_t generation = controller->generation;
    cr_expect_eq(call("PUT", "/v1/weight?dryrun=1", "{\"weight\":30}"), 400);
    cr_expect_eq(call("PUT", "/v1/weight?DRY_RUN=1", "{\"weight\":30}"), 400);
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=1&dry_run=0", "{\"weight\":30}"), 400);
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=0&dry_run=1", "{\"weight\":30}"), 400);
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=yes", "{\"weight\":30}"), 400);
    cr_expect_eq(call("PUT", "/v1/weight?dry_run", "{\"weight\":30}"), 400);
    cr_expect_eq(controller->generation, generation);
    cr_expect_eq(call("PUT", "/v1/weight?dry_run=0", "{\"weight\":30}"), 200);
    cr_expect_gt(controller->generation, generation);
}

static unsigned weight_if_match(const char *tag)
{
    char fields[128];
    static unsigned weight = 20;
    char body[64];
    snprintf(fields, sizeof(fields), "If-Match: %s\r\n", tag);
    snprintf(body, sizeof(body), "{\"weight\":%u}", weight++);
    return call_with("PUT", "/v1/weight", fields, body);
}

Test(api, if_match_is_one_exact_generation)
{
    char tag[64];
    unsigned long long now = controller->generation;
    snprintf(tag, sizeof(tag), "%llu", now);
    cr_expect_eq(weight_if_match(tag), 200);
    cr_expect_eq(weight_if_match(tag), 412);
    snprintf(tag, sizeof(tag), "\"%llu\"", now + 1);
    cr_expect_eq(weight_if_match(tag), 200);
    snprintf(tag, sizeof(tag), "W/\"%llu\"", now + 2);
    cr_expect_eq(weight_if_match(tag), 400);
    snprintf(tag, sizeof(tag), "\"%llu\", \"7\"", now + 2);
    cr_expect_eq(weight_if_match(tag), 400);
    cr_expect_eq(weight_if_match("x"), 400);
    cr_expect_eq(weight_if_match("\"\""), 400);
    cr_expect_eq(weight_if_match("*"), 200);
}

Test(api, a_rollback_needs_old_or_force_and_names_the_pins)
{
    atomic_store(&controller->backends[SIDE_OLD].servers[0].server->shared.health, HEALTH_DOWN);
    cr_expect_eq(call("POST", "/v1/rollback", ""), 409);
    EXPECT_SAYS("\"code\":\"old_not_usable\"");
    cr_expect_eq(controller->snapshot->policy.weight, 1000);
    cr_expect_eq(call("POST", "/v1/rollback", "{\"force\":true,\"reason\":\"errors\"}"), 200);
    EXPECT_SAYS("\"weight\":0,");
    EXPECT_SAYS("{\"name\":\"products\",\"weight\":0}");
    EXPECT_SAYS("\"rollback\":{\"to\":0,\"durable\":true,\"pins\":[\"hooks\"],"
                "\"pinned_to_new\":[]}");
    cr_expect_eq(call("POST", "/v1/rollback", "{\"to\":100.5}"), 400);
    cr_expect_eq(call("POST", "/v1/rollback", "{\"force\":1}"), 400);
}

Test(api, a_side_is_taken_out_and_back)
{
    cr_expect_eq(call("PATCH", "/v1/backends/new", "{\"admin\":\"maint\"}"), 200);
    cr_expect_eq(controller->snapshot->policy.admin[SIDE_NEW], ADMIN_MAINT);
    cr_expect_eq(controller->snapshot->policy.admin[SIDE_OLD], ADMIN_READY);
    cr_expect_eq(call("PATCH", "/v1/backends/old", "{\"admin\":\"drain\"}"), 200);
    cr_expect_eq(controller->snapshot->policy.admin[SIDE_OLD], ADMIN_DRAIN);
    cr_expect_eq(call("PATCH", "/v1/backends/new", "{\"admin\":\"ready\"}"), 200);
    cr_expect_eq(controller->snapshot->policy.admin[SIDE_NEW], ADMIN_READY);
    cr_expect_eq(call("PATCH", "/v1/backends/new", "{\"admin\":\"off\"}"), 400);
    cr_expect_eq(call("PATCH", "/v1/backends/new", "{}"), 400);
}

Test(api, a_reload_with_mistakes_lists_them_and_keeps_the_old)
{
    write_config("initial_weight: 200");
    cr_expect_eq(call("POST", "/v1/reload", ""), 422);
    EXPECT_SAYS("\"code\":\"config_invalid\"");
    EXPECT_SAYS("\"problems\":[\"");
    EXPECT_SAYS("initial_weight");
    cr_expect_eq(controller->config->initial_weight, 1000);
    write_config("initial_weight: 20");
    cr_expect_eq(call("POST", "/v1/reload", ""), 200);
    cr_expect_eq(controller->config->initial_weight, 2000);
}

Test(api, paths_and_methods_that_are_not_there)
{
    cr_expect_eq(call("GET", "/v1/nope", ""), 404);
    cr_expect_eq(call("GET", "/v1/status/", ""), 404);
    cr_expect_eq(call("PATCH", "/v1/backends/middle", "{}"), 404);
    EXPECT_SAYS("the backends are old and new");
    cr_expect_eq(call("POST", "/v1/weight", "{\"weight\":1}"), 405);
    cr_expect_str_eq(answer.allow, "PUT");
    cr_expect_eq(call("DELETE", "/v1/status", ""), 405);
    cr_expect_str_eq(answer.allow, "GET, HEAD");
    cr_expect_eq(call("HEAD", "/v1/status", ""), 200);
    cr_expect_eq(call("POST", "/v1/sockets/move", "{}"), 501);
    EXPECT_SAYS("\"code\":\"not_in_this_version\"");
}

Test(api, ready_only_once_a_server_is_up_and_until_it_drains)
{
    cr_expect_eq(call("GET", "/healthz", ""), 200);
    cr_expect_eq(call("GET", "/readyz", ""), 503);
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_expect_eq(call("GET", "/readyz", ""), 200);
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    cr_expect_eq(call("GET", "/readyz", ""), 200, "once ready, it stays ready");
    controller->draining = true;
    cr_expect_eq(call("GET", "/readyz", ""), 503);
    cr_expect_eq(call("GET", "/healthz", ""), 200);
}

Test(api, every_attempt_to_change_is_an_event)
{
    uint64_t before = controller->events.next_id;
    call("PUT", "/v1/weight", "{\"weight\":101}");
    call("PUT", "/v1/weight", "{\"weight\":11,\"route\":\"hooks\"}");
    call("PUT", "/v1/weight", "{\"weight\":11}");
    call("GET", "/v1/weight", "");
    call("POST", "/v1/explain", "{}");
    cr_expect_eq(controller->events.next_id, before + 3);
    cr_expect_str_eq(events_get(&controller->events, before)->result, "weight_out_of_range");
    cr_expect_str_eq(events_get(&controller->events, before)->actor, "192.0.2.1");
    cr_expect_str_eq(events_get(&controller->events, before + 1)->result, "route_pinned");
    cr_expect_str_eq(events_get(&controller->events, before + 2)->result, "ok");
}

Test(api, events_are_paged_from_the_newest)
{
    char body[64];
    call("GET", "/v1/events", "");
    uint64_t first = controller->events.next_id;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(body, sizeof(body), "{\"weight\":%u}", 50 + i);
        call("PUT", "/v1/weight", body);
    }
    cr_expect_eq(call("GET", "/v1/events?limit=2", ""), 200);
    cr_expect_not(says("\"to\":52"));
    EXPECT_SAYS("\"to\":53");
    EXPECT_SAYS("\"to\":54");
    snprintf(body, sizeof(body), "/v1/events?after=%llu", (unsigned long long)first + 3);
    call("GET", body, "");
    cr_expect_not(says("\"to\":53"));
    EXPECT_SAYS("\"to\":54");
    call("GET", "/v1/events?after=99999", "");
    cr_expect(str_eq(buf_str(&answer.body), STR("{\"events\":[]}")));
    call("GET", "/v1/events?limit=0", "");
    cr_expect(str_eq(buf_str(&answer.body), STR("{\"events\":[]}")));
    cr_expect_eq(call("GET", "/v1/events?limit=x", ""), 400);
}

Test(api, a_follower_begins_where_it_left_off)
{
    call("PUT", "/v1/weight", "{\"weight\":51}");
    call("PUT", "/v1/weight", "{\"weight\":52}");
    uint64_t newest = controller->events.next_id - 1;
    char fields[64];
    cr_expect_eq(call("GET", "/v1/events?follow=1", ""), 200);
    cr_expect(answer.stream_events);
    cr_expect_eq(answer.stream_after, newest);
    call("GET", "/v1/events?follow=1&limit=1", "");
    cr_expect_eq(answer.stream_after, newest - 1);
    snprintf(fields, sizeof(fields), "Last-Event-ID: %llu\r\n", (unsigned long long)newest - 1);
    call_with("GET", "/v1/events?follow=1", fields, "");
    cr_expect_eq(answer.stream_after, newest - 1);
    call_with("GET", "/v1/events?follow=1", "Last-Event-ID: 99999\r\n", "");
    cr_expect_eq(answer.stream_after, 0, "an id of before a restart");
}

Test(api, the_actor_is_short_and_printable_or_the_address)
{
    char fields[128];
    call_with("PUT", "/v1/weight", "X-Actor: Jane Doe\r\n", "{\"weight\":61}");
    EXPECT_SAYS("\"actor\":\"Jane Doe\"");
    snprintf(fields, sizeof(fields), "X-Actor: %064d\r\n", 0);
    call_with("PUT", "/v1/weight", fields, "{\"weight\":62}");
    EXPECT_SAYS("\"actor\":\"192.0.2.1\"");
    call_with("PUT", "/v1/weight", "X-Actor: \xc3\xa4\r\n", "{\"weight\":63}");
    EXPECT_SAYS("\"actor\":\"192.0.2.1\"");
}

Test(api, explain_decides_as_the_data_path_does)
{
    cr_expect_eq(call("POST", "/v1/explain",
                      "{\"method\":\"GET\",\"path\":\"/api/products/7\","
                      "\"headers\":{\"Cookie\":\"cutover=2999\"}}"),
                 200);
    EXPECT_SAYS("\"route\":\"products\",\"reason\":\"cookie\",\"bucket\":2999,\"weight\":30,"
                "\"side\":\"new\",\"home\":\"new\"");
    call("POST", "/v1/explain",
         "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"Cookie\":[\"cutover=2999\"]}}");
    EXPECT_SAYS("\"route\":\"main\",\"reason\":\"cookie\",\"bucket\":2999,\"weight\":10,"
                "\"side\":\"old\"");
    EXPECT_SAYS("\"server_candidates\":[\"http://127.0.0.1:9001\"]");
    call("POST", "/v1/explain", "{\"method\":\"POST\",\"path\":\"/webhooks/x\"}");
    EXPECT_SAYS("\"route\":\"hooks\",\"reason\":\"pin\",\"bucket\":null");
    call("PATCH", "/v1/backends/old", "{\"admin\":\"maint\"}");
    call("POST", "/v1/explain", "{\"method\":\"POST\",\"path\":\"/webhooks/x\"}");
    EXPECT_SAYS("\"reason\":\"failover\"");
    EXPECT_SAYS("\"side\":\"new\",\"home\":\"old\",\"home_reason\":\"pin\",\"failover\":true");
    EXPECT_SAYS("\"usable\":{\"old\":false,\"new\":true}");
}

/* What explain says about draws must be what decide_draw does. */
Test(api, explain_gives_the_odds_of_a_draw)
{
    static const char *const states[] = {"ready", "drain"};
    for (unsigned i = 0; i < 4; i++) {
        char body[64], odds[64];
        snprintf(body, sizeof(body), "{\"admin\":\"%s\"}", states[i % 2]);
        call("PATCH", "/v1/backends/old", body);
        snprintf(body, sizeof(body), "{\"admin\":\"%s\"}", states[i / 2]);
        call("PATCH", "/v1/backends/new", body);
        unsigned to_new = 0;
        for (uint64_t term = 0; term < 10000; term++) {
            struct decision decision = {
                .route = -1, .weight = controller->snapshot->policy.weight, .needs_draw = true};
            decide_draw(&controller->snapshot->policy, term, &decision);
            to_new += decision.side == SIDE_NEW ? 1 : 0;
        }
        to_new = (to_new + 50) / 100;
        snprintf(odds, sizeof(odds), "\"share\":{\"old\":%u,\"new\":%u}", 100 - to_new, to_new);
        cr_expect_eq(call("POST", "/v1/explain", "{\"method\":\"GET\",\"path\":\"/\"}"), 200);
        EXPECT_SAYS("\"reason\":\"draw\",\"bucket\":null,\"weight\":10,\"side\":");
        cr_expect_eq(says("\"side\":null"), to_new > 0 && to_new < 100, "%u", to_new);
        EXPECT_SAYS(odds);
        EXPECT_SAYS("\"set_cookie\":true");
    }
}

static void set_health(enum side side, enum health_state state)
{
    struct controller_backend *backend = &controller->backends[side];
    for (unsigned i = 0; i < backend->count; i++)
        atomic_store(&backend->servers[i].server->shared.health, state);
}

static void reload_with(const char *line)
{
    write_config(line);
    cr_assert_eq(call("POST", "/v1/reload", ""), 200, "%.*s", STR_ARG(buf_str(&answer.body)));
}

Test(api, explain_lets_draws_fail_over_as_the_data_path_does)
{
    static const char any[] = "{\"method\":\"GET\",\"path\":\"/\"}";
    set_health(SIDE_NEW, HEALTH_DOWN);
    call("POST", "/v1/explain", any);
    EXPECT_SAYS("\"reason\":\"draw\"");
    EXPECT_SAYS("\"side\":\"old\",\"share\":{\"old\":100,\"new\":0},\"refused\":0,\"home\":null,"
                "\"home_share\":{\"old\":90,\"new\":10},\"home_reason\":\"draw\","
                "\"failover\":true");
    EXPECT_SAYS("\"server_candidates\":[\"http://127.0.0.1:9001\"]");
    call("PUT", "/v1/weight", "{\"weight\":100}");
    call("POST", "/v1/explain", any);
    EXPECT_SAYS("\"reason\":\"failover\"");
    EXPECT_SAYS("\"home\":\"new\"");
    reload_with("failover: none");
    call("POST", "/v1/explain", any);
    EXPECT_SAYS("\"side\":null,\"share\":{\"old\":0,\"new\":0},\"refused\":100");
    EXPECT_SAYS("\"failover\":false");
    EXPECT_SAYS("\"server_candidates\":[]");
    set_health(SIDE_NEW, HEALTH_UP);
    call("PATCH", "/v1/backends/new", "{\"admin\":\"maint\"}");
    call("PUT", "/v1/weight", "{\"weight\":30}");
    call("POST", "/v1/explain", any);
    EXPECT_SAYS("\"side\":null,\"share\":{\"old\":70,\"new\":0},\"refused\":30");
    EXPECT_SAYS("\"server_candidates\":[\"http://127.0.0.1:9001\"]");
    set_health(SIDE_OLD, HEALTH_DOWN);
    call("POST", "/v1/explain",
         "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"Cookie\":\"cutover=9999\"}}");
    EXPECT_SAYS("\"side\":null,\"home\":\"old\"");
    EXPECT_SAYS("\"server_candidates\":[]");
}

Test(api, a_side_that_cannot_take_its_users_is_warned_of)
{
    call("GET", "/v1/status", "");
    EXPECT_SAYS("\"warnings\":[]");
    set_health(SIDE_NEW, HEALTH_DOWN);
    cr_expect_eq(call("PUT", "/v1/weight", "{\"weight\":30}"), 200);
    EXPECT_SAYS("\"warnings\":[\"new has no server that is up: its users are on old meanwhile "
                "(failover)\"]");
    call("GET", "/v1/status", "");
    EXPECT_SAYS("\"warnings\":[\"new has no server that is up");
    call("PUT", "/v1/weight?dry_run=1", "{\"weight\":0}");
    EXPECT_SAYS("\"warnings\":[]");
    call("PUT", "/v1/weight?dry_run=1", "{\"weight\":1}");
    EXPECT_SAYS("\"warnings\":[\"new has no server that is up");
    call("POST", "/v1/rollback", "");
    EXPECT_SAYS("\"warnings\":[]");
    call("PUT", "/v1/weight", "{\"weight\":30}");
    reload_with("failover: none");
    EXPECT_SAYS("new has no server that is up: its users get 503 meanwhile (failover: none)");
    set_health(SIDE_NEW, HEALTH_UP);
    call("PATCH", "/v1/backends/new", "{\"admin\":\"maint\"}");
    EXPECT_SAYS("\"warnings\":[\"new is in maint: its users get 503 meanwhile (failover: none)\"]");
    call("PATCH", "/v1/backends/old", "{\"admin\":\"maint\"}");
    EXPECT_SAYS("\"warnings\":[\"nobody can take requests now: every request is answered 503 "
                "(old is in maint; new is in maint)\"]");
}

Test(api, a_drain_that_changes_nothing_is_warned_of)
{
    call("PUT", "/v1/weight", "{\"weight\":100}");
    call("PATCH", "/v1/backends/new", "{\"admin\":\"drain\"}");
    EXPECT_SAYS("\"warnings\":[]"); /* the route's own weight has new users for old */
    call("PUT", "/v1/weight", "{\"weight\":100,\"route\":\"products\"}");
    EXPECT_SAYS("drain changes nothing at 100 %: there is no other side for new users");
    call("PATCH", "/v1/backends/old", "{\"admin\":\"drain\"}");
    EXPECT_SAYS("both sides are in drain");
    call("PATCH", "/v1/backends/new", "{\"admin\":\"ready\"}");
    EXPECT_SAYS("\"warnings\":[]");
    call("POST", "/v1/rollback", "");
    EXPECT_SAYS("drain changes nothing at 0 %");
}

Test(api, pins_to_new_are_told_apart_at_a_rollback)
{
    struct buf text = BUF_EMPTY;
    buf_printf(&text,
               "initial_weight: 10\nbackends:\n  old: {servers: [http://127.0.0.1:9001]}\n"
               "  new: {servers: [http://127.0.0.1:9002]}\nlisten: [{address: '127.0.0.1:0'}]\n"
               "admin: {address: '127.0.0.1:0'}\nstate_file: %s/state.json\nroutes:\n"
               "  - {name: hooks, path: /h/, pin: old}\n  - {name: beta, path: /b/, pin: new}\n",
               dir.path);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
    cr_assert_eq(call("POST", "/v1/reload", ""), 200, "%.*s", STR_ARG(buf_str(&answer.body)));
    cr_expect_eq(call("POST", "/v1/rollback", ""), 200);
    EXPECT_SAYS("\"pins\":[\"hooks\",\"beta\"],\"pinned_to_new\":[\"beta\"]");
}

Test(api, explain_takes_nothing_that_could_be_a_second_request)
{
    static const char *const bodies[] = {
        "{\"path\":\"/\"}",
        "{\"method\":\"GET\"}",
        "{\"method\":\"GET / HTTP/1.1\\r\\nA: b\",\"path\":\"/\"}",
        "{\"method\":\"GET /x\",\"path\":\"/\"}",
        "{\"method\":\"GET\",\"path\":\"/ x\"}",
        "{\"method\":\"GET\",\"path\":\"x\"}",
        "{\"method\":\"GET\",\"path\":\"\"}",
        "{\"method\":\"CONNECT\",\"path\":\"/\"}",
        "{\"method\":\"GET\",\"path\":\"/\",\"host\":\"a b\"}",
        "{\"method\":\"GET\",\"path\":\"/\",\"host\":\"a\",\"headers\":{\"host\":\"b\"}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"Host\":[\"a\",\"b\"]}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"A\\r\\nB\":\"c\"}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"A:\":\"c\"}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":{\"\":\"c\"}}",
        "{\"method\":\"GET\",\"path\":\"/\",\"headers\":[]}",
        "{\"method\":\"GET\",\"path\":\"/\",\"address\":\"nowhere\"}",
        "{\"method\":\"GET\",\"path\":\"/\",\"extra\":1}",
    };
    for (unsigned i = 0; i < ARRAY_LEN(bodies); i++)
        cr_expect_eq(call("POST", "/v1/explain", bodies[i]), 400, "%s", bodies[i]);
}

Test(api, metrics_have_every_name_of_the_contract_once)
{
    static const char *const names[] = {
        "cutover_requests_total",
        "cutover_attempts_total",
        "cutover_first_byte_seconds",
        "cutover_request_duration_seconds",
        "cutover_weight_percent",
        "cutover_backend_up",
        "cutover_server_up",
        "cutover_connections",
        "cutover_tunnels",
        "cutover_failovers_total",
        "cutover_retries_total",
        "cutover_config_generation",
        "cutover_build_info",
        "cutover_uptime_seconds",
        "cutover_log_dropped_total",
        "cutover_state_durable",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_cpu_seconds_total",
    };
    cr_expect_eq(call("GET", "/metrics", ""), 200);
    cr_expect_str_eq(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        char type[80];
        snprintf(type, sizeof(type), "# TYPE %s ", names[i]);
        struct str body = buf_str(&answer.body);
        const char *first = memmem(body.data, body.len, type, strlen(type));
        cr_assert_not_null(first, "%s is missing", names[i]);
        size_t left = body.len - (size_t)(first - body.data) - 1;
        cr_expect_null(memmem(first + 1, left, type, strlen(type)), "%s is there twice", names[i]);
    }
    EXPECT_SAYS("cutover_weight_percent{route=\"main\"} 10\n");
    EXPECT_SAYS("cutover_weight_percent{route=\"products\"} 30\n");
    EXPECT_SAYS("cutover_server_up{backend=\"new\",server=\"http://127.0.0.1:9003\"} 0\n");
}
