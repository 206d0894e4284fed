/* test_keys.c - the sections that are no more than a table: numbers, headers. */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(keys, .init = set_up, .fini = tear_down);

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

/* FORWARDED("...") with a file "secret" in the current folder. */
#define FORWARDED(keys) MINIMAL "forwarded: {" keys "}\n"

Test(keys, a_secret_goes_with_the_address_of_the_client)
{
    char folder[] = "/tmp/test_config_XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    FILE *file = fopen("secret", "w");
    cr_assert_not_null(file);
    (void)fputs("hush-hush\n", file);
    (void)fclose(file);

    struct config *c = parse_good(FORWARDED("client_ip_header: X-Client-IP, secret_file: secret"));
    cr_assert(str_eq(c->forwarded.secret, STR("hush-hush")));
    cr_assert(str_eq(c->forwarded.secret_header, STR("X-Cutover-Secret")));
    config_unref(c);
    c = parse_good(FORWARDED("client_ip_header: X-A, secret_file: secret, secret_header: X-B"));
    cr_assert(str_eq(c->forwarded.secret_header, STR("X-B")));
    config_unref(c);
    assert_problem(FORWARDED("secret_file: secret"), 5, "forwarded.secret_file",
                   "needs client_ip_header");
    assert_problem(FORWARDED("secret_file: none, client_ip_header: X-A"), 5,
                   "forwarded.secret_file", "the file \"none\": cannot open it");
    (void)unlink("secret");
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(folder), 0);
}

Test(keys, headers_of_ours_have_a_name_each)
{
    assert_problem(FORWARDED("client_ip_header: x-cutover-secret"), 5, "forwarded.secret_header",
                   "the same header as client_ip_header");
    assert_problem(FORWARDED("client_ip_header: x-cutover-backend"), 5,
                   "forwarded.client_ip_header", "the same header as override.header");
    assert_problem(FORWARDED("secret_header: x-cutover-backend"), 5, "forwarded.secret_header",
                   "the same header as override.header");
    assert_problem(FORWARDED("secret_header: Host"), 5, "forwarded.secret_header", "your own");
    assert_problem(FORWARDED("secret_header: null"), 5, "forwarded.secret_header",
                   "expected a header");
    config_unref(parse_good(FORWARDED("secret_header: X-A") "override: {header: null}\n"));
    config_unref(parse_good(MINIMAL "override: {header: X-Cutover-Secret}\n"));
}

Test(keys, limits_of_numbers)
{
    assert_problem(MINIMAL "workers: 257\n", 5, "workers", "1 to 256");
    assert_problem(MINIMAL "retry: {attempts: 6}\n", 5, "retry.attempts", "from 0 to 5");
    assert_problem(MINIMAL "retry: {replay_bytes: 17m}\n", 5, "retry.replay_bytes", "to 16m");
    assert_problem(MINIMAL "limits: {head_bytes: 512}\n", 5, "limits.head_bytes", "from 1k to 1m");
    assert_problem(MINIMAL "limits: {headers: 4097}\n", 5, "limits.headers", "from 1 to 4096");
    assert_problem(MINIMAL "limits: {target_bytes: 255}\n", 5, "limits.target_bytes", "from 256");
    assert_problem(MINIMAL "limits: {field_bytes: 0}\n", 5, "limits.field_bytes", "to 1m");
    assert_problem(MINIMAL "limits: {body_rate: 2m}\n", 5, "limits.body_rate", "from 0 to 1m");
    assert_problem(MINIMAL "limits: {connections_per_client: 10000001}\n", 5,
                   "limits.connections_per_client", "from 0 to 10000000");
    assert_problem(MINIMAL "limits: {requests_per_connection: 10000001}\n", 5,
                   "limits.requests_per_connection", "from 0 to 10000000");
    struct config *limits =
        parse_good(MINIMAL "limits: {target_bytes: 1k, field_bytes: 2k, body_rate: 1k, "
                           "connections_per_client: 20, requests_per_connection: 1000}\n");
    cr_expect_eq(limits->limits.target_bytes, 1024u);
    cr_expect_eq(limits->limits.field_bytes, 2048u);
    cr_expect_eq(limits->limits.body_rate, 1024u);
    cr_expect_eq(limits->limits.connections_per_client, 20u);
    cr_expect_eq(limits->limits.requests_per_connection, 1000u);
    config_unref(limits);
    assert_problem(MINIMAL "timeouts: {connect: 0}\n", 5, "timeouts.connect", "from 10ms");
    assert_problem(MINIMAL "timeouts: {tls_handshake: 0}\n", 5, "timeouts.tls_handshake",
                   "from 10ms");
    struct config *handshake = parse_good(MINIMAL "timeouts: {tls_handshake: 10s}\n");
    cr_expect_eq(handshake->timeouts.tls_handshake, 10000u);
    config_unref(handshake);
    assert_problem(MINIMAL "timeouts: {connect: 30}\n", 5, "timeouts.connect", "unit");
    assert_problem(MINIMAL "timeouts: {connect: 99999999999999999999s}\n", 5, "timeouts.connect",
                   "to 1d");
    struct config *longer = parse_good(MINIMAL "outlier: {eject_for: 10m}\n");
    cr_expect_eq(longer->outlier.max_eject_for_ms, 600000u);
    config_unref(longer);
    assert_problem(MINIMAL "initial_weight: 101\n", 5, "initial_weight", "0 to 100");
}

Test(keys, lines_for_cloudwatch_are_written_every_second_at_the_most)
{
    struct config *c = parse_good(MINIMAL "log: {emf: 60s}\n");
    cr_assert_eq(c->log.emf_ms, 60000u);
    config_unref(c);
    config_unref(parse_good(MINIMAL "log: {emf: 0}\n"));
    assert_problem(MINIMAL "log: {emf: 60}\n", 5, "log.emf", "unit");
    assert_problem(MINIMAL "log: {emf: 999ms}\n", 5, "log.emf", "0 or a duration from 1s to 1h");
    assert_problem(MINIMAL "log: {emf: 2h}\n", 5, "log.emf", "to 1h");
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
