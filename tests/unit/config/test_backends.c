/* test_backends.c - servers, hosts and health of the two sides. */
#include "parse.h"

#include <stdio.h>

#include "pem.h"

static void set_up_files(void)
{
    set_up();
    pem_set_up(); /* for the authorities that https:// needs */
}

static void tear_down_files(void)
{
    pem_tear_down();
    tear_down();
}

TestSuite(backends, .init = set_up_files, .fini = tear_down_files);

Test(backends, urls_are_taken_apart)
{
    struct config *c =
        parse_good(OLD "{servers: [http://a.b/, http://10.0.0.5:3000, 'http://[::1]:80', "
                       "'http://[::2]:81/']}\n");
    const struct config_server *s = c->backends[SIDE_NEW].servers;
    cr_assert_eq(c->backends[SIDE_NEW].server_count, 4u);
    cr_assert(str_eq(s[0].url, STR("http://a.b")));
    cr_assert_not(s[0].is_tls || s[1].is_tls);
    cr_assert(s[0].is_name && str_eq(s[0].host, STR("a.b")) && s[0].port == 80);
    cr_assert(str_eq(s[0].authority, STR("a.b")));
    cr_assert(!s[1].is_name && s[1].port == 3000 && addr_port(&s[1].address) == 3000);
    cr_assert(str_eq(s[1].authority, STR("10.0.0.5:3000")));
    cr_assert(str_eq(s[2].host, STR("::1")) && str_eq(s[2].authority, STR("[::1]")));
    cr_assert(str_eq(s[3].authority, STR("[::2]:81")) && str_eq(s[3].url, STR("http://[::2]:81")));
    config_unref(c);
}

Test(backends, https_has_a_port_of_its_own)
{
    struct config *c = parse_good(OLD "{servers: [https://a.b/, https://a.b:80, http://c:443, "
                                      "'https://[::1]', https://10.0.0.5:443]}\n");
    const struct config_server *s = c->backends[SIDE_NEW].servers;
    cr_assert(s[0].is_tls && s[1].is_tls && !s[2].is_tls && s[3].is_tls && s[4].is_tls);
    cr_assert(s[0].port == 443 && str_eq(s[0].authority, STR("a.b")));
    cr_assert(str_eq(s[0].url, STR("https://a.b")));
    cr_assert(s[1].port == 80 && str_eq(s[1].authority, STR("a.b:80")));
    cr_assert(s[2].port == 443 && str_eq(s[2].authority, STR("c:443")));
    cr_assert(addr_port(&s[3].address) == 443 && str_eq(s[3].authority, STR("[::1]")));
    cr_assert(addr_port(&s[4].address) == 443 && str_eq(s[4].authority, STR("10.0.0.5")));
    config_unref(c);
}

Test(backends, tls_without_https_is_a_mistake)
{
    const char *part = "no server of this side has https:// in its URL";
    assert_problem(OLD "{servers: [http://b], sni: a.b}\n", 4, "backends.new.sni", part);
    assert_problem(OLD "{servers: [http://b], tls: {verify: true}}\n", 4, "backends.new.tls", part);
    assert_problem(OLD "{servers: [http://b, http://c:443], tls: {verify: false}}\n", 4,
                   "backends.new.tls", part);
    config_unref(parse_good(OLD "{servers: [http://b], sni: null, tls: {}}\n"));
    config_unref(parse_good(OLD "{servers: [http://b, https://c], sni: a.b, tls: {names: x.y}}\n"));
}

Test(backends, a_port_speaks_http_or_https)
{
    const char *part = "once with http:// and once with https://";
    assert_problem(OLD "{servers: [https://b, http://B:443]}\n", 4, "backends.new.servers", part);
    assert_problem(OLD "{servers: [https://10.0.0.1:80]}\n", 4, "backends.new", part);
    assert_problem(OLD "{servers: [https://10.0.0.1:80], host: client}\n", 4, "backends.new", part);
    assert_problem(LISTEN "backends:\n  old: {servers: [https://a]}\n"
                          "  new: {servers: [https://a:443]}\n",
                   4, "backends.new", "a server is on one side only");
    config_unref(parse_good(LISTEN "backends:\n  old: {servers: [https://a], host: client, sni: "
                                   "x.y}\n  new: {servers: [https://a], host: client}\n"));
}

Test(backends, a_bad_url_is_the_sentence_of_the_contract)
{
    struct buf out = BUF_EMPTY;
    cr_assert_null(parse(OLD "{servers: [http://10.0.0.3, \"10.0.0.5\"]}\n"));
    config_problems_format(&problems, &out);
    cr_assert(
        str_eq(buf_str(&out), STR("f:4:36: error: backends.new.servers[1]: expected a URL such "
                                  "as http://10.0.0.5:3000, got \"10.0.0.5\"\n")),
        "%.*s", STR_ARG(buf_str(&out)));
    buf_deinit(&out);

    const char *const bad[] = {"http://",    "http://a/b",        "http://a?b", "http://u@a",
                               "http://a:0", "http://a:70000",    "ftp://a",    "http:a",
                               "http://a b", "http://10.0.0.300", "http://a//", "HTTP//a",
                               "https://",   "https://a/b",       "https:a"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), OLD "{servers: ['%s']}\n", bad[i]);
        assert_problem(text, 4, "backends.new.servers[0]", "expected a URL such as");
    }
}

Test(backends, a_server_is_on_one_side_and_once)
{
    assert_problem(OLD "{servers: [http://10.0.0.1:80]}\n", 4, "backends.new",
                   "backends.old.servers[0]");
    assert_problem(OLD "{servers: [http://a, http://b, http://A:80]}\n", 4, "backends.new.servers",
                   "servers[0] and servers[2]");
    assert_problem(OLD "{name: old, servers: [http://b]}\n", 4, "backends.new.name", "both");
    assert_problem(OLD "{servers: []}\n", 4, "backends.new.servers", "at least one");
    assert_problem(OLD "{name: x}\n", 4, "backends.new.servers", "missing");
    assert_problem(LISTEN "backends: {new: {servers: [http://b]}}\n", 2, "backends.old", "missing");
    assert_problem(LISTEN, 1, "backends", "missing");
}

Test(backends, host_is_upstream_client_or_a_literal)
{
    struct config *c = parse_good(OLD "{servers: [http://b], host: app.example.org:81}\n");
    cr_assert_eq(c->backends[SIDE_NEW].host, HOST_LITERAL);
    cr_assert(str_eq(c->backends[SIDE_NEW].host_literal, STR("app.example.org:81")));
    config_unref(c);
    c = parse_good(OLD "{servers: [http://b], host: client}\n");
    cr_assert_eq(c->backends[SIDE_NEW].host, HOST_CLIENT);
    config_unref(c);
    assert_problem(OLD "{servers: [http://b], host: upsteam}\n", 4, "backends.new.host",
                   "expected upstream, client, or a host");
    assert_problem(OLD "{servers: [http://b], host: 'a b'}\n", 4, "backends.new.host", "\"a b\"");
}

Test(backends, health_of_a_backend_goes_over_the_common_one_key_by_key)
{
    struct config *c = parse_good(LISTEN "health: {path: /up, host: h, timeout: 1s}\n"
                                         "backends:\n"
                                         "  old: {servers: [http://a], health: {interval: 9s}}\n"
                                         "  new: {servers: [http://b], health: {host: null}}\n");
    const struct health_policy *old = &c->backends[SIDE_OLD].health;
    const struct health_policy *new = &c->backends[SIDE_NEW].health;
    cr_assert(str_eq(old->path, STR("/up")) && str_eq(new->path, STR("/up")));
    cr_assert(old->interval_ms == 9000 && new->interval_ms == 5000);
    cr_assert(old->timeout_ms == 1000 && new->timeout_ms == 1000);
    cr_assert(str_eq(old->host, STR("h")) && new->host.len == 0);
    config_unref(c);
    config_unref(parse_good(OLD "{servers: [http://b], health: {timeout: 6s}}\n"));
}
