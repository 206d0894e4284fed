/* test_host.c - which Host is sent, whom TLS is for, and who is told the secret. */
#include "config/host.h"

#include <criterion/criterion.h>

static const struct str SERVER = STR_INIT("app.up.example");

static void expect(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "%.*s is not %s", STR_ARG(got), wanted);
}

Test(host, of_requests_and_checks)
{
    struct config_backend upstream = {.host = HOST_UPSTREAM};
    struct config_backend client = {.host = HOST_CLIENT};
    struct config_backend literal = {.host = HOST_LITERAL, .host_literal = STR("www.example.org")};
    struct str asked = STR("shop.example.org:8443");

    expect(host_of_request(&upstream, asked, SERVER), "app.up.example");
    expect(host_of_request(&client, asked, SERVER), "shop.example.org:8443");
    expect(host_of_request(&client, STR(""), SERVER), "app.up.example"); /* HTTP/1.0 */
    expect(host_of_request(&literal, asked, SERVER), "www.example.org");
    expect(host_of_check(&upstream, SERVER), "app.up.example");
    expect(host_of_check(&client, SERVER), "app.up.example");
    expect(host_of_check(&literal, SERVER), "www.example.org");
    client.health.host = STR("probe.example.org");
    expect(host_of_check(&client, SERVER), "probe.example.org");
}

Test(host, for_tls)
{
    struct config_backend backend = {.host = HOST_CLIENT};

    expect(host_tls_name(&backend, STR("a.test:8443"), SERVER), "a.test");
    expect(host_tls_name(&backend, STR("[::1]:8443"), SERVER), "::1");
    expect(host_tls_name(&backend, STR("a.test."), SERVER), "a.test");
    expect(host_tls_name(&backend, STR(""), SERVER), "app.up.example");
    backend.sni = STR("b.test");
    expect(host_tls_name(&backend, STR("a.test"), SERVER), "b.test");
    expect(host_tls_name(&backend, STR(""), SERVER), "b.test");
}

Test(host, that_may_have_the_secret)
{
    struct str hosts[] = {STR("too.example.org")};
    struct config config = {.forwarded = {.secret_hosts = hosts, .secret_host_count = 1}};
    struct config_backend client = {.host = HOST_CLIENT};
    struct config_backend upstream = {.host = HOST_UPSTREAM};

    cr_expect(host_may_have_secret(&config, &upstream, STR("any.example")));
    cr_expect(host_may_have_secret(&config, &client, STR("TOO.example.org:443")));
    cr_expect_not(host_may_have_secret(&config, &client, STR("his.up.example")));
    cr_expect_not(host_may_have_secret(&config, &client, STR(""))); /* no host is not no sni */
    client.sni = STR("www.example.org");
    client.health.host = STR("probe.example.org:80");
    cr_expect(host_may_have_secret(&config, &client, STR("www.example.org")));
    cr_expect(host_may_have_secret(&config, &client, STR("probe.example.org")));
    cr_expect_not(host_may_have_secret(&config, &client, STR("evil.www.example.org")));
}
