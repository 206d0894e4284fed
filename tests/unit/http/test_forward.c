#include "http/forward.h"

#include <criterion/criterion.h>

#include "base/check.h"
#include "http/parser.h"

static struct message message;
static struct buf out;
static struct forward_request request;
static struct forward_response response;

static void set_up(void)
{
    message_init(&message, 64);
    buf_init(&out);
    request = (struct forward_request){
        .message = &message,
        .host = STR("10.0.0.5:3000"),
        .peer_ip = STR("192.0.2.7"),
        .client_ip = STR("192.0.2.7"),
        .scheme = STR("https"),
        .port = STR("443"),
        .request_id = STR("generated"),
        .via = STR("cutover"),
        .affinity_cookie = STR("cutover"),
        .override_header = STR("X-Cutover-Backend"),
    };
    response = (struct forward_response){
        .message = &message,
        .client_minor = 1,
        .keep_alive = true,
        .via = STR("cutover"),
        .backend_authority = STR("app.up.example:3000"),
        .client_authority = STR("shop.example"),
        .client_scheme = STR("https"),
        .rewrite_location = true,
        .rewrite_cookie_domain = true,
    };
}

static void tear_down(void)
{
    message_deinit(&message);
    buf_deinit(&out);
}

TestSuite(forward, .init = set_up, .fini = tear_down);

static void expect_out(const char *wanted)
{
    cr_expect(str_eq(buf_str(&out), str_of(wanted)), "got:\n%.*swanted:\n%s",
              STR_ARG(buf_str(&out)), wanted);
    buf_clear(&out);
}

static void read_head(enum parser_kind kind, const char *head, bool head_request)
{
    struct parser parser;

    parser_init(&parser, kind);
    cr_assert_eq(parser_head(&parser, str_of(head), &message, head_request), PARSE_DONE, "%s: %s",
                 head, strict_fault_text(parser.fault));
}

static void expect_request(const char *head, const char *wanted)
{
    read_head(PARSER_REQUEST, head, false);
    forward_request_head(&request, &out);
    expect_out(wanted);
}

static void expect_response(const char *head, const char *wanted)
{
    read_head(PARSER_RESPONSE, head, false);
    response.body = message.body;
    forward_response_head(&response, &out);
    expect_out(wanted);
}

#define FROM_CLIENT(host)                                                               \
    "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: " host \
    "\r\nX-Forwarded-Port: 443\r\n"
#define ID_AND_VIA "X-Request-ID: generated\r\nVia: 1.1 cutover\r\n"
#define TAIL       FROM_CLIENT("shop.example") ID_AND_VIA

Test(forward, a_plain_request)
{
    expect_request(
        "GET /a?b HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: x\r\naccept: */*\r\n\r\n",
        "GET /a?b HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nUser-Agent: x\r\naccept: */*\r\n" TAIL "\r\n");
}

Test(forward, order_spelling_and_repeats_stay)
{
    expect_request("GET / HTTP/1.1\r\nX-b:2\r\nx-A: 1  \r\nHost: shop.example\r\nX-b: 3\r\n"
                   "Empty:\r\nEight: \xff\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nX-b: 2\r\nx-A: 1\r\nX-b: 3\r\n"
                   "Empty: \r\nEight: \xff\r\n" TAIL "\r\n");
}

Test(forward, targets_leave_in_origin_form)
{
    static const char *const ROWS[][2] = {
        {"GET http://shop.example/x?y", "GET /x?y"},
        {"GET http://shop.example/", "GET /"},
        {"OPTIONS *", "OPTIONS *"},
        {"GET /x?", "GET /x?"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf head = BUF_EMPTY;
        struct buf wanted = BUF_EMPTY;
        buf_printf(&head, "%s HTTP/1.1\r\nHost: shop.example\r\n\r\n%c", ROWS[i][0], '\0');
        buf_printf(&wanted, "%s HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "\r\n%c", ROWS[i][1],
                   '\0');
        expect_request(head.data, wanted.data);
        buf_deinit(&head);
        buf_deinit(&wanted);
    }
}

Test(forward, framing_is_remade)
{
    expect_request("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 005\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "Content-Length: 5\r\n\r\n");
    expect_request("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "Content-Length: 0\r\n\r\n");
    expect_request("POST / HTTP/1.1\r\nTRANSFER-ENCODING:CHUNKED\r\nHost: shop.example\r\n"
                   "Trailer: X\r\nTE: trailers\r\n\r\n",
                   "POST / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL
                   "Transfer-Encoding: chunked\r\n\r\n");
}

Test(forward, a_1_0_request_leaves_as_1_1)
{
    expect_request("GET / HTTP/1.0\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nX-Forwarded-For: 192.0.2.7\r\n"
                   "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
                   "X-Request-ID: generated\r\nVia: 1.0 cutover\r\n\r\n");
}

Test(forward, what_concerns_one_connection_is_dropped)
{
    expect_request(
        "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close, X-Hop,http2-settings\r\n"
        "Keep-Alive: 5\r\nProxy-Connection: x\r\nProxy-Authorization: y\r\nx-hop: z\r\n"
        "HTTP2-Settings: a\r\nUpgrade: h2c\r\nX-Hops: stays\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nX-Hops: stays\r\n" TAIL "\r\n");
}

Test(forward, dropped_lines_part_the_kept_ones)
{
    expect_request("GET / HTTP/1.1\r\nA: 1\r\nHost: shop.example\r\nB: 2\r\nC: 3\r\n"
                   "Connection: close\r\nD: 4\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n" TAIL
                   "\r\n");
}

Test(forward, connection_cannot_remove_what_matters)
{
    expect_request(
        "POST / HTTP/1.1\r\nHost: shop.example\r\nAuthorization: b\r\nCookie: a=1\r\n"
        "Content-Length: 3\r\nConnection: content-length, host, cookie, authorization, "
        "x-forwarded-for, x-request-id, via\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nAuthorization: b\r\nCookie: a=1\r\n" TAIL
        "Content-Length: 3\r\n\r\n");
}

Test(forward, our_cookie_and_override_stay_with_us)
{
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\nCookie: a=1; cutover=0427; b=2\r\n"
                   "Cookie: cutover=1\r\nx-cutover-backend: new\r\nCookie: cutovers=1\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nCookie: a=1; b=2\r\n"
                   "Cookie: cutovers=1\r\n" TAIL "\r\n");
}

Test(forward, expect_is_passed_on_only_as_100_continue)
{
    expect_request("PUT / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\n"
                   "Content-Length: 1\r\n\r\n",
                   "PUT / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nExpect: 100-continue\r\n" TAIL
                   "Content-Length: 1\r\n\r\n");
    expect_request("PUT / HTTP/1.1\r\nHost: shop.example\r\nExpect: other\r\n\r\n",
                   "PUT / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "\r\n");
}

#define CLAIMS                                                                              \
    "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nForwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n" \
    "X-Forwarded-Proto: http\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n"

Test(forward, claims_of_strangers_are_replaced)
{
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\n" CLAIMS "\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "\r\n");
}

Test(forward, claims_of_trusted_peers_are_extended)
{
    request.trusted = true;
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\n" CLAIMS
                   "X-Forwarded-For: 3.3.3.3\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nForwarded: for=1.1.1.1\r\n"
                   "X-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil\r\n"
                   "X-Forwarded-Port: 1\r\n"
                   "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7\r\n" ID_AND_VIA "\r\n");
    expect_request(
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 1.1.1.1,,\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n"
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n"
        "X-Forwarded-Port: 443\r\n" ID_AND_VIA "\r\n");
}

#define CLAIMED_FOR "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\n"

Test(forward, of_an_edges_claims_those_stay_that_it_writes)
{
    static const struct {
        enum forward_edge edge;
        const char *kept;
        const char *added;
    } ROWS[] = {
        {FORWARD_EDGE_PROXY,
         "Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: http\r\n"
         "X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\n",
         CLAIMED_FOR},
        {FORWARD_EDGE_ALB, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 1\r\n",
         CLAIMED_FOR "X-Forwarded-Host: shop.example\r\n"},
        {FORWARD_EDGE_CLOUDFLARE, "X-Forwarded-Proto: http\r\n",
         CLAIMED_FOR "X-Forwarded-Host: shop.example\r\nX-Forwarded-Port: 443\r\n"},
        {FORWARD_EDGE_RAILWAY,
         "X-Real-IP: 1.1.1.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: evil\r\n",
         CLAIMED_FOR "X-Forwarded-Port: 443\r\n"},
    };
    request.trusted = true;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf wanted = BUF_EMPTY;
        request.edge = ROWS[i].edge;
        buf_printf(&wanted, "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n%s%s" ID_AND_VIA "\r\n%c",
                   ROWS[i].kept, ROWS[i].added, '\0');
        expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\n" CLAIMS "\r\n", wanted.data);
        buf_deinit(&wanted);
    }
}

Test(forward, an_edge_does_not_make_a_stranger_trusted)
{
    request.edge = FORWARD_EDGE_RAILWAY;
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\n" CLAIMS "\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "\r\n");
}

Test(forward, behind_a_trusted_peer_the_port_is_the_one_that_the_client_has_asked)
{
    static const char *const ROWS[][4] = {
        {"shop.example", "https", "443"},       {"shop.example", "http", "80"},
        {"shop.example:8443", "https", "8443"}, {"[2001:db8::1]", "https", "443"},
        {"[2001:db8::1]:81", "http", "81"},     {"10.0.0.1", "http", "80"},
    };
    request.port = STR("8080");
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        for (int trusted = 0; trusted <= 1; trusted++) {
            struct buf head = BUF_EMPTY;
            struct buf wanted = BUF_EMPTY;
            request.trusted = trusted == 1;
            request.scheme = str_of(ROWS[i][1]);
            buf_printf(&head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n%c", ROWS[i][0], '\0');
            buf_printf(&wanted,
                       "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nX-Forwarded-For: 192.0.2.7\r\n"
                       "X-Forwarded-Proto: %s\r\nX-Forwarded-Host: %s\r\n"
                       "X-Forwarded-Port: %s\r\n" ID_AND_VIA "\r\n%c",
                       ROWS[i][1], ROWS[i][0], trusted ? ROWS[i][2] : "8080", '\0');
            expect_request(head.data, wanted.data);
            buf_deinit(&head);
            buf_deinit(&wanted);
        }
    }
}

Test(forward, at_most_30_entries_are_forwarded)
{
    struct buf head = BUF_EMPTY;

    request.trusted = true;
    buf_append_str(&head, STR("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: "));
    for (int i = 1; i <= 40; i++)
        buf_printf(&head, "10.0.0.%d%s", i, i == 20 ? "\r\nX-Forwarded-For: " : ",");
    buf_printf(&head, "\r\n\r\n%c", '\0');
    read_head(PARSER_REQUEST, head.data, false);
    forward_request_head(&request, &out);
    struct str sent = buf_str(&out);
    cr_expect_not_null(memmem(sent.data, sent.len, "For: 10.0.0.12, 10.0.0.13", 25));
    cr_expect_not_null(memmem(sent.data, sent.len, "10.0.0.40, 192.0.2.7\r\n", 22));
    cr_expect_null(memmem(sent.data, sent.len, "10.0.0.11,", 10));
    buf_deinit(&head);
}

Test(forward, the_extra_header_carries_the_client)
{
    request.client_ip_header = STR("CF-Connecting-IP");
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\ncf-connecting-ip: 6.6.6.6\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" FROM_CLIENT(
                       "shop.example") "CF-Connecting-IP: 192.0.2.7\r\n" ID_AND_VIA "\r\n");
}

Test(forward, the_extra_header_is_made_anew_also_behind_a_trusted_edge)
{
    request.client_ip_header = STR("CF-Connecting-IP");
    request.trusted = true;
    request.client_ip = STR("203.0.113.9");
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\nCF-Connecting-IP: 6.6.6.6\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" FROM_CLIENT(
                       "shop.example") "CF-Connecting-IP: 203.0.113.9\r\n" ID_AND_VIA "\r\n");
}

#define FROM_SHOP "GET / HTTP/1.1\r\nHost: shop.example\r\n"
#define TO_SHOP   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n"

Test(forward, the_secret_is_sent_and_never_passed_on)
{
    request.client_ip_header = STR("X-Client-IP");
    request.secret_header = STR("X-Cutover-Secret");
    request.secret = STR("s3cret");
    for (int trusted = 0; trusted <= 1; trusted++) {
        request.trusted = trusted == 1;
        expect_request(
            FROM_SHOP "x-cutover-SECRET: guess\r\nX-Cutover-Secret:\r\n"
                      "Connection: x-cutover-secret\r\nX-Cutover-Secrets: a\r\n\r\n",
            TO_SHOP "X-Cutover-Secrets: a\r\n" FROM_CLIENT(
                "shop.example") "X-Client-IP: 192.0.2.7\r\nX-Cutover-Secret: s3cret\r\n" ID_AND_VIA
                                "\r\n");
    }
}

/* To an application of the CGI kind they are the same names. */
Test(forward, twins_with_underscores_are_dropped)
{
    request.client_ip_header = STR("X-Client-IP");
    request.secret_header = STR("X-Cutover-Secret");
    request.secret = STR("s3cret");
    expect_request(
        FROM_SHOP "X_Client_IP: 6.6.6.6\r\nx_cutover-secret: s3cret\r\n"
                  "X_Forwarded_For: 6.6.6.6\r\nX-Real_IP: 6.6.6.6\r\nmy_field: a\r\n\r\n",
        TO_SHOP "my_field: a\r\n" FROM_CLIENT(
            "shop.example") "X-Client-IP: 192.0.2.7\r\nX-Cutover-Secret: s3cret\r\n" ID_AND_VIA
                            "\r\n");
}

Test(forward, without_a_secret_its_header_is_dropped_and_not_sent)
{
    request.secret_header = STR("X-Cutover-Secret");
    expect_request(FROM_SHOP "X-Cutover-Secret: guess\r\n\r\n", TO_SHOP TAIL "\r\n");
    request.secret_header = STR("");
    request.secret = STR("s3cret");
    expect_request(FROM_SHOP "X-Cutover-Secret: guess\r\n\r\n",
                   TO_SHOP "X-Cutover-Secret: guess\r\n" TAIL "\r\n");
}

Test(forward, there_is_room_for_a_long_secret)
{
    static char secret[8192];
    struct buf wanted = BUF_EMPTY;

    memset(secret, 's', sizeof(secret) - 1);
    request.secret_header = STR("X-Cutover-Secret");
    request.secret = str_of(secret);
    buf_printf(&wanted,
               TO_SHOP FROM_CLIENT("shop.example") "X-Cutover-Secret: %s\r\n" ID_AND_VIA "\r\n%c",
               secret, '\0');
    expect_request(FROM_SHOP "\r\n", wanted.data);
    buf_deinit(&wanted);
}

Test(forward, request_ids_are_kept_when_they_are_plain)
{
    static const char LONG[] = "0123456789012345678901234567890123456789012345678901234567890123"
                               "0123456789012345678901234567890123456789012345678901234567890123";
    struct field field = {STR("X-Request-ID"), STR("abc-DEF_1.2"), FIELD_X_REQUEST_ID};
    struct message one = {.fields = &field, .count = 1};
    struct str mine = STR("mine");

    cr_expect(str_eq(forward_request_id(&one, mine), STR("abc-DEF_1.2")));
    field.value = str_from(LONG, 128);
    cr_expect_eq(forward_request_id(&one, mine).len, 128);
    field.value = STR("");
    cr_expect(str_eq(forward_request_id(&one, mine), mine));
    field.value = STR("a b");
    cr_expect(str_eq(forward_request_id(&one, mine), mine));
    field.value = STR("a\"b");
    cr_expect(str_eq(forward_request_id(&one, mine), mine));
    field.value = str_from(LONG, sizeof(LONG));
    cr_expect(str_eq(forward_request_id(&one, mine), mine));
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\nX-Request-ID: a b\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" TAIL "\r\n");
}

Test(forward, via_grows_by_one)
{
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\nVia: 1.1 a\r\nVia:1.0 b, 1.1 c\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\n" FROM_CLIENT(
                       "shop.example") "X-Request-ID: generated\r\nVia: 1.1 a, 1.0 b, 1.1 c, 1.1 "
                                       "cutover\r\n\r\n");
}

Test(forward, a_tunnel_is_asked_for)
{
    request.upgrade = true;
    expect_request("GET /ws HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\n"
                   "Upgrade: h2c,websocket,x\r\nSec-WebSocket-Key: k\r\n\r\n",
                   "GET /ws HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nSec-WebSocket-Key: k\r\n" TAIL
                   "Connection: upgrade\r\nUpgrade: websocket, x\r\n\r\n");
}

Test(forward, entries_are_counted_from_the_end)
{
    static const char *const WANTED[] = {"3.3.3.3", "2.2.2.2", "1.1.1.1", ""};

    read_head(PARSER_REQUEST,
              "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.1.1.1 ,\t2.2.2.2\r\nA: b\r\n"
              "X-Forwarded-For: ,3.3.3.3,\r\n\r\n",
              false);
    for (unsigned i = 0; i < ARRAY_LEN(WANTED); i++) {
        struct str entry = forward_client_entry(&message, i);
        cr_expect(str_eq(entry, str_of(WANTED[i])), "%u: %.*s", i, STR_ARG(entry));
    }
    read_head(PARSER_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
    cr_expect_eq(forward_client_entry(&message, 0).len, 0);
}

/* Whatever comes in, the room reserved must do: pen_close checks, and so does the sanitizer. */
Test(forward, the_room_reserved_is_enough_for_the_worst)
{
    static const char *const LINES[] = {"a:\r\n",
                                        "Via:x\r\n",
                                        "X-Forwarded-For:1,2,3,4,5\r\n",
                                        "Cookie:a;b;c;cutover=1;d\r\n",
                                        "Upgrade:a,b,c,d,e\r\n",
                                        "Cookie:cutover=1\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        struct buf head = BUF_EMPTY;
        buf_append_str(&head, STR("GET / HTTP/1.1\r\nHost:a\r\n"));
        for (int count = 0; count < 60; count++)
            buf_append_str(&head, str_of(LINES[i]));
        buf_printf(&head, "\r\n%c", '\0');
        read_head(PARSER_REQUEST, head.data, false);
        for (int trusted = 0; trusted < 2; trusted++) {
            request.trusted = trusted == 1;
            request.upgrade = true;
            forward_request_head(&request, &out);
        }
        buf_deinit(&head);
        buf_deinit(&out);
    }
}

Test(forward, an_upgrade_of_many_commas_fits)
{
    struct buf head = BUF_EMPTY;

    request.upgrade = true;
    buf_append_str(&head, STR("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a"));
    for (int i = 0; i < 4000; i++)
        buf_append_str(&head, STR(",a"));
    buf_printf(&head, "\r\n\r\n%c", '\0');
    read_head(PARSER_REQUEST, head.data, false);
    forward_request_head(&request, &out);
    cr_expect_gt(buf_len(&out), 12000);
    buf_deinit(&head);
}

#define OUR_VIA "Via: 1.1 cutover\r\n"

Test(forward, a_plain_response)
{
    expect_response(
        "HTTP/1.1 200 Fine\r\nServer: x\r\nContent-Length: 05\r\nSet-Cookie: a=1\r\n"
        "Set-Cookie: b=2\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\r\n",
        "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" OUR_VIA
        "Content-Length: 5\r\n\r\n");
    expect_response("HTTP/1.0 404\r\nContent-Length: 0\r\n\r\n",
                    "HTTP/1.1 404 \r\nVia: 1.0 cutover\r\nContent-Length: 0\r\n\r\n");
    expect_response(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nVia: 1.1 a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nVia: 1.1 a, 1.1 cutover\r\nTransfer-Encoding: chunked\r\n\r\n");
}

Test(forward, responses_tell_whether_the_connection_stays)
{
    response.keep_alive = false;
    expect_response("HTTP/1.1 200 OK\r\n\r\n",
                    "HTTP/1.1 200 OK\r\n" OUR_VIA "Connection: close\r\n\r\n");
    response.keep_alive = true;
    response.client_minor = 0;
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\n" OUR_VIA
                    "Content-Length: 1\r\nConnection: keep-alive\r\n\r\n");
}

Test(forward, a_body_until_eof_may_be_chunked_for_the_client)
{
    read_head(PARSER_RESPONSE, "HTTP/1.0 200 OK\r\n\r\n", false);
    response.body = BODY_CHUNKED;
    forward_response_head(&response, &out);
    expect_out("HTTP/1.1 200 OK\r\nVia: 1.0 cutover\r\nTransfer-Encoding: chunked\r\n\r\n");
}

Test(forward, bodiless_responses_keep_only_what_was_announced)
{
    read_head(PARSER_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", true);
    response.body = message.body;
    forward_response_head(&response, &out);
    expect_out("HTTP/1.1 200 OK\r\n" OUR_VIA "Content-Length: 7\r\n\r\n");
    expect_response("HTTP/1.1 304 x\r\nContent-Length: 7\r\nETag: e\r\n\r\n",
                    "HTTP/1.1 304 x\r\nETag: e\r\n" OUR_VIA "Content-Length: 7\r\n\r\n");
    expect_response("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
                    "HTTP/1.1 204 x\r\n" OUR_VIA "\r\n");
    expect_response("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "HTTP/1.1 204 x\r\n" OUR_VIA "\r\n");
}

Test(forward, a_bodiless_status_is_never_chunked)
{
    read_head(PARSER_RESPONSE, "HTTP/1.1 304 x\r\n\r\n", false);
    response.body = BODY_CHUNKED;
    forward_response_head(&response, &out);
    expect_out("HTTP/1.1 304 x\r\n" OUR_VIA "\r\n");
}

Test(forward, interim_responses_have_no_framing)
{
    response.keep_alive = false;
    response.set_cookie = STR("cutover=1");
    response.request_id = STR("id");
    expect_response("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n"
                    "Content-Length: 3\r\n\r\n",
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

Test(forward, a_switch_keeps_upgrade_and_sets_the_cookie)
{
    response.upgrade = true;
    response.set_cookie = STR("cutover=0427; Path=/");
    expect_response(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: k\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: k\r\n" OUR_VIA
        "Set-Cookie: cutover=0427; Path=/\r\nConnection: upgrade\r\n"
        "Upgrade: WebSocket\r\n\r\n");
}

Test(forward, our_cookie_and_request_id_are_added)
{
    response.set_cookie = STR("cutover=0427");
    response.request_id = STR("id");
    expect_response("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nContent-Length: 1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\n" OUR_VIA
                    "X-Request-ID: id\r\nSet-Cookie: cutover=0427\r\nContent-Length: 1\r\n\r\n");
    response.set_cookie = STR("");
    expect_response("HTTP/1.1 200 OK\r\nx-request-id: theirs\r\nContent-Length: 1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nx-request-id: theirs\r\n" OUR_VIA
                    "Content-Length: 1\r\n\r\n");
}

Test(forward, hop_by_hop_fields_of_responses_are_dropped)
{
    expect_response("HTTP/1.1 200 OK\r\nConnection: X-Hop, set-cookie, location\r\nX-Hop: 1\r\n"
                    "Set-Cookie: a=1\r\nLocation: /x\r\nProxy-Authenticate: y\r\nUpgrade: h2\r\n"
                    "Content-Length: 1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nLocation: /x\r\n" OUR_VIA
                    "Content-Length: 1\r\n\r\n");
}

static void expect_location(const char *line, const char *wanted)
{
    struct buf head = BUF_EMPTY;
    struct buf whole = BUF_EMPTY;

    buf_printf(&head, "HTTP/1.1 302 x\r\n%s\r\nContent-Length: 0\r\n\r\n%c", line, '\0');
    buf_printf(&whole, "HTTP/1.1 302 x\r\n%s\r\n" OUR_VIA "Content-Length: 0\r\n\r\n%c", wanted,
               '\0');
    expect_response(head.data, whole.data);
    buf_deinit(&head);
    buf_deinit(&whole);
}

Test(forward, urls_of_the_backend_become_ours)
{
    expect_location("Location: http://app.up.example:3000/a?b",
                    "Location: https://shop.example/a?b");
    expect_location("location:HTTPS://APP.up.example:3000", "location: https://shop.example");
    expect_location("Content-Location: //app.up.example:3000/x",
                    "Content-Location: //shop.example/x");
    expect_location("Refresh: 5; url=\"http://app.up.example:3000/\"",
                    "Refresh: 5; url=\"https://shop.example/\"");
    response.backend_authority = STR("app.up.example");
    expect_location("Location: https://app.up.example:443/", "Location: https://shop.example/");
    expect_location("Location: http://app.up.example:80/", "Location: https://shop.example/");
}

Test(forward, other_urls_stay)
{
    static const char *const LINES[] = {
        "Location: /path",
        "Location: http://other.example/",
        "Location: http://app.up.example/",
        "Location: http://app.up.example:30000/",
        "Location: http://app.up.example:3000.evil/",
        "Location: http://u@app.up.example:3000/",
        "Location: ",
        "Refresh: 5",
        "Link: <http://app.up.example:3000/>",
    };
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        expect_location(LINES[i], LINES[i]);
    response.rewrite_location = false;
    expect_location("Location: http://app.up.example:3000/",
                    "Location: http://app.up.example:3000/");
}

Test(forward, a_backend_that_knows_our_name_may_change_the_scheme)
{
    response.client_scheme = STR("http");
    response.backend_authority = response.client_authority;
    expect_location("Location: https://shop.example/", "Location: https://shop.example/");
}

Test(forward, many_rewritten_urls_fit)
{
    struct buf head = BUF_EMPTY;

    response.backend_authority = STR("a");
    response.client_authority = STR("a-rather-long-name.of-the-host.that-the.client.asked.example");
    buf_append_str(&head, STR("HTTP/1.1 200 OK\r\n"));
    for (int i = 0; i < 60; i++)
        buf_append_str(&head, STR("Location:http://a\r\n"));
    buf_printf(&head, "\r\n%c", '\0');
    read_head(PARSER_RESPONSE, head.data, false);
    response.body = message.body;
    forward_response_head(&response, &out);
    cr_expect_gt(buf_len(&out), 60 * 70);
    buf_deinit(&head);
}

Test(forward, cookies_lose_the_backend_as_their_domain)
{
    expect_response("HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=.up.example; Path=/\r\n"
                    "Set-Cookie: b=2; Domain=elsewhere\r\nA: b\r\nContent-Length: 1\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\n"
                    "Set-Cookie: b=2; Domain=elsewhere\r\nA: b\r\n" OUR_VIA
                    "Content-Length: 1\r\n\r\n");
    response.rewrite_cookie_domain = false;
    expect_response(
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=.up.example\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Domain=.up.example\r\n" OUR_VIA
        "Content-Length: 1\r\n\r\n");
}

/* host: LITERAL: the application is told the public name, and still may know its own. */
Test(forward, the_servers_own_name_is_rewritten_as_well)
{
    response.backend_authority = STR("www.example.org");
    response.server_authority = STR("app.up.example");
    response.client_authority = STR("www.example.org");
    response.client_scheme = STR("https");
    response.backend_is_tls = true;
    read_head(PARSER_RESPONSE,
              "HTTP/1.1 302 Found\r\nLocation: https://app.up.example/login\r\n"
              "Set-Cookie: a=1; Domain=app.up.example; Path=/\r\nContent-Length: 0\r\n\r\n",
              false);
    response.body = message.body;
    forward_response_head(&response, &out);
    struct str text = buf_str(&out);
    cr_assert(memmem(text.data, text.len, "https://www.example.org/login", 29) != NULL);
    cr_assert(memmem(text.data, text.len, "Domain", 6) == NULL);
    cr_assert(memmem(text.data, text.len, "a=1", 3) != NULL);
}

Test(forward, an_answer_without_a_date_gets_one)
{
    response.date = STR("Sun, 06 Nov 1994 08:49:37 GMT");
    expect_response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nVia: 1.1 cutover\r\n"
                    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n");
    expect_response(
        "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nDate: then\r\nVia: 1.1 cutover\r\nContent-Length: 0\r\n\r\n");
}

Test(forward, strangers_say_nothing_about_the_way)
{
    static const char HEAD[] = "GET / HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Ssl: on\r\n"
                               "x_forwarded_scheme: https\r\nX-Forwarded-Prefix: /evil\r\n"
                               "X-Forward: kept\r\nProxy: http://evil.example\r\n\r\n";

    request.trusted = false;
    request.scheme = STR("http");
    read_head(PARSER_REQUEST, HEAD, false);
    forward_request_head(&request, &out);
    struct str sent = buf_str(&out);
    cr_expect_null(memmem(sent.data, sent.len, "Ssl", 3));
    cr_expect_null(memmem(sent.data, sent.len, "scheme", 6));
    cr_expect_null(memmem(sent.data, sent.len, "evil", 4));
    cr_expect_not_null(memmem(sent.data, sent.len, "X-Forward: kept", 15));
    buf_clear(&out);
    request.trusted = true;
    read_head(PARSER_REQUEST, HEAD, false);
    forward_request_head(&request, &out);
    sent = buf_str(&out);
    cr_expect_not_null(memmem(sent.data, sent.len, "X-Forwarded-Ssl: on", 19));
    cr_expect_null(memmem(sent.data, sent.len, "evil.example", 12));
}

Test(forward, hops_are_counted_down_for_options_alone)
{
    expect_request("OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 10\r\n\r\n",
                   "OPTIONS * HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nMax-Forwards: 9\r\n" TAIL "\r\n");
    expect_request("GET / HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: 10\r\n\r\n",
                   "GET / HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nMax-Forwards: 10\r\n" TAIL "\r\n");
    expect_request("OPTIONS * HTTP/1.1\r\nHost: shop.example\r\nMax-Forwards: x\r\n\r\n",
                   "OPTIONS * HTTP/1.1\r\nHost: 10.0.0.5:3000\r\nMax-Forwards: x\r\n" TAIL "\r\n");
}
