/*
 * fuzz_config.c - a configuration file: either all that is wrong with it, or a config in which
 * every value can be used.
 */
#include "config/config.h"

#include <stdlib.h>

#include "fuzz.h"

/* Whose word the system takes is read for each config with https:// in it, which takes a while. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setenv("SSL_CERT_FILE", "/dev/null", 1);
    setenv("SSL_CERT_DIR", "/dev/null", 1);
    return 0;
}

static void expect_usable_plan(const struct plan *plan)
{
    CHECK(plan->step_count <= PLAN_STEPS_MAX);
    for (unsigned i = 0; i < plan->step_count; i++)
        CHECK(plan->steps[i].weight > (i == 0 ? 0 : plan->steps[i - 1].weight) &&
              plan->steps[i].weight <= WEIGHT_MAX);
    CHECK(plan->guard.strikes > 0 && plan->guard.every_ms > 0 &&
          plan->guard.every_ms <= plan->guard.window_ms);
}

static void expect_usable(struct config *config)
{
    struct error error;

    CHECK(config->listen_count >= 1 && config->listen_count <= LISTEN_MAX);
    CHECK(config->initial_weight <= WEIGHT_MAX);
    CHECK(config->state_file.len > 0 && config->sticky.cookie.name.len > 0);
    CHECK(config->timeouts.connect > 0 && config->timeouts.tls_handshake > 0 &&
          config->timeouts.upstream_idle > 0);
    CHECK(config->limits.head_bytes > 0 && config->limits.headers > 0);
    for (int side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &config->backends[side];
        CHECK(backend->name.len > 0 && backend->server_count >= 1);
        for (unsigned i = 0; i < backend->server_count; i++)
            CHECK(backend->servers[i].port > 0 && backend->servers[i].host.len > 0 &&
                  backend->servers[i].authority.len > 0);
        CHECK(backend->health.interval_ms > 0);
    }
    for (unsigned i = 0; i < config->route_count; i++)
        CHECK(config->routes[i].name.len > 0);
    expect_usable_plan(&config->plan);
    CHECK(config->route_plan_count < PLANS_MAX);
    for (unsigned i = 0; i < config->route_plan_count; i++) {
        const struct config_route_plan *own = &config->route_plans[i];
        CHECK(own->route < config->route_count && own->plan.step_count > 0);
        CHECK(config->routes[own->route].kind == ROUTE_WEIGHTED);
        expect_usable_plan(&own->plan);
    }
    CHECK(config_can_replace(config, config, &error));
}

static void expect_problems(const struct config_problems *problems)
{
    struct buf text = BUF_EMPTY;

    CHECK(problems->count > 0 && problems->count <= CONFIG_PROBLEMS_MAX);
    config_problems_format(problems, &text);
    struct str said = buf_str(&text);
    CHECK(said.len > 0 && said.data[said.len - 1] == '\n');
    for (size_t i = 0; i < said.len; i++)
        CHECK((unsigned char)said.data[i] >= ' ' || said.data[i] == '\n');
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_problems problems;

    config_problems_init(&problems);
    struct config *config = config_parse(input_of(data, size), "cutover.yaml", &problems);
    if (config == NULL)
        expect_problems(&problems);
    else
        expect_usable(config);
    config_unref(config);
    config_problems_deinit(&problems);
    return 0;
}
