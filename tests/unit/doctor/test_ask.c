#include "doctor/ask.h"

#include <criterion/criterion.h>

static struct config *config;
static struct config_problems problems;
static struct ask_way way;
static struct buf out;

static void load(const char *text)
{
    config_unref(config);
    config = config_parse(str_of(text), "f", &problems);
    cr_assert_not_null(config);
    ask_way_find(&way, config);
}

#define SIDES_AT(old, new) "backends: {old: " old ", new: " new "}\n"
#define PLAIN                                                                             \
    "listen: [{address: 127.0.0.1:8080}]\n" SIDES_AT("{servers: [http://10.0.0.1:3000]}", \
                                                     "{servers: [http://10.0.0.2]}")

static void init(void)
{
    config_problems_init(&problems);
    buf_init(&out);
    load(PLAIN);
}

static void deinit(void)
{
    config_unref(config);
    config_problems_deinit(&problems);
    buf_deinit(&out);
}

TestSuite(ask, .init = init, .fini = deinit);

static bool write_ask(const struct ask *ask)
{
    struct error error;

    buf_clear(&out);
    return ask_write(ask, &way, config, &out, &error);
}

static bool has(const char *text)
{
    struct str all = buf_str(&out);
    return memmem(all.data, all.len, text, strlen(text)) != NULL;
}

Test(ask, a_get_as_it_leaves_the_proxy)
{
    struct ask ask = {.backend = &config->backends[0],
                      .method = "GET",
                      .path = STR("/a?b=c"),
                      .host = STR("10.0.0.1:3000"),
                      .client_host = STR("www.example.org"),
                      .fields = STR("Cookie: a=b; cutover=0427\r\n")};

    cr_assert(write_ask(&ask));
    cr_expect(has("GET /a?b=c HTTP/1.1\r\nHost: 10.0.0.1:3000\r\n"));
    cr_expect(has("X-Forwarded-Host: www.example.org\r\n"));
    cr_expect(has("X-Forwarded-For: 192.0.2.1\r\n"));
    cr_expect(has("X-Forwarded-Proto: http\r\nX-Forwarded-Host"));
    cr_expect(has("X-Forwarded-Port: 8080\r\n"));
    cr_expect(has("\r\nCookie: a=b\r\n"), "the proxy's own cookie is not passed on");
    cr_expect(has("(doctor)\r\n"));
}

Test(ask, a_head_of_a_wanted_size)
{
    struct ask ask = {
        .backend = &config->backends[0], .method = "GET", .path = STR("/"), .host = STR("a.test")};

    ask.head_bytes = 5000;
    cr_assert(write_ask(&ask));
    cr_expect_eq(buf_len(&out), 5000);
    cr_expect(has("X-Cutover-Doctor: xxxx"));
    ask.head_bytes = 10;
    cr_assert(write_ask(&ask));
    cr_expect_gt(buf_len(&out), 10);
    cr_expect_not(has("X-Cutover-Doctor"));
}

Test(ask, a_body_and_an_upgrade)
{
    struct ask post = {.backend = &config->backends[0],
                       .method = "POST",
                       .path = STR("/"),
                       .host = STR("a.test"),
                       .has_body = true,
                       .body_bytes = 77};
    struct ask socket = {.backend = &config->backends[0],
                         .method = "GET",
                         .path = STR("/ws"),
                         .host = STR("a.test"),
                         .is_websocket = true};

    cr_assert(write_ask(&post));
    cr_expect(has("\r\nContent-Length: 77\r\n"));
    cr_assert(write_ask(&socket));
    cr_expect(has("Connection: upgrade\r\nUpgrade: websocket\r\n"));
    cr_expect(has("Sec-WebSocket-Key: "));
}

Test(ask, lines_that_are_no_headers_are_refused)
{
    struct ask ask = {.backend = &config->backends[0],
                      .method = "GET",
                      .path = STR("/"),
                      .host = STR("a.test"),
                      .fields = STR("A: x\x01y\r\n")};

    cr_expect_not(write_ask(&ask));
    ask.fields = STR("Host: other\r\n");
    cr_expect_not(write_ask(&ask));
}

Test(ask, how_users_come)
{
    cr_expect(str_eq(way.scheme, STR("http")));
    load("listen: [{address: 127.0.0.1:8080}]\nforwarded: {trust: [alb]}\n" SIDES_AT(
        "{servers: [http://10.0.0.1]}", "{servers: [http://10.0.0.2]}"));
    cr_expect(str_eq(way.scheme, STR("https")));
}

Test(ask, a_health_check)
{
    ask_write_health(&config->backends[0], STR("a.test"), &out);
    cr_expect(has("GET /health HTTP/1.1\r\nHost: a.test\r\n"));
    cr_expect(has("Connection: close\r\n\r\n"));
}

Test(ask, the_secret_is_for_hosts_of_ours)
{
    struct ask ask = {.backend = &config->backends[0],
                      .method = "GET",
                      .path = STR("/"),
                      .host = STR("app.test")};

    config->forwarded.secret = STR("s3cret-of-the-edge");
    cr_assert(write_ask(&ask));
    cr_expect(has("X-Cutover-Secret: s3cret-of-the-edge\r\n"));
    config->backends[0].host = HOST_CLIENT;
    cr_assert(write_ask(&ask));
    cr_expect_not(has("s3cret"), "with the client's own Host it may be a stranger's application");
    config->backends[0].sni = STR("app.test");
    cr_assert(write_ask(&ask));
    cr_expect(has("s3cret"));
    config->backends[0].sni = STR("");
    ask.client_host = STR("app.test");
    cr_assert(write_ask(&ask));
    cr_expect(has("s3cret"), "the operator has named it");
    config->backends[0].host = HOST_LITERAL;
    ask.is_for_nobody = true;
    cr_assert(write_ask(&ask));
    cr_expect_not(has("s3cret"));
}
