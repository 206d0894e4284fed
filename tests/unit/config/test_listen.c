/* test_listen.c - addresses, and what is spoken on each. */
#include "parse.h"
#include "pem.h"

static void set_up_files(void)
{
    set_up();
    pem_set_up();
}

static void tear_down_files(void)
{
    pem_tear_down();
    tear_down();
}

TestSuite(listen, .init = set_up_files, .fini = tear_down_files);

Test(listen, port_stands_in_for_listen)
{
    setenv("PORT", "3333", 1);
    struct config *c = parse_good(BACKENDS);
    cr_assert_eq(c->listen_count, 1u);
    cr_assert(str_eq(c->listen[0].text, STR("0.0.0.0:3333")));
    cr_assert_eq(addr_port(&c->listen[0].address), 3333);
    cr_assert(c->listen[0].pair_count == 0 && !c->listen[0].proxy_protocol);
    config_unref(c);

    setenv("PORT", "70000", 1);
    assert_problem(BACKENDS, 1, "listen", "PORT is no port");
    unsetenv("PORT");
    assert_problem(BACKENDS, 1, "listen", "set the environment variable PORT");
}

Test(listen, listeners_must_differ)
{
    assert_problem("listen: [{address: 127.0.0.1:80}, {address: 127.0.0.1:80}]\n" BACKENDS, 1,
                   "listen", "listen[0] and listen[1]");
    assert_problem("listen: []\n" BACKENDS, 1, "listen", "at least one");
    assert_problem(MINIMAL "admin: {address: 127.0.0.1:8080}\n", 5, "admin", "listen[0]");
    config_unref(parse_good("listen: [{address: 127.0.0.1:0}, {address: '[::1]:0'}]\n" BACKENDS));
}

Test(listen, what_an_address_speaks)
{
    struct config *c =
        parse_good("listen:\n"
                   "  - {address: '[::]:443', tls: {certificate: leaf.pem, key: "
                   "leaf.key}, proxy_protocol: true}\n"
                   "  - {address: '[::]:80', redirect_https: 8443, acme_webroot: "
                   "webroot}\n"
                   "  - {address: '127.0.0.1:81', health_path: /cutover-health}\n" BACKENDS);
    const struct config_listen *listen = c->listen;
    cr_assert(listen[0].pair_count == 1 && listen[0].proxy_protocol);
    cr_assert(listen[0].redirect_https == 0 && listen[0].acme_webroot.len == 0);
    cr_assert(listen[1].pair_count == 0 && !listen[1].proxy_protocol);
    cr_assert_eq(listen[1].redirect_https, 8443u);
    cr_assert_str_eq(listen[1].acme_webroot.data, "webroot");
    cr_assert(listen[2].redirect_https == 0 && listen[2].acme_webroot.len == 0);
    cr_assert(listen[0].health_path.len == 0);
    cr_assert_str_eq(listen[2].health_path.data, "/cutover-health");
    config_unref(c);
}

#define ONE(keys) "listen: [{address: 127.0.0.1:80, " keys "}]\n" BACKENDS

Test(listen, a_redirect_leads_to_https)
{
    const char *part = "expected the port where clients find HTTPS, such as 443 (1 to 65535), got ";
    assert_problem(ONE("redirect_https: 0"), 1, "listen[0].redirect_https", part);
    assert_problem(ONE("redirect_https: 65536"), 1, "listen[0].redirect_https", part);
    assert_problem(ONE("redirect_https: true"), 1, "listen[0].redirect_https", part);
    assert_problem(ONE("redirect_https: 80"), 1, "listen[0].redirect_https",
                   "the port of the address itself");
    assert_problem(ONE("redirect_https: 443, tls: {certificate: leaf.pem, key: leaf.key}"), 1,
                   "listen[0].redirect_https", "uses HTTPS already");
    struct config *c = parse_good(ONE("redirect_https: 65535"));
    cr_assert_eq(c->listen[0].redirect_https, 65535u);
    config_unref(c);
    config_unref(parse_good(ONE("redirect_https: null, tls: null, acme_webroot: null")));
}

Test(listen, proxy_protocol_is_yes_or_no)
{
    assert_problem(ONE("proxy_protocol: v2"), 1, "listen[0].proxy_protocol",
                   "expected true or false");
}
