#include "http/platform.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "http/parser.h"

static struct message message;

static void set_up(void)
{
    message_init(&message, 32);
}

static void tear_down(void)
{
    message_deinit(&message);
}

TestSuite(platform, .init = set_up, .fini = tear_down);

static enum platform_fault fault_of(unsigned status, const char *fields)
{
    struct parser parser;
    char head[1024];

    snprintf(head, sizeof(head), "HTTP/1.1 %u Whatever\r\n%s\r\n", status, fields);
    parser_init(&parser, PARSER_RESPONSE);
    cr_assert_eq(parser_head(&parser, str_of(head), &message, false), PARSE_DONE, "%s", head);
    return platform_fault(&message);
}

static const struct {
    unsigned status;
    enum platform_fault fault;
} STATUSES[] = {
    {100, PLATFORM_NONE}, {200, PLATFORM_NONE}, {301, PLATFORM_NONE}, {400, PLATFORM_NONE},
    {403, PLATFORM_NONE}, {404, PLATFORM_404},  {405, PLATFORM_NONE}, {410, PLATFORM_NONE},
    {421, PLATFORM_NONE}, {429, PLATFORM_NONE}, {460, PLATFORM_NONE}, {500, PLATFORM_NONE},
    {501, PLATFORM_NONE}, {502, PLATFORM_502},  {503, PLATFORM_503},  {504, PLATFORM_504},
    {505, PLATFORM_NONE}, {561, PLATFORM_NONE}, {999, PLATFORM_NONE},
};

#define RAILWAY                                                                                 \
    "content-type: application/json\r\ncontent-length: 106\r\nserver: railway-edge\r\n"         \
    "x-railway-edge: railway/us-west2\r\nx-railway-request-id: 6Tp9\r\ndate: Mon, 21 Sep 2026 " \
    "10:00:00 GMT\r\n"
#define ALB                                                         \
    "Server: awselb/2.0\r\nDate: Mon, 21 Sep 2026 10:00:00 GMT\r\n" \
    "Content-Type: text/html\r\nContent-Length: 122\r\nConnection: keep-alive\r\n"
#define NGINX                                                         \
    "Server: nginx/1.22.1\r\nDate: Mon, 21 Sep 2026 10:00:00 GMT\r\n" \
    "Content-Type: text/html\r\nContent-Length: 157\r\nConnection: keep-alive\r\n"
#define HTML "Content-Type: text/html\r\n"

Test(platform, railway_says_so)
{
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        cr_expect_eq(fault_of(STATUSES[i].status, RAILWAY "x-railway-fallback: true\r\n"),
                     STATUSES[i].fault, "%u", STATUSES[i].status);
        cr_expect_eq(fault_of(STATUSES[i].status, RAILWAY), PLATFORM_NONE, "%u",
                     STATUSES[i].status);
    }
}

Test(platform, railways_word_is_true_alone)
{
    cr_expect_eq(fault_of(404, "X-Railway-Fallback:  TRUE \t\r\n"), PLATFORM_404);
    cr_expect_eq(fault_of(502, "X-RAILWAY-FALLBACK:True\r\nX-Powered-By: Express\r\n"),
                 PLATFORM_502);
    cr_expect_eq(fault_of(404, "X-Railway-Fallback: false\r\n"), PLATFORM_NONE);
    cr_expect_eq(fault_of(404, "X-Railway-Fallback:\r\n"), PLATFORM_NONE);
    cr_expect_eq(fault_of(404, "X-Railway-Fallback: true, true\r\n"), PLATFORM_NONE);
    cr_expect_eq(fault_of(404, "X-Railway-Fallbacks: true\r\n"), PLATFORM_NONE);
    cr_expect_eq(fault_of(502, "X-Railway-Fallback: false\r\n" HTML), PLATFORM_NONE);
}

Test(platform, bare_pages_are_the_platforms)
{
    static const char *const PAGES[] = {
        ALB,
        NGINX,
        HTML,
        "content-type: TEXT/HTML\r\n",
        "Server: awselb\r\n" HTML,
        "Server: NGINX\r\n" HTML "Transfer-Encoding: chunked\r\n",
        "Server: nginx/1.18.0 (Ubuntu)\r\n" HTML,
        "Server: nginx (Ubuntu)\r\n" HTML,
        "Server: openresty/1.25.3.1\r\n" HTML,
        "Server: Tengine\r\n" HTML "Keep-Alive: timeout=15\r\nVia: 1.1 inner\r\n",
        "Server: Tengine/2.3.3\r\n" HTML,
        ALB "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678\r\nX-AMZ-Id: 1\r\n",
        ALB "Set-Cookie: AWSALB=a=b; Path=/\r\nSet-Cookie: AWSALBCORS=a; SameSite=None; Secure\r\n",
        ALB "Set-Cookie: AWSALBTG=a\r\nSet-Cookie: AWSALBTGCORS=a\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(PAGES); i++)
        for (size_t s = 0; s < ARRAY_LEN(STATUSES); s++)
            cr_expect_eq(fault_of(STATUSES[s].status, PAGES[i]),
                         STATUSES[s].fault == PLATFORM_404 ? PLATFORM_NONE : STATUSES[s].fault,
                         "%u: %s", STATUSES[s].status, PAGES[i]);
}

Test(platform, whatever_an_application_adds_makes_it_the_applications)
{
    static const char *const ANSWERS[] = {
        "",
        "Server: nginx\r\n",
        "Server: awselb/2.0\r\nContent-Length: 0\r\n",
        "Content-Type: application/json\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: text/htmls\r\n",
        "Content-Type:\r\n",
        HTML "Content-Type: text/plain\r\n",
        /* Flask, Starlette and Express name the charset, also through nginx. */
        "Server: nginx\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 9\r\n",
        NGINX "Retry-After: 120\r\n",
        NGINX "X-Frame-Options: DENY\r\n",
        NGINX "X-Powered-By: Express\r\n",
        NGINX "Cache-Control: no-store\r\n",
        NGINX "Content-Language: en\r\n",
        NGINX "ETag: \"1\"\r\n",
        NGINX "Vary: Cookie\r\n",
        NGINX "X-Request-ID: 1\r\n",
        NGINX "Location: /\r\n",
        NGINX "Strict-Transport-Security: max-age=1\r\n",
        NGINX "X-Am: 1\r\n",
        HTML "Server: nginxes\r\n",
        HTML "Server: gunicorn\r\n",
        HTML "Server: Werkzeug/3.0 nginx\r\n",
        HTML "Server: uvicorn\r\n",
        HTML "Server: railway-edge\r\n",
        HTML "Server:\r\n",
        NGINX "Server: Kestrel\r\n",
        ALB "Set-Cookie: sessionid=a\r\n",
        ALB "Set-Cookie: AWSALB=a\r\nSet-Cookie: b=AWSALB=c\r\n",
        ALB "Set-Cookie: AWSALBS=a\r\n",
        ALB "Set-Cookie: awsalb=a\r\n",
        ALB "Set-Cookie: AWSALB\r\n",
        ALB "Set-Cookie:\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(ANSWERS); i++)
        for (unsigned status = 502; status <= 504; status++)
            cr_expect_eq(fault_of(status, ANSWERS[i]), PLATFORM_NONE, "%s", ANSWERS[i]);
}
