/* test_keys.c - the sections that are no more than a table: listen, admin, numbers, headers. */
#include "parse.h"

#include <stdlib.h>

TestSuite(keys, .init = set_up, .fini = tear_down);

Test(keys, port_stands_in_for_listen)
{
    setenv("PORT", "3333", 1);
    struct config *c = parse_good(BACKENDS);
    cr_assert_eq(c->listen_count, 1u);
    cr_assert(str_eq(c->listen[0].text, STR("0.0.0.0:3333")));
    cr_assert_eq(addr_port(&c->listen[0].address), 3333);
    config_unref(c);

    setenv("PORT", "70000", 1);
    assert_problem(BACKENDS, 1, "listen", "PORT is no port");
    unsetenv("PORT");
    assert_problem(BACKENDS, 1, "listen", "set the environment variable PORT");
}

Test(keys, listeners_must_differ)
{
    assert_problem("listen: [{address: 127.0.0.1:80}, {address: 127.0.0.1:80}]\n" BACKENDS, 1,
                   "listen", "listen[0] and listen[1]");
    assert_problem("listen: []\n" BACKENDS, 1, "listen", "at least one");
    assert_problem(MINIMAL "admin: {address: 127.0.0.1:8080}\n", 5, "admin", "listen[0]");
    config_unref(parse_good("listen: [{address: 127.0.0.1:0}, {address: '[::1]:0'}]\n" BACKENDS));
}

Test(keys, headers_that_frame_a_message_are_not_ours)
{
    assert_problem(MINIMAL "override: {header: Content-Length}\n", 5, "override.header",
                   "your own");
    assert_problem(MINIMAL "forwarded: {client_ip_header: host}\n", 5, "forwarded.client_ip_header",
                   "your own");
    struct config *c = parse_good(MINIMAL "override: {header: null}\n");
    cr_assert_eq(c->override.header.len, 0u);
    config_unref(c);
}

Test(keys, limits_of_numbers)
{
    assert_problem(MINIMAL "workers: 257\n", 5, "workers", "1 to 256");
    assert_problem(MINIMAL "retry: {attempts: 6}\n", 5, "retry.attempts", "from 0 to 5");
    assert_problem(MINIMAL "retry: {replay_bytes: 17m}\n", 5, "retry.replay_bytes", "to 16m");
    assert_problem(MINIMAL "limits: {head_bytes: 512}\n", 5, "limits.head_bytes", "from 1k to 1m");
    assert_problem(MINIMAL "limits: {headers: 4097}\n", 5, "limits.headers", "from 1 to 4096");
    assert_problem(MINIMAL "timeouts: {connect: 0}\n", 5, "timeouts.connect", "from 10ms");
    assert_problem(MINIMAL "timeouts: {connect: 30}\n", 5, "timeouts.connect", "unit");
    assert_problem(MINIMAL "timeouts: {connect: 99999999999999999999s}\n", 5, "timeouts.connect",
                   "to 1d");
    struct config *longer = parse_good(MINIMAL "outlier: {eject_for: 10m}\n");
    cr_expect_eq(longer->outlier.max_eject_for_ms, 600000u);
    config_unref(longer);
    assert_problem(MINIMAL "initial_weight: 101\n", 5, "initial_weight", "0 to 100");
}

Test(keys, a_server_that_is_the_proxy_itself_is_refused)
{
    static const char *const TEXTS[] = {
        "listen: [{address: 10.0.0.1:80}]\n" BACKENDS,
        "listen: [{address: 0.0.0.0:8080}]\nbackends:\n  old: {servers: "
        "[http://127.0.0.1:8080]}\n  new: {servers: [http://10.0.0.2]}\n",
        "listen: [{address: \"[::]:8080\"}]\nbackends:\n  old: {servers: "
        "[http://localhost:8080]}\n  new: {servers: [http://10.0.0.2]}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        assert_problem(TEXTS[i], 3, "backends", "old.servers[0] is this proxy itself");
    config_unref(parse_good("listen: [{address: 0.0.0.0:8080}]\n" BACKENDS));
}
