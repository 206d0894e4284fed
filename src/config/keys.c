/*
 * keys.c - the table of the whole file, and the sections that need no more than a table.
 *
 * Sections with a mind of their own are next door: backends.c, routes.c, sticky.c, trust.c, and
 * later.c for what does not work yet. Every default in the program stands in one of these tables.
 */
#include "config/keys.h"

#include <stdlib.h>

#include "config/backends.h"
#include "config/later.h"
#include "config/readers.h"
#include "config/routes.h"
#include "config/secret.h"
#include "config/sticky.h"
#include "config/trust.h"

#define KIB        1024
#define MIB        (1024 * KIB)
#define GIB        (1024 * (uint64_t)MIB)
#define HOUR_MS    3600000
#define DAY_MS     (24 * HOUR_MS)
#define LISTEN_MAX 16

static const struct reader_word FILE_PATH = {word_file};
static const struct reader_word OWN_HEADER = {word_own_header};

/* ---- listen and admin ---- */

static bool read_address(struct schema *schema, const struct yaml_node *node, struct str *text,
                         struct addr *address)
{
    const char *expected = "expected an address and port such as 127.0.0.1:8080 or [::]:8080";
    struct str value = STR("");
    if (!schema_scalar(schema, node, expected, &value))
        return false;
    if (!addr_parse(value, address))
        return schema_expected(schema, node, expected);
    *text = value;
    return true;
}

static bool read_listen_address(struct schema *schema, const struct yaml_node *node,
                                const struct schema_key *key, void *place)
{
    (void)key;
    struct config_listen *listen = place;
    return read_address(schema, node, &listen->text, &listen->address);
}

static bool read_admin_address(struct schema *schema, const struct yaml_node *node,
                               const struct schema_key *key, void *place)
{
    (void)key;
    struct config_admin *admin = place;
    return read_address(schema, node, &admin->text, &admin->address);
}

static const struct schema_key LISTEN_KEYS[] = {
    {"address", read_listen_address, PLACE_WHOLE, NULL, SCHEMA_REQUIRED, NULL, NULL},
    {"tls", later_certificates, PLACE_WHOLE, NULL, SCHEMA_NULLABLE | SCHEMA_NO_PLACE, NULL,
     LATER_LISTEN_TLS},
    {"proxy_protocol", reader_bool, 0, sizeof(bool), "false", SCHEMA_NO_PLACE, NULL,
     LATER_PROXY_PROTOCOL},
};
static const struct schema_map LISTEN_MAP = SCHEMA_MAP(LISTEN_KEYS, NULL);

/* The platform says by PORT where it expects us (Railway does, and so do many others). */
static bool listen_on_port(struct schema *schema, const struct yaml_node *node,
                           struct config *config)
{
    uint64_t port = 0;
    const char *text = getenv("PORT");
    if (text == NULL) {
        return schema_bad(schema, node,
                          "missing: write \"listen: [{address: 127.0.0.1:8080}]\", or set the "
                          "environment variable PORT to listen on 0.0.0.0 at that port");
    }
    if (!str_to_u64(str_of(text), &port) || port < 1 || port > 65535) {
        return schema_bad(schema, node,
                          "missing, and the environment variable PORT is no port from 1 to 65535: "
                          "set it right, or write \"listen: [{address: 127.0.0.1:8080}]\"");
    }
    config->listen = arena_array(schema->arena, 1, sizeof(*config->listen));
    config->listen_count = 1;
    config->listen->text = arena_printf(schema->arena, "0.0.0.0:%u", (unsigned)port);
    return addr_parse(config->listen->text, &config->listen->address);
}

/* Port 0 takes any free port, so two of those are different listeners. */
static bool is_same_place(const struct addr *a, const struct addr *b)
{
    return addr_port(a) != 0 && addr_eq(a, b);
}

static bool check_listeners(struct schema *schema, const struct yaml_node *node,
                            const struct config *config)
{
    for (unsigned i = 1; i < config->listen_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (is_same_place(&config->listen[i].address, &config->listen[j].address)) {
                return schema_bad(schema, node, "listen[%u] and listen[%u] have the same address",
                                  j, i);
            }
        }
    }
    return true;
}

static bool read_listen(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {.name = "",
                                           .read = reader_section,
                                           .width = sizeof(struct config_listen),
                                           .argument = &LISTEN_MAP};
    struct config *config = place;
    void *items = NULL;
    if (yaml_is_null(node))
        return listen_on_port(schema, node, config);
    if (!schema_list_read(schema, node, &ITEM, "addresses", LISTEN_MAX, &items,
                          &config->listen_count))
        return false;
    config->listen = items;
    if (config->listen_count == 0) {
        return schema_bad(schema, node,
                          "expected at least one address such as [{address: 127.0.0.1:8080}]");
    }
    return check_listeners(schema, node, config);
}

static void check_admin(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config_admin *admin = base;
    if (admin->token.len == 0 && !addr_is_loopback(&admin->address)) {
        (void)schema_bad_key(schema, node, "token_file",
                             "needed because the admin address is not a loopback address: without "
                             "a token anybody who reaches it could move your users");
    }
}

static const struct reader_range TOKEN = {1, SECRET_MAX_BYTES, false};
static const struct reader_range OVERRIDE_SECRET = {1, SECRET_MAX_BYTES, false};

static const struct schema_key ADMIN_KEYS[] = {
    {"address", read_admin_address, PLACE_WHOLE, "127.0.0.1:9901", 0, NULL, NULL},
    {"token_file", secret_reader, PLACE(struct config_admin, token), "null", SCHEMA_NULLABLE,
     &TOKEN, NULL},
    {"tls", later_certificates, PLACE_WHOLE, NULL, SCHEMA_NULLABLE | SCHEMA_NO_PLACE, NULL,
     LATER_ADMIN_TLS},
};
static const struct schema_map ADMIN_MAP = SCHEMA_MAP(ADMIN_KEYS, check_admin);

static const struct schema_key OVERRIDE_KEYS[] = {
    {"header", reader_word, PLACE(struct override, header), "X-Cutover-Backend", SCHEMA_NULLABLE,
     &OWN_HEADER, NULL},
    {"secret_file", secret_reader, PLACE(struct override, secret), "null", SCHEMA_NULLABLE,
     &OVERRIDE_SECRET, NULL},
};
static const struct schema_map OVERRIDE_MAP = SCHEMA_MAP(OVERRIDE_KEYS, NULL);

/* ---- numbers ---- */

static bool read_workers(struct schema *schema, const struct yaml_node *node,
                         const struct schema_key *key, void *place)
{
    (void)key;
    struct str text = STR("");
    uint64_t count = 0;
    const char *expected = "expected auto or a number from 1 to 256";
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    bool is_auto = str_eq(text, STR("auto"));
    if (!is_auto && (!str_to_u64(text, &count) || count < 1 || count > 256))
        return schema_expected(schema, node, expected);
    *(unsigned *)place = (unsigned)count;
    return true;
}

/* Whoever lengthens only eject_for means it. */
static void widen_outlier(struct schema *schema, const struct yaml_node *node, void *base)
{
    struct outlier_policy *outlier = base;

    (void)schema;
    (void)node;
    if (outlier->max_eject_for_ms < outlier->eject_for_ms)
        outlier->max_eject_for_ms = outlier->eject_for_ms;
}

static const struct reader_range ERRORS = {0, 1000, false};
static const struct reader_range EJECT = {10, DAY_MS, false};

static const struct schema_key OUTLIER_KEYS[] = {
    {"consecutive_errors", reader_integer, PLACE(struct outlier_policy, consecutive_errors), "5", 0,
     &ERRORS, NULL},
    {"eject_for", reader_duration, PLACE(struct outlier_policy, eject_for_ms), "10s", 0, &EJECT,
     NULL},
    {"max_eject_for", reader_duration, PLACE(struct outlier_policy, max_eject_for_ms), "5m", 0,
     &EJECT, NULL},
};
static const struct schema_map OUTLIER_MAP = SCHEMA_MAP(OUTLIER_KEYS, widen_outlier);

static const struct reader_range ATTEMPTS = {0, 5, false};
static const struct reader_range REPLAY = {0, 16 * MIB, false};

static const struct schema_key RETRY_KEYS[] = {
    {"attempts", reader_integer, PLACE(struct config_retry, attempts), "1", 0, &ATTEMPTS, NULL},
    {"replay_bytes", reader_size, PLACE(struct config_retry, replay_bytes), "64k", 0, &REPLAY,
     NULL},
};
static const struct schema_map RETRY_MAP = SCHEMA_MAP(RETRY_KEYS, NULL);

/* 0 is none. Not for these two: a connection attempt must end, and so must an idle connection. */
static const struct reader_range TIMEOUT = {10, DAY_MS, true};
static const struct reader_range ALWAYS = {10, DAY_MS, false};
static const struct reader_range TUNNEL_IDLE = {10, 30 * (uint64_t)DAY_MS, true};
static const struct reader_range DRAIN = {1, HOUR_MS, true};

#define TIMEOUT_KEY(member, value, range)                                                         \
    {                                                                                             \
#member, reader_duration, PLACE(struct config_timeouts, member), value, 0, &(range), NULL \
    }
static const struct schema_key TIMEOUT_KEYS[] = {
    TIMEOUT_KEY(client_header, "15s", TIMEOUT),
    TIMEOUT_KEY(client_body, "60s", TIMEOUT),
    TIMEOUT_KEY(client_idle, "75s", TIMEOUT),
    TIMEOUT_KEY(connect, "3s", ALWAYS),
    {"tls_handshake", reader_duration, PLACE(struct config_timeouts, tls_handshake), "5s", 0,
     &TIMEOUT, LATER_HANDSHAKE},
    TIMEOUT_KEY(response_header, "300s", TIMEOUT),
    TIMEOUT_KEY(response_body, "300s", TIMEOUT),
    TIMEOUT_KEY(upstream_idle, "4s", ALWAYS),
    TIMEOUT_KEY(tunnel_idle, "1h", TUNNEL_IDLE),
    TIMEOUT_KEY(drain, "25s", DRAIN),
};
static const struct schema_map TIMEOUT_MAP = SCHEMA_MAP(TIMEOUT_KEYS, NULL);

static const struct reader_range HEAD = {1 * KIB, 1 * MIB, false};
static const struct reader_range HEADERS = {1, 4096, false};
static const struct reader_range BODY = {0, 1024 * GIB, false};
static const struct reader_range CONNECTIONS = {0, 10000000, false};

static const struct schema_key LIMIT_KEYS[] = {
    {"head_bytes", reader_size, PLACE(struct config_limits, head_bytes), "32k", 0, &HEAD, NULL},
    {"headers", reader_integer, PLACE(struct config_limits, headers), "128", 0, &HEADERS, NULL},
    {"body_bytes", reader_size, PLACE(struct config_limits, body_bytes), "0", 0, &BODY, NULL},
    {"connections", reader_integer, PLACE(struct config_limits, connections), "0", 0, &CONNECTIONS,
     NULL},
    {"upstream_connections", reader_integer, PLACE(struct config_limits, upstream_connections), "0",
     0, &CONNECTIONS, NULL},
};
static const struct schema_map LIMIT_MAP = SCHEMA_MAP(LIMIT_KEYS, NULL);

/* ---- messages and lines ---- */

static const struct schema_key FORWARDED_KEYS[] = {
    {"trust", trust_reader, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL, NULL},
    {"client_ip_header", reader_word, PLACE(struct config_forwarded, client_ip_header), "null",
     SCHEMA_NULLABLE, &OWN_HEADER, NULL},
};
static const struct schema_map FORWARDED_MAP = SCHEMA_MAP(FORWARDED_KEYS, NULL);

static const struct schema_key REWRITE_KEYS[] = {
    {"location", reader_bool, PLACE(struct config_rewrite, location), "true", 0, NULL, NULL},
    {"cookie_domain", reader_bool, PLACE(struct config_rewrite, cookie_domain), "true", 0, NULL,
     NULL},
};
static const struct schema_map REWRITE_MAP = SCHEMA_MAP(REWRITE_KEYS, NULL);

static const struct reader_names ACCESS = READER_NAMES("all", "sampled", "errors", "off");
static const struct reader_range SLOW = {1, HOUR_MS, true};
static const struct reader_range EMF = {1000, HOUR_MS, true};

static const struct schema_key LOG_KEYS[] = {
    {"access", reader_enum, PLACE(struct config_log, access), "all", 0, &ACCESS, NULL},
    {"slow", reader_duration, PLACE(struct config_log, slow_ms), "1s", 0, &SLOW, NULL},
    {"file", reader_word, PLACE(struct config_log, file), "null", SCHEMA_NULLABLE, &FILE_PATH,
     NULL},
    {"emf", reader_duration, 0, sizeof(uint64_t), "0", SCHEMA_NO_PLACE, &EMF, LATER_EMF},
};
static const struct schema_map LOG_MAP = SCHEMA_MAP(LOG_KEYS, NULL);

/* ---- the file ---- */

/* Into both backends, which then override it: so this stands before them in the table. */
static bool read_common_health(struct schema *schema, const struct yaml_node *node,
                               const struct schema_key *key, void *place)
{
    (void)key;
    struct config_backend *backends = place;
    bool good = schema_map_read(schema, node, &HEALTH_MAP, &backends[SIDE_OLD].health, true);
    backends[SIDE_NEW].health = backends[SIDE_OLD].health;
    return good;
}

/* What is sent there comes back in here, and goes out again, until nothing is left. */
static bool leads_here(const struct config_server *server, const struct addr *listen)
{
    if (server->port != addr_port(listen))
        return false;
    if (server->is_name)
        return str_eq_nocase(server->host, STR("localhost")) &&
               (addr_is_loopback(listen) || addr_is_any(listen));
    return addr_eq(&server->address, listen) ||
           (addr_is_any(listen) && addr_is_loopback(&server->address));
}

static void check_listener(struct schema *schema, const struct yaml_node *node,
                           const struct config *config, unsigned index)
{
    const struct addr *listen = &config->listen[index].address;

    if (is_same_place(listen, &config->admin.address))
        (void)schema_bad_key(schema, node, "admin", "has the same address as listen[%u]", index);
    for (int side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &config->backends[side];
        for (unsigned i = 0; i < backend->server_count; i++) {
            if (leads_here(&backend->servers[i], listen))
                (void)schema_bad_key(schema, node, "backends",
                                     "%s.servers[%u] is this proxy itself: listen[%u]",
                                     side_name((enum side)side), i, index);
        }
    }
}

static void check_config(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config *config = base;

    for (unsigned i = 0; i < config->listen_count; i++)
        check_listener(schema, node, config, i);
}

static const struct reader_names FAILOVERS = READER_NAMES("both", "to_old", "none");

static const struct schema_key CONFIG_KEYS[] = {
    {"listen", read_listen, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL, NULL},
    {"admin", reader_section, PLACE(struct config, admin), SCHEMA_NOTHING, 0, &ADMIN_MAP, NULL},
    {"state_file", reader_word, PLACE(struct config, state_file), "/var/lib/cutover/state.json", 0,
     &FILE_PATH, NULL},
    {"workers", read_workers, PLACE(struct config, workers), "auto", 0, NULL, NULL},
    {"initial_weight", reader_percentage, PLACE(struct config, initial_weight), "0", 0, NULL, NULL},
    {"health", read_common_health, PLACE(struct config, backends), SCHEMA_NOTHING, 0, NULL, NULL},
    {"backends", reader_section, PLACE(struct config, backends), NULL, SCHEMA_REQUIRED,
     &BACKENDS_MAP, NULL},
    {"routes", routes_reader, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL, NULL},
    {"sticky", reader_section, PLACE(struct config, sticky), SCHEMA_NOTHING, 0, &STICKY_MAP, NULL},
    {"override", reader_section, PLACE(struct config, override), SCHEMA_NOTHING, 0, &OVERRIDE_MAP,
     NULL},
    {"outlier", reader_section, PLACE(struct config, outlier), SCHEMA_NOTHING, 0, &OUTLIER_MAP,
     NULL},
    {"failover", reader_enum, PLACE(struct config, failover), "both", 0, &FAILOVERS, NULL},
    {"retry", reader_section, PLACE(struct config, retry), SCHEMA_NOTHING, 0, &RETRY_MAP, NULL},
    {"timeouts", reader_section, PLACE(struct config, timeouts), SCHEMA_NOTHING, 0, &TIMEOUT_MAP,
     NULL},
    {"limits", reader_section, PLACE(struct config, limits), SCHEMA_NOTHING, 0, &LIMIT_MAP, NULL},
    {"forwarded", reader_section, PLACE(struct config, forwarded), SCHEMA_NOTHING, 0,
     &FORWARDED_MAP, NULL},
    {"rewrite", reader_section, PLACE(struct config, rewrite), SCHEMA_NOTHING, 0, &REWRITE_MAP,
     NULL},
    {"log", reader_section, PLACE(struct config, log), SCHEMA_NOTHING, 0, &LOG_MAP, NULL},
    {"plan", later_plan, PLACE_WHOLE, NULL, SCHEMA_NULLABLE | SCHEMA_NO_PLACE, NULL, LATER_PLAN},
};
const struct schema_map CONFIG_MAP = SCHEMA_MAP(CONFIG_KEYS, check_config);
