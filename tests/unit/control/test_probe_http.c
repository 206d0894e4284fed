/* test_probe_http.c - what a check says, and what it makes of an answer. */
#include "control/probe_http.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct config_backend backend;
static struct server *server;

static void setup(void)
{
    backend = (struct config_backend){.health = {.path = STR("/health")}};
    server = server_new(SIDE_OLD, STR("https://[fd00::5]:8443"), STR("fd00::5"), 8443, false, true,
                        STR("[fd00::5]:8443"));
}

static void teardown(void)
{
    server_unref(server);
}

TestSuite(probe_http, .init = setup, .fini = teardown);

static void expect(const char *host, const char *name)
{
    struct buf request = BUF_EMPTY;
    char wanted[256];

    snprintf(wanted, sizeof(wanted),
             "GET /health HTTP/1.1\r\nHost: %s\r\nUser-Agent: cutover/%s (health check)\r\n"
             "Accept: */*\r\nConnection: close\r\n\r\n",
             host, CUTOVER_VERSION);
    probe_request_write(&backend, server, &request);
    cr_expect(str_eq(buf_str(&request), str_of(wanted)), "%.*s", STR_ARG(buf_str(&request)));
    buf_deinit(&request);
    cr_expect(str_eq(probe_tls_name(&backend, server), str_of(name)), "%.*s",
              STR_ARG(probe_tls_name(&backend, server)));
}

Test(probe_http, the_host_is_the_servers)
{
    expect("[fd00::5]:8443", "fd00::5");
    backend.host = HOST_CLIENT;
    expect("[fd00::5]:8443", "fd00::5");
}

Test(probe_http, the_host_is_the_one_of_requests)
{
    backend.host = HOST_LITERAL;
    backend.host_literal = STR("app.example.org:444");
    expect("app.example.org:444", "app.example.org");
}

Test(probe_http, a_host_of_the_checks_own_wins)
{
    backend.host = HOST_LITERAL;
    backend.host_literal = STR("app.example.org");
    backend.health.host = STR("check.example.org");
    expect("check.example.org", "check.example.org");
}

Test(probe_http, a_name_for_tls_of_its_own_wins)
{
    backend.health.host = STR("check.example.org");
    backend.sni = STR("edge.example.org");
    expect("check.example.org", "edge.example.org");
}

struct row {
    const char *answer;
    enum parse_result result;
    unsigned status;
    const char *detail;
};

static void judge(const struct row *row)
{
    struct buf answer = BUF_EMPTY;
    size_t searched = 0;
    unsigned status = 0;
    char detail[PROBE_DETAIL_BYTES] = "";

    buf_append_str(&answer, str_of(row->answer));
    cr_expect_eq(probe_answer_read(&answer, &searched, &status, detail), row->result, "%s",
                 row->answer);
    cr_expect_eq(status, row->status, "%s", row->answer);
    cr_expect_str_eq(detail, row->detail, "%s", row->answer);
    buf_deinit(&answer);
}

Test(probe_http, answers)
{
    static const struct row rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", PARSE_DONE, 200, "status 200"},
        {"HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nno.", PARSE_DONE, 404, "status 404"},
        {"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 None\r\n\r\n", PARSE_DONE, 204, "status 204"},
        {"HTTP/1.1 200 OK\r\n", PARSE_MORE, 0, ""},
        {"HTTP/1.1 404 No\r\nx-railway-fallback: true\r\n\r\n", PARSE_BAD, 0,
         "the platform answered 404 instead of the application"},
        {"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nContent-Type: text/html\r\n\r\n", PARSE_BAD,
         0, "the platform answered 502 instead of the application"},
        {"HTTP/1.1 502 Bad Gateway\r\nServer: nginx\r\nX-Mine: 1\r\nContent-Type: "
         "text/html\r\n\r\n",
         PARSE_DONE, 502, "status 502"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        judge(&rows[i]);
}
