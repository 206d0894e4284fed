#include "control/gate.h"

#include <criterion/criterion.h>

#include <stdio.h>

#include "http/parser.h"

static struct config_admin admin;
static struct addr bound;

static void set_up(void)
{
    admin = (struct config_admin){.token = STR("")};
    cr_assert(addr_parse(STR("127.0.0.1:9901"), &bound));
}

TestSuite(gate, .init = set_up);

/* `fields` are whole lines; Host is added unless they bring one. */
static enum gate_verdict check(const char *method, const char *path, const char *fields)
{
    char head[1024];
    struct parser parser;
    struct message message;
    bool has_host = strstr(fields, "Host:") != NULL;
    snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\n%s%s\r\n", method, path,
             has_host ? "" : "Host: 127.0.0.1:9901\r\n", fields);
    parser_init(&parser, PARSER_REQUEST);
    message_init(&message, 20);
    cr_assert_eq(parser_head(&parser, str_of(head), &message, false), PARSE_DONE, "%s", head);
    enum gate_verdict verdict = gate_check(&admin, &bound, &message);
    message_deinit(&message);
    return verdict;
}

static enum gate_verdict get(const char *fields)
{
    return check("GET", "/v1/status", fields);
}

Test(gate, with_a_token_only_exactly_that_token_opens)
{
    admin.token = STR("0123456789abcdef");
    cr_expect_eq(get("Authorization: Bearer 0123456789abcdef\r\n"), GATE_OPEN);
    cr_expect_eq(get("Authorization: bearer  0123456789abcdef\r\n"), GATE_OPEN);
    cr_expect_eq(get(""), GATE_NO_TOKEN);
    cr_expect_eq(get("Authorization: Bearer 0123456789abcdeF\r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: Bearer 0123456789abcde\r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: Bearer 0123456789abcdef0\r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: Bearer \r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: Basic 0123456789abcdef\r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: 0123456789abcdef\r\n"), GATE_WRONG_TOKEN);
    cr_expect_eq(get("Authorization: Bearer 0123456789abcdef\r\n"
                     "Authorization: Bearer 0123456789abcdef\r\n"),
                 GATE_WRONG_TOKEN);
}

Test(gate, health_needs_no_token_and_nothing_else_is_like_it)
{
    admin.token = STR("0123456789abcdef");
    cr_expect_eq(check("GET", "/healthz", "Host: anything\r\n"), GATE_OPEN);
    cr_expect_eq(check("GET", "/readyz?x", ""), GATE_OPEN);
    cr_expect_eq(check("GET", "/metrics", ""), GATE_NO_TOKEN);
    cr_expect_eq(check("GET", "/healthz/", ""), GATE_NO_TOKEN);
    cr_expect_eq(check("GET", "/nothing", ""), GATE_NO_TOKEN);
    cr_expect_eq(check("GET", "/dashboard.jss", ""), GATE_NO_TOKEN);
    cr_expect_eq(check("GET", "//", ""), GATE_NO_TOKEN);
}

Test(gate, the_files_of_the_dashboard_need_no_token_but_an_honest_browser)
{
    static const char *const paths[] = {"/", "/dashboard.css", "/dashboard.js"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        admin.token = STR("0123456789abcdef");
        cr_expect_eq(check("GET", paths[i], ""), GATE_OPEN);
        cr_expect_eq(check("GET", paths[i], "Host: cutover.internal\r\n"), GATE_OPEN);
        cr_expect_eq(check("GET", paths[i], "Origin: http://evil.example\r\n"), GATE_ORIGIN);
        admin.token = STR("");
        cr_expect_eq(check("GET", paths[i], "Host: evil.example\r\n"), GATE_HOST);
        cr_expect_eq(check("GET", paths[i], "Sec-Fetch-Site: cross-site\r\n"), GATE_ORIGIN);
    }
}

Test(gate, what_the_browser_says_about_the_page_counts_before_the_token)
{
    cr_expect_eq(get("Sec-Fetch-Site: same-origin\r\n"), GATE_OPEN);
    cr_expect_eq(get("Sec-Fetch-Site: none\r\n"), GATE_OPEN);
    cr_expect_eq(get("Sec-Fetch-Site: cross-site\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Sec-Fetch-Site: same-site\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Sec-Fetch-Site: none\r\nOrigin: http://evil.example\r\n"), GATE_ORIGIN);
    cr_expect_eq(check("POST", "/v1/rollback", "Sec-Fetch-Site: cross-site\r\n"), GATE_ORIGIN);
    admin.token = STR("0123456789abcdef");
    cr_expect_eq(get("Origin: http://evil.example\r\n"), GATE_ORIGIN, "no token is tried");
    cr_expect_eq(get("Sec-Fetch-Site: cross-site\r\n"), GATE_ORIGIN);
}

Test(gate, a_link_may_lead_to_the_page_alone)
{
#define LINK                                                     \
    "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n" \
    "Sec-Fetch-Dest: document\r\n"
    cr_expect_eq(check("GET", "/", LINK), GATE_OPEN);
    cr_expect_eq(check("POST", "/", LINK), GATE_ORIGIN);
    cr_expect_eq(check("GET", "/v1/status", LINK), GATE_ORIGIN);
    cr_expect_eq(check("GET", "/dashboard.js", LINK), GATE_ORIGIN);
    cr_expect_eq(check("GET", "/", LINK "Origin: http://evil.example\r\n"), GATE_ORIGIN);
    cr_expect_eq(check("GET", "/", LINK "Host: evil.example\r\n"), GATE_HOST);
    cr_expect_eq(check("GET", "/",
                       "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
                       "Sec-Fetch-Dest: iframe\r\n"),
                 GATE_ORIGIN);
}

Test(gate, with_a_token_something_in_front_may_speak_tls)
{
    const char *fields = "Host: admin.example\r\nOrigin: https://admin.example\r\n"
                         "Authorization: Bearer 0123456789abcdef\r\n";
    cr_expect_eq(get("Origin: https://127.0.0.1:9901\r\n"), GATE_ORIGIN);
    admin.token = STR("0123456789abcdef");
    cr_expect_eq(get(fields), GATE_OPEN);
    admin.pair_count = 1;
    cr_expect_eq(get(fields), GATE_OPEN);
    cr_expect_eq(get("Host: admin.example\r\nOrigin: http://admin.example\r\n"), GATE_ORIGIN);
}

Test(gate, without_a_token_the_host_must_be_one_that_dns_cannot_turn)
{
    cr_expect_eq(get("Host: 127.0.0.1:9901\r\n"), GATE_OPEN);
    cr_expect_eq(get("Host: 127.1.2.3\r\n"), GATE_OPEN);
    cr_expect_eq(get("Host: LocalHost:1234\r\n"), GATE_OPEN);
    cr_expect_eq(get("Host: [::1]:9901\r\n"), GATE_OPEN);
    cr_expect_eq(get("Host: evil.example\r\n"), GATE_HOST);
    cr_expect_eq(get("Host: evil.example:9901\r\n"), GATE_HOST);
    cr_expect_eq(get("Host: localhost.evil.example\r\n"), GATE_HOST);
    cr_expect_eq(get("Host: 127.0.0.1.evil.example\r\n"), GATE_HOST);
    cr_expect_eq(get("Host: 10.0.0.1:9901\r\n"), GATE_HOST);
    admin.token = STR("0123456789abcdef");
    cr_expect_eq(get("Host: cutover.internal\r\nAuthorization: Bearer 0123456789abcdef\r\n"),
                 GATE_OPEN);
}

Test(gate, an_origin_must_be_the_host_itself)
{
    cr_expect_eq(get("Origin: http://127.0.0.1:9901\r\n"), GATE_OPEN);
    cr_expect_eq(get("Host: LOCALHOST:9901\r\nOrigin: http://localhost:9901\r\n"), GATE_OPEN);
    cr_expect_eq(get("Origin: http://127.0.0.1:9902\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Origin: http://127.0.0.1\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Origin: https://127.0.0.1:9901\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Origin: http://evil.example\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Origin: null\r\n"), GATE_ORIGIN);
    cr_expect_eq(get("Origin: http://\r\n"), GATE_ORIGIN);
}

Test(gate, a_page_must_send_json_and_curl_may_send_what_it_likes)
{
#define OWN  "Origin: http://127.0.0.1:9901\r\n"
#define BODY "Content-Length: 2\r\n"
    cr_expect_eq(check("PUT", "/v1/weight", OWN BODY "Content-Type: application/json\r\n"),
                 GATE_OPEN);
    cr_expect_eq(
        check("PUT", "/v1/weight", OWN BODY "Content-Type: application/json; charset=utf-8\r\n"),
        GATE_OPEN);
    cr_expect_eq(check("PUT", "/v1/weight", OWN BODY "Content-Type: text/plain\r\n"), GATE_FORM);
    cr_expect_eq(check("PUT", "/v1/weight", OWN BODY "Content-Type: application/jsonx\r\n"),
                 GATE_FORM);
    cr_expect_eq(check("PUT", "/v1/weight", OWN BODY), GATE_FORM);
    cr_expect_eq(check("POST", "/v1/reload", OWN), GATE_OPEN);
    cr_expect_eq(
        check("PUT", "/v1/weight", BODY "Content-Type: application/x-www-form-urlencoded\r\n"),
        GATE_OPEN);
    cr_expect_eq(check("PUT", "/v1/weight",
                       "Sec-Fetch-Site: same-origin\r\n" BODY "Content-Type: text/plain\r\n"),
                 GATE_FORM);
}
