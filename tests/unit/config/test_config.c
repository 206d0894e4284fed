/* test_config.c - whole files: what is read, shared and reloaded. */
#include "parse.h"
#include "pem.h"

TestSuite(config, .init = set_up, .fini = tear_down);

Test(config, every_default_is_the_one_of_the_contract)
{
    struct config *c = parse_good(MINIMAL);
    cr_assert(str_eq(c->admin.text, STR("127.0.0.1:9901")));
    cr_assert_eq(addr_port(&c->admin.address), 9901);
    cr_assert(str_eq(c->state_file, STR("/var/lib/cutover/state.json")));
    cr_assert_eq(c->workers, 0u);
    cr_assert_eq(c->initial_weight, 0u);
    cr_assert_eq(c->route_count, 0u);
    cr_assert_eq(c->failover, FAILOVER_BOTH);
    cr_assert(str_eq(c->backends[SIDE_OLD].name, STR("old")));
    cr_assert(str_eq(c->backends[SIDE_NEW].name, STR("new")));
    cr_assert_eq(c->backends[SIDE_OLD].host, HOST_UPSTREAM);

    const struct health_policy *health = &c->backends[SIDE_NEW].health;
    cr_assert(str_eq(health->path, STR("/health")));
    cr_assert_eq(health->host.len, 0u);
    cr_assert_eq(health->interval_ms, 5000u);
    cr_assert_eq(health->timeout_ms, 2000u);
    cr_assert_eq(health->healthy_threshold, 2u);
    cr_assert_eq(health->unhealthy_threshold, 2u);
    cr_assert_eq(health->success_min, 200u);
    cr_assert_eq(health->success_max, 399u);

    cr_assert_eq(c->outlier.consecutive_errors, 5u);
    cr_assert_eq(c->outlier.eject_for_ms, 10000u);
    cr_assert_eq(c->outlier.max_eject_for_ms, 300000u);
    cr_assert_eq(c->retry.attempts, 1u);
    cr_assert_eq(c->retry.replay_bytes, 65536u);

    cr_assert_eq(c->listen[0].pair_count, 0u);
    cr_assert_not(c->listen[0].proxy_protocol);
    cr_assert_eq(c->listen[0].redirect_https, 0u);
    cr_assert_eq(c->listen[0].acme_webroot.len, 0u);
    cr_assert_eq(c->admin.pair_count, 0u);
    for (int side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &c->backends[side];
        cr_assert_eq(backend->sni.len, 0u);
        cr_assert(backend->tls.verify);
        cr_assert_eq(backend->tls.ca_file.len, 0u);
        cr_assert_eq(backend->tls.name_count, 0u);
    }
    config_unref(c);
}

Test(config, every_default_of_the_other_sections)
{
    struct config *c = parse_good(MINIMAL);
    const struct sticky *sticky = &c->sticky;
    cr_assert(str_eq(sticky->cookie.name, STR("cutover")));
    cr_assert_eq(sticky->cookie.max_age_s, 30u * 86400);
    cr_assert_eq(sticky->cookie.domain.len, 0u);
    cr_assert(str_eq(sticky->cookie.path, STR("/")));
    cr_assert_eq(sticky->cookie.same_site, SAME_SITE_LAX);
    cr_assert(sticky->secure_auto);
    cr_assert_eq(sticky->chain_count, 1u);
    cr_assert_eq(sticky->chain[0].kind, IDENTITY_COOKIE);
    cr_assert_not(sticky->keep_on_raise || sticky->keep_on_lower);
    cr_assert(str_eq(c->override.header, STR("X-Cutover-Backend")));
    cr_assert_eq(c->override.secret.len, 0u);

    const struct config_timeouts *t = &c->timeouts;
    cr_assert_eq(t->client_header, 15000u);
    cr_assert_eq(t->client_body, 60000u);
    cr_assert_eq(t->client_idle, 75000u);
    cr_assert_eq(t->connect, 3000u);
    cr_assert_eq(t->tls_handshake, 5000u);
    cr_assert_eq(t->response_header, 300000u);
    cr_assert_eq(t->response_body, 300000u);
    cr_assert_eq(t->upstream_idle, 4000u);
    cr_assert_eq(t->tunnel_idle, 3600000u);
    cr_assert_eq(t->drain, 25000u);

    cr_assert_eq(c->limits.head_bytes, 32768u);
    cr_assert_eq(c->limits.target_bytes, 8192u);
    cr_assert_eq(c->limits.field_bytes, 16384u);
    cr_assert_eq(c->limits.headers, 128u);
    cr_assert_eq(c->limits.body_bytes, 0u);
    cr_assert_eq(c->limits.body_rate, 100u);
    cr_assert_eq(c->limits.connections, 0u);
    cr_assert_eq(c->limits.connections_per_client, 0u);
    cr_assert_eq(c->limits.requests_per_connection, 0u);
    cr_assert_eq(c->limits.upstream_connections, 0u);
    cr_assert_eq(c->forwarded.trust_count, 0u);
    cr_assert_eq(c->forwarded.client_ip_header.len, 0u);
    cr_assert(str_eq(c->forwarded.secret_header, STR("X-Cutover-Secret")));
    cr_assert_eq(c->forwarded.secret.len, 0u);
    cr_assert(c->rewrite.location && c->rewrite.cookie_domain);
    cr_assert_eq(c->log.access, ACCESS_ALL);
    cr_assert_eq(c->log.slow_ms, 1000u);
    cr_assert_eq(c->log.file.len, 0u);
    cr_assert_eq(c->log.emf_ms, 0u);
    config_unref(c);
}

Test(config, a_file_that_is_not_there)
{
    struct buf out = BUF_EMPTY;
    cr_assert_null(config_load("/nonexistent.yaml", &problems));
    config_problems_format(&problems, &out);
    cr_assert(str_eq(buf_str(&out), STR("/nonexistent.yaml: error: cannot open the file: No such "
                                        "file or directory\n")));
    buf_deinit(&out);
}

static void assert_reload(const char *now_text, const char *next_text, const char *problem)
{
    struct error error = {""};
    struct config *now = parse_good(now_text);
    struct config *next = parse_good(next_text);
    cr_assert_eq(config_can_replace(now, next, &error), problem == NULL, "%s", error.text);
    cr_assert(problem == NULL || strstr(error.text, problem) != NULL, "%s", error.text);
    config_unref(now);
    config_unref(next);
}

Test(config, a_reload_may_change_what_is_spoken_but_not_whether_admin_has_tls)
{
    const char *plain = MINIMAL;
    const char *tls = "listen: [{address: 127.0.0.1:8080, tls: {certificate: leaf.pem, key: "
                      "leaf.key}, proxy_protocol: true}]\n" BACKENDS;
    const char *first = MINIMAL "admin: {tls: {certificate: leaf.pem, key: leaf.key}}\n";
    const char *second = MINIMAL "admin: {tls: {certificate: again.pem, key: leaf.key}}\n";
    pem_set_up();
    assert_reload(plain, tls, NULL);
    assert_reload(tls, plain, NULL);
    assert_reload(plain, MINIMAL "forwarded: {trust: [railway]}\n", NULL);
    assert_reload(first, second, NULL);
    assert_reload(plain, first, "admin.tls can change while the proxy runs, but neither come");
    assert_reload(first, plain, "restart it");
    pem_tear_down();
}

Test(config, what_a_reload_may_change)
{
    const char *const fixed[][2] = {
        {"admin.address", MINIMAL "admin: {address: 127.0.0.1:9902}\n"},
        {"state_file", MINIMAL "state_file: /x\n"},
        {"workers", MINIMAL "workers: 2\n"},
        {"log.file", MINIMAL "log: {file: /x}\n"},
        {"listen", "listen: [{address: 127.0.0.1:8081}]\n" BACKENDS},
        {"listen", "listen: [{address: 127.0.0.1:8080}, {address: 127.0.0.1:1}]\n" BACKENDS},
    };
    struct error error;
    struct config *now = parse_good(MINIMAL);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        struct config *next = parse_good(fixed[i][1]);
        cr_assert_not(config_can_replace(now, next, &error));
        cr_assert_eq(strncmp(error.text, fixed[i][0], strlen(fixed[i][0])), 0, "%s", error.text);
        config_unref(next);
    }
    struct config *next =
        parse_good(MINIMAL "initial_weight: 5\nlog: {access: off, emf: 60s}\nplan: "
                           "{steps: [{weight: 10, hold: 1d}]}\n");
    cr_assert(config_can_replace(now, next, &error));
    config_unref(next);
    cr_assert_eq(config_ref(now), now);
    config_unref(now);
    config_unref(now);
    config_unref(NULL);
}
