#include "calls.h"

static struct finding finding;
static struct call call, other;

/* ---- reaching ---- */

static struct lookup_answer addresses(const char *const *texts, unsigned count)
{
    struct lookup_answer answer = {.count = count};

    for (unsigned i = 0; i < count; i++)
        cr_assert(addr_parse_ip(str_of(texts[i]), 80, &answer.addrs[i]));
    return answer;
}

Test(judge, names)
{
    struct lookup_answer answer = addresses((const char *[]){"10.0.0.1", "::1"}, 2);

    judge_dns(&finding, &answer, 3, "old");
    EXPECT_FINDING(finding, RESULT_OK, "2 addresses, 1 IPv4 and 1 IPv6, in 3 ms");
    judge_dns(&finding, &answer, 1500, "old");
    EXPECT_FINDING(finding, RESULT_WARN, "in 1.5 s");
    answer.count = 1;
    judge_dns(&finding, &answer, 0, "old");
    EXPECT_FINDING(finding, RESULT_OK, "1 address, IPv4, in under 1 ms");
    answer = (struct lookup_answer){.trouble = "there is no such name"};
    judge_dns(&finding, &answer, 0, "old");
    EXPECT_FINDING(finding, RESULT_FAIL, "there is no such name");
    EXPECT_TODO(finding, "backends.old.servers");
}

static struct call try_at(const char *address, int status)
{
    struct call try = {.has_connected = status == 0, .status = status, .connect_ms = 7};

    cr_assert(addr_parse(str_of(address), &try.order.addr));
    snprintf(try.trouble, sizeof(try.trouble), "%s", status == 0 ? "" : uv_strerror(status));
    return try;
}

static void connect_with(int first, int second)
{
    struct call a = try_at("10.0.0.1:80", first), b = try_at("[2001:db8::1]:80", second);

    judge_connect(&finding, (struct call *[]){&a, &b}, 2);
}

Test(judge, connections)
{
    connect_with(0, 0);
    EXPECT_FINDING(finding, RESULT_OK, "all 2 addresses");
    connect_with(0, UV_ECONNREFUSED);
    EXPECT_FINDING(finding, RESULT_WARN,
                   "1 of 2 addresses connect; [2001:db8::1]:80: connection refused");
    connect_with(0, UV_ENETUNREACH);
    EXPECT_FINDING(finding, RESULT_OK, "1 of 2 addresses connect; [2001:db8::1]:80: network");
    connect_with(UV_ETIMEDOUT, UV_ENETUNREACH);
    EXPECT_FINDING(finding, RESULT_FAIL, "no address connects; 10.0.0.1:80: connection timed out");
    EXPECT_TODO(finding, "security group");
    connect_with(UV_ENETUNREACH, UV_ECONNREFUSED);
    EXPECT_TODO(finding, "Nothing listens there");
}

#define NOW 1000000000
#define DAY 86400

static void tls_with(int64_t left_s, bool verify, bool needs_names)
{
    struct tls_question question = {
        .side = "new", .name = STR("a.test"), .verify = verify, .call = &call, .now_s = NOW};

    call = (struct call){.has_tls = true};
    call.tls = (struct tls_link_info){.version = "TLSv1.3",
                                      .has_certificate = true,
                                      .subject = "*.test",
                                      .issuer = "R11",
                                      .not_after_s = NOW + left_s};
    question.needs_names = needs_names;
    judge_tls(&finding, &question);
}

Test(judge, certificates)
{
    tls_with(63 * DAY + 5, true, false);
    EXPECT_FINDING(finding, RESULT_OK, "TLS 1.3, *.test by R11, 63 days left");
    tls_with(63 * DAY, true, true);
    EXPECT_FINDING(finding, RESULT_OK, "not for a.test: accepted by backends.new.tls.names");
    tls_with(14 * DAY, true, false);
    EXPECT_FINDING(finding, RESULT_OK, "14 days");
    tls_with(14 * DAY - 1, true, false);
    EXPECT_FINDING(finding, RESULT_WARN, "13 days");
    tls_with(3 * DAY - 1, true, false);
    EXPECT_FINDING(finding, RESULT_FAIL, "2 days");
    tls_with(-1, false, false);
    EXPECT_FINDING(finding, RESULT_WARN, "expired");
    EXPECT_TODO(finding, "verify: false");
}

static void tls_failed(enum call_fault fault, int status, const char *trouble)
{
    struct tls_question question = {
        .side = "new", .name = STR("a.test"), .verify = true, .call = &call, .now_s = NOW};

    call = (struct call){.fault = fault, .status = status};
    snprintf(call.trouble, sizeof(call.trouble), "%s", trouble);
    judge_tls(&finding, &question);
}

Test(judge, no_tls)
{
    tls_failed(CALL_TLS, UV_EPROTO, "what answers there is not TLS");
    EXPECT_FINDING(finding, RESULT_FAIL, "no TLS: what answers there is not TLS");
    EXPECT_TODO(finding, "use http://");
    tls_failed(CALL_TLS, UV_EPROTO, "tlsv1 unrecognized name");
    EXPECT_TODO(finding, "backends.new.sni");
    tls_failed(CALL_TLS, UV_ETIMEDOUT, "no TLS within 5s");
    EXPECT_TODO(finding, "says nothing");
    tls_failed(CALL_UNTRUSTED, UV_EPROTO, "unable to get local issuer certificate");
    EXPECT_TODO(finding, "ca_file");
    tls_failed(CALL_UNTRUSTED, UV_EPROTO, "certificate is not yet valid");
    EXPECT_TODO(finding, "clock");
}

/* ---- answers ---- */

#define LENGTH_0 "Content-Length: 0\r\n\r\n"

static const struct health_policy POLICY = {
    .timeout_ms = 2000, .success_min = 200, .success_max = 399};

static void health_with(const char *answer, uint64_t ms)
{
    struct asked asked = asked_of("old", &call);

    call_answered(&call, answer);
    call.first_byte_ms[0] = ms;
    judge_health(&finding, &asked, &POLICY);
    call_done(&call);
}

Test(judge, the_platforms_answer_is_no_good_health_whatever_its_status)
{
    const struct health_policy lenient = {
        .timeout_ms = 2000, .success_min = 200, .success_max = 499};
    struct asked asked = asked_of("old", &call);

    call_answered(&call, "HTTP/1.1 404 No\r\nx-railway-fallback: true\r\n" LENGTH_0);
    judge_health(&finding, &asked, &lenient);
    EXPECT_FINDING(finding, RESULT_FAIL, "Railway's edge");
    call_done(&call);
    call_answered(&call, "HTTP/1.1 404 No\r\n" LENGTH_0);
    judge_health(&finding, &asked, &lenient);
    EXPECT_FINDING(finding, RESULT_OK, "answers 404");
    call_done(&call);
}

Test(judge, health)
{
    health_with("HTTP/1.1 204 No\r\n\r\n", 12);
    EXPECT_FINDING(finding, RESULT_OK, "GET /health answers 204 in 12 ms");
    health_with("HTTP/1.1 200 OK\r\n" LENGTH_0, 1500);
    EXPECT_FINDING(finding, RESULT_WARN, "in 1.5 s, more than half of health.timeout (2s)");
    health_with("HTTP/1.1 200 OK\r\n" LENGTH_0, 2500);
    EXPECT_FINDING(finding, RESULT_FAIL, "longer than health.timeout (2s)");
    health_with("HTTP/1.1 404 No\r\nx-railway-fallback: true\r\n" LENGTH_0, 1);
    EXPECT_FINDING(finding, RESULT_FAIL, "answers 404 from Railway's edge");
    EXPECT_TODO(finding, "app.test is none of its names");
    health_with("HTTP/1.1 400 No\r\n" LENGTH_0, 1);
    EXPECT_TODO(finding, "app.test: add it to its allowed hosts");
    health_with("HTTP/1.1 421 No\r\n" LENGTH_0, 1);
    EXPECT_TODO(finding, "backends.old.host");
}

static bool host_with(const char *right, const char *wrong, bool is_healthy)
{
    struct asked asked = asked_of("new", &call);

    call_answered(&call, right);
    call_answered(&other, wrong);
    bool told = judge_host(&finding, &asked, &other, is_healthy);
    call_done(&call);
    call_done(&other);
    return told;
}

#define OK          "HTTP/1.1 200 OK\r\n" LENGTH_0
#define MISSING     "HTTP/1.1 404 No\r\n" LENGTH_0
#define BROKEN      "HTTP/1.1 500 No\r\n" LENGTH_0
#define NOT_RAILWAY "HTTP/1.1 404 No\r\nx-railway-fallback: true\r\n" LENGTH_0

Test(judge, hosts)
{
    cr_expect(host_with(OK, OK, true));
    EXPECT_FINDING(finding, RESULT_OK, "app.test answers 200, as any other Host does");
    cr_expect(host_with(OK, NOT_RAILWAY, true));
    EXPECT_FINDING(finding, RESULT_OK, "app.test answers 200, another Host 404");
    cr_expect(host_with(NOT_RAILWAY, NOT_RAILWAY, true));
    EXPECT_FINDING(finding, RESULT_FAIL, "Railway's edge");
    cr_expect(host_with(MISSING, MISSING, false));
    EXPECT_FINDING(finding, RESULT_WARN, "answers 404");
    cr_expect(host_with("HTTP/1.1 400 No\r\n" LENGTH_0, OK, true));
    EXPECT_FINDING(finding, RESULT_FAIL, "answers 400");
}

Test(judge, what_has_nothing_to_do_with_host_is_told_once)
{
    cr_expect_not(host_with(BROKEN, BROKEN, false));
    cr_expect_not(host_with("", "", false));
    cr_expect(host_with(BROKEN, OK, true));
    EXPECT_FINDING(finding, RESULT_FAIL, "answers 500");
}

static bool loop_with(const char *answer)
{
    struct asked asked = asked_of("old", &call);

    call_answered(&call, answer);
    bool found = judge_loop(&finding, &asked);
    call_done(&call);
    return found;
}

Test(judge, loops)
{
    cr_expect(loop_with("HTTP/1.1 200 OK\r\nVia: 1.1 a, 1.1 cutover-12345678\r\n" LENGTH_0));
    EXPECT_FINDING(finding, RESULT_FAIL, "comes from a cutover");
    cr_expect(loop_with("HTTP/1.1 503 No\r\nX-Cutover-Outcome: no_server\r\n" LENGTH_0));
    cr_expect_not(loop_with("HTTP/1.1 200 OK\r\nVia: 1.1 varnish\r\n" LENGTH_0));
}

static void clock_with(int64_t ahead)
{
    judge_clock(&finding, NOW + ahead, NOW);
}

Test(judge, clocks)
{
    clock_with(1);
    EXPECT_FINDING(finding, RESULT_OK, "as here");
    clock_with(-5);
    EXPECT_FINDING(finding, RESULT_OK, "5 s behind");
    clock_with(6);
    EXPECT_FINDING(finding, RESULT_WARN, "6 s ahead");
    clock_with(-61);
    EXPECT_FINDING(finding, RESULT_FAIL, "61 s behind");
    judge_clock(&finding, 0, NOW);
    EXPECT_FINDING(finding, RESULT_OK, "no Date");
    judge_clocks(&finding, 100, 101);
    EXPECT_FINDING(finding, RESULT_OK, "agree");
    judge_clocks(&finding, 100, 90);
    EXPECT_FINDING(finding, RESULT_WARN, "new is 10 s behind of old");
    judge_clocks(&finding, 0, 100);
    EXPECT_FINDING(finding, RESULT_FAIL, "new is 100 s ahead of old");
}

/* ---- limits ---- */

static void keep_alive_with(const char *field, bool has_ended, uint64_t lived_ms)
{
    char answer[200];

    snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\n%s" LENGTH_0, field);
    call_answered(&call, answer);
    call.was_watched = true;
    call.has_ended = has_ended;
    call.lived_ms = lived_ms;
    call.order.watch_ms = 70000;
    cr_expect(judge_keep_alive(&finding, &call, 4000));
    call_done(&call);
}

Test(judge, kept_connections)
{
    keep_alive_with("", false, 69999);
    EXPECT_FINDING(finding, RESULT_OK, "for more than 70 s; the proxy uses it for 4s");
    keep_alive_with("", true, 5000);
    EXPECT_FINDING(finding, RESULT_OK, "after 5.0 s");
    keep_alive_with("", true, 4400);
    EXPECT_FINDING(finding, RESULT_WARN, "after 4.4 s");
    EXPECT_TODO(finding, "timeouts.upstream_idle to 3s");
    keep_alive_with("", true, 2100);
    EXPECT_FINDING(finding, RESULT_FAIL, "after 2.1 s");
    EXPECT_TODO(finding, "timeouts.upstream_idle to 1s");
    keep_alive_with("", true, 1000);
    EXPECT_TODO(finding, "timeouts.upstream_idle to 500ms");
    keep_alive_with("", true, 20);
    EXPECT_TODO(finding, "say Connection: close");
    keep_alive_with("Keep-Alive: timeout=2\r\n", true, 2000);
    EXPECT_FINDING(finding, RESULT_OK, "(and says 2 s); the proxy uses it for 1s");
    call.order.watch_ms = 3000;
    call.has_ended = false;
    cr_expect(judge_keep_alive(&finding, &call, 4000));
    EXPECT_FINDING(finding, RESULT_WARN, "for more than 3.0 s; the proxy uses it for 4s");
    EXPECT_TODO(finding, "--idle 4s");
    call.was_watched = false;
    cr_expect_not(judge_keep_alive(&finding, &call, 4000));
}

Test(judge, request_heads)
{
    call_answered(&call, "HTTP/1.1 431 No\r\n" LENGTH_0);
    judge_request_head(&finding, 16384, 16384, NULL);
    EXPECT_FINDING(finding, RESULT_OK, "takes a head of 16 KB");
    judge_request_head(&finding, 16384, 8704, &call);
    EXPECT_FINDING(finding, RESULT_WARN, "takes a head of 8704 bytes, a larger one answers 431");
    judge_request_head(&finding, 16384, 4096, &call);
    EXPECT_FINDING(finding, RESULT_FAIL, "4 KB");
    judge_request_heads(&finding, 8192, 8192);
    EXPECT_FINDING(finding, RESULT_OK, "as large a head");
    judge_request_heads(&finding, 16384, 8192);
    EXPECT_FINDING(finding, RESULT_FAIL, "new takes a head of 8 KB, old of 16 KB");
    call_done(&call);
}

static void upload_with(const char *answer, enum call_fault fault, int status)
{
    struct asked asked = asked_of("new", &call);

    call_answered(&call, answer);
    call.fault = fault;
    call.status = status;
    judge_upload(&finding, &asked, 20 << 20);
    call_done(&call);
}

Test(judge, uploads)
{
    upload_with("HTTP/1.1 201 OK\r\n" LENGTH_0, CALL_FINE, 0);
    EXPECT_FINDING(finding, RESULT_OK, "POST of 20m to /health answers 201");
    upload_with("HTTP/1.1 413 No\r\n" LENGTH_0, CALL_FINE, 0);
    EXPECT_FINDING(finding, RESULT_FAIL, "answers 413");
    EXPECT_TODO(finding, "client_max_body_size");
    upload_with("HTTP/1.1 405 No\r\n" LENGTH_0, CALL_FINE, 0);
    EXPECT_FINDING(finding, RESULT_WARN, "answers 405");
    upload_with("", CALL_CLOSED, UV_ECONNRESET);
    EXPECT_FINDING(finding, RESULT_FAIL, "POST of 20m");
    EXPECT_TODO(finding, "cuts large bodies off");
    upload_with("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", CALL_UNFINISHED, 0);
    EXPECT_FINDING(finding, RESULT_FAIL, "answers 200");
    upload_with("", CALL_SILENT, UV_ETIMEDOUT);
    EXPECT_TODO(finding, "--timeout");
}

static void socket_with(bool has_ended, uint64_t lived_ms, unsigned pings, unsigned close_code)
{
    call = (struct call){.was_watched = true,
                         .has_ended = has_ended,
                         .lived_ms = lived_ms,
                         .pings = pings,
                         .close_code = close_code};
    call.order.watch_ms = 70000;
    judge_websocket_idle(&finding, &call);
}

Test(judge, idle_websockets)
{
    socket_with(false, 69999, 0, 0);
    EXPECT_FINDING(finding, RESULT_OK, "lives for more than 70 s");
    socket_with(false, 69999, 1, 0);
    EXPECT_FINDING(finding, RESULT_OK, "with 1 ping of the server");
    socket_with(true, 60000, 0, 0);
    EXPECT_FINDING(finding, RESULT_WARN, "is closed after 60 s");
    EXPECT_TODO(finding, "proxy_read_timeout");
    socket_with(true, 10000, 0, 0);
    EXPECT_FINDING(finding, RESULT_FAIL, "is closed after 10 s");
    socket_with(true, 60000, 3, 0);
    EXPECT_TODO(finding, "connect again");
    socket_with(true, 60000, 0, 1008);
    EXPECT_FINDING(finding, RESULT_WARN, "by the application (code 1008)");
}

/* ---- both ---- */

static void compare_with(const char *a, const char *b)
{
    struct asked old = asked_of("old", &call), new = asked_of("new", &other);

    call_answered(&call, a);
    call_answered(&other, b);
    judge_compare(&finding, &old, &new);
    call_done(&call);
    call_done(&other);
}

#define PAGE(type, body) "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\n\r\n" body
#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xx"                                                                                           \
    "xxxxxx"

#define LEADS(to) "HTTP/1.1 302 No\r\nLocation: " to "\r\n" LENGTH_0

Test(judge, pages)
{
    compare_with(PAGE("text/html", "abc"), PAGE("text/HTML; charset=utf-8", "abcd"));
    EXPECT_FINDING(finding, RESULT_OK, "old 200 text/html 3 bytes; new 200 text/HTML 4 bytes");
    compare_with(PAGE("text/html", "abc"), PAGE("application/json", "abc"));
    EXPECT_FINDING(finding, RESULT_WARN, "new 200 application/json");
    compare_with(PAGE("text/html", X100), PAGE("text/html", "x"));
    EXPECT_FINDING(finding, RESULT_WARN, "old 200 text/html 100 bytes; new 200 text/html 1 byte");
    compare_with(PAGE("text/html", X100), PAGE("text/html", X100 "xxxxx"));
    EXPECT_FINDING(finding, RESULT_OK, "105 bytes");
    compare_with(PAGE("text/html", "abc"), MISSING);
    EXPECT_FINDING(finding, RESULT_FAIL, "new 404");
    compare_with(MISSING, MISSING);
    EXPECT_FINDING(finding, RESULT_OK, "old 404 0 bytes; new 404 0 bytes");
    compare_with(MISSING, "HTTP/1.1 404 No\r\n\r\n" X100);
    EXPECT_FINDING(finding, RESULT_OK, "new 404 100 bytes");
    compare_with(LEADS("https://a.test/x?y=1"), LEADS("/x"));
    EXPECT_FINDING(finding, RESULT_OK, "old 302 to /x; new 302 to /x");
    compare_with(LEADS("/x"), LEADS("/z"));
    EXPECT_FINDING(finding, RESULT_WARN, "old 302 to /x; new 302 to /z");
    compare_with("", "");
    EXPECT_FINDING(finding, RESULT_FAIL, "old ");
}

static void preflight_with(const char *a, const char *b)
{
    struct asked old = asked_of("old", &call), new = asked_of("new", &other);

    call_answered(&call, a);
    call_answered(&other, b);
    judge_preflight(&finding, &old, &new, STR("https://a.test"));
    call_done(&call);
    call_done(&other);
}

#define CORS(origin, methods)                                 \
    "HTTP/1.1 204 OK\r\nAccess-Control-Allow-Origin: " origin \
    "\r\nAccess-Control-Allow-Methods: " methods "\r\nAccess-Control-Max-Age: 5\r\n\r\n"

Test(judge, preflights)
{
    preflight_with(CORS("https://a.test", "GET, POST"), CORS("https://a.test", "post,GET"));
    EXPECT_FINDING(finding, RESULT_OK, "both answer 204 and allow https://a.test");
    preflight_with(CORS("*", "GET"), CORS("*", "GET"));
    EXPECT_FINDING(finding, RESULT_OK, "both answer 204");
    preflight_with(CORS("*", "GET"), CORS("https://a.test", "GET"));
    EXPECT_FINDING(finding, RESULT_FAIL,
                   "Access-Control-Allow-Origin differs: old \"*\", new \"https://a.test\"");
    preflight_with(CORS("*", "GET, PUT"), CORS("*", "GET"));
    EXPECT_FINDING(finding, RESULT_FAIL, "Access-Control-Allow-Methods differs");
    preflight_with(CORS("*", "GET"), CORS("*", "GET, PUT"));
    EXPECT_FINDING(finding, RESULT_FAIL, "Access-Control-Allow-Methods differs");
    preflight_with(CORS("https://b.test", "GET"), CORS("https://b.test", "GET"));
    EXPECT_FINDING(finding, RESULT_WARN, "neither allows https://a.test (204)");
    preflight_with(CORS("*", "GET"), MISSING);
    EXPECT_FINDING(finding, RESULT_FAIL, "new 404");
}
