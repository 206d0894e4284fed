/*
 * keys.c - the table of the whole file, and the sections that need no more than a table.
 *
 * Sections with a mind of their own are next door: listen.c, backends.c, routes.c, sticky.c,
 * trust.c, plan.c. Every default in the program stands in one of these tables.
 */
#include "config/keys.h"

#include "config/backends.h"
#include "config/listen.h"
#include "config/plan.h"
#include "config/readers.h"
#include "config/routes.h"
#include "config/secret.h"
#include "config/sticky.h"
#include "config/trust.h"

#define SECRET_HOSTS_MAX 64

#define KIB     1024
#define MIB     (1024 * KIB)
#define GIB     (1024 * (uint64_t)MIB)
#define HOUR_MS 3600000
#define DAY_MS  (24 * HOUR_MS)

static const struct reader_word FILE_PATH = {word_file};
static const struct reader_word OWN_HEADER = {word_own_header};

/* ---- words ---- */

static const struct reader_range SECRET = {1, SECRET_MAX_BYTES, false};

static const struct schema_key OVERRIDE_KEYS[] = {
    {"header", reader_word, PLACE(struct override, header), "X-Cutover-Backend", SCHEMA_NULLABLE,
     &OWN_HEADER},
    {"secret_file", secret_reader, PLACE(struct override, secret), "null", SCHEMA_NULLABLE,
     &SECRET},
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
     &ERRORS},
    {"eject_for", reader_duration, PLACE(struct outlier_policy, eject_for_ms), "10s", 0, &EJECT},
    {"max_eject_for", reader_duration, PLACE(struct outlier_policy, max_eject_for_ms), "5m", 0,
     &EJECT},
};
static const struct schema_map OUTLIER_MAP = SCHEMA_MAP(OUTLIER_KEYS, widen_outlier);

static const struct reader_range ATTEMPTS = {0, 5, false};
static const struct reader_range REPLAY = {0, 16 * MIB, false};

static const struct schema_key RETRY_KEYS[] = {
    {"attempts", reader_integer, PLACE(struct config_retry, attempts), "1", 0, &ATTEMPTS},
    {"replay_bytes", reader_size, PLACE(struct config_retry, replay_bytes), "64k", 0, &REPLAY},
};
static const struct schema_map RETRY_MAP = SCHEMA_MAP(RETRY_KEYS, NULL);

/* 0 is none. Not for these: an attempt to connect must end, and so must an idle connection. */
static const struct reader_range TIMEOUT = {10, DAY_MS, true};
static const struct reader_range ALWAYS = {10, DAY_MS, false};
static const struct reader_range TUNNEL_IDLE = {10, 30 * (uint64_t)DAY_MS, true};
static const struct reader_range DRAIN = {1, HOUR_MS, true};

#define TIMEOUT_KEY(member, value, range)                                                   \
    {                                                                                       \
#member, reader_duration, PLACE(struct config_timeouts, member), value, 0, &(range) \
    }
static const struct schema_key TIMEOUT_KEYS[] = {
    TIMEOUT_KEY(client_header, "15s", TIMEOUT), /* clients */
    TIMEOUT_KEY(client_body, "60s", TIMEOUT),
    TIMEOUT_KEY(client_idle, "75s", TIMEOUT),
    TIMEOUT_KEY(connect, "3s", ALWAYS), /* servers */
    TIMEOUT_KEY(tls_handshake, "5s", ALWAYS),
    TIMEOUT_KEY(response_header, "300s", TIMEOUT),
    TIMEOUT_KEY(response_body, "300s", TIMEOUT),
    TIMEOUT_KEY(upstream_idle, "4s", ALWAYS),
    TIMEOUT_KEY(tunnel_idle, "1h", TUNNEL_IDLE), /* both */
    TIMEOUT_KEY(drain, "25s", DRAIN),
};
static const struct schema_map TIMEOUT_MAP = SCHEMA_MAP(TIMEOUT_KEYS, NULL);

static const struct reader_range HEAD = {1 * KIB, 1 * MIB, false};
static const struct reader_range PART = {256, 1 * MIB, false};
static const struct reader_range HEADERS = {1, 4096, false};
static const struct reader_range BODY = {0, 1024 * GIB, false};
static const struct reader_range RATE = {0, 1 * MIB, false};
static const struct reader_range CONNECTIONS = {0, 10000000, false};

static const struct schema_key LIMIT_KEYS[] = {
    {"head_bytes", reader_size, PLACE(struct config_limits, head_bytes), "32k", 0, &HEAD},
    {"target_bytes", reader_size, PLACE(struct config_limits, target_bytes), "8k", 0, &PART},
    {"field_bytes", reader_size, PLACE(struct config_limits, field_bytes), "16k", 0, &PART},
    {"headers", reader_integer, PLACE(struct config_limits, headers), "128", 0, &HEADERS},
    {"body_bytes", reader_size, PLACE(struct config_limits, body_bytes), "0", 0, &BODY},
    {"body_rate", reader_size, PLACE(struct config_limits, body_rate), "100", 0, &RATE},
    {"connections", reader_integer, PLACE(struct config_limits, connections), "0", 0, &CONNECTIONS},
    {"connections_per_client", reader_integer, PLACE(struct config_limits, connections_per_client),
     "0", 0, &CONNECTIONS},
    {"requests_per_connection", reader_integer,
     PLACE(struct config_limits, requests_per_connection), "0", 0, &CONNECTIONS},
    {"upstream_connections", reader_integer, PLACE(struct config_limits, upstream_connections), "0",
     0, &CONNECTIONS},
};
static const struct schema_map LIMIT_MAP = SCHEMA_MAP(LIMIT_KEYS, NULL);

/* ---- messages and lines ---- */

static void check_forwarded(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config_forwarded *forwarded = base;
    if (forwarded->secret.len > 0 && forwarded->client_ip_header.len == 0) {
        (void)schema_bad_key(schema, node, "secret_file",
                             "needs client_ip_header: the secret tells your application that this "
                             "header comes from the proxy");
    }
    if (str_eq_nocase(forwarded->secret_header, forwarded->client_ip_header)) {
        (void)schema_bad_key(schema, node, "secret_header",
                             "is the same header as client_ip_header: the address and the secret "
                             "need one each");
    }
}

static bool read_secret_hosts(struct schema *schema, const struct yaml_node *node,
                              const struct schema_key *key, void *place)
{
    (void)key;
    static const struct reader_word HOST = {word_domain};
    static const struct schema_key ITEM = {
        .name = "", .read = reader_word, .width = sizeof(struct str), .argument = &HOST};
    struct config_forwarded *forwarded = place;
    void *items = NULL;
    if (!schema_list_read(schema, node, &ITEM, "hosts", SECRET_HOSTS_MAX, &items,
                          &forwarded->secret_host_count))
        return false;
    forwarded->secret_hosts = items;
    return true;
}

static const struct schema_key FORWARDED_KEYS[] = {
    {"trust", trust_reader, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
    {"client_ip_header", reader_word, PLACE(struct config_forwarded, client_ip_header), "null",
     SCHEMA_NULLABLE, &OWN_HEADER},
    {"secret_file", secret_reader, PLACE(struct config_forwarded, secret), "null", SCHEMA_NULLABLE,
     &SECRET},
    {"secret_header", reader_word, PLACE(struct config_forwarded, secret_header),
     "X-Cutover-Secret", 0, &OWN_HEADER},
    {"secret_hosts", read_secret_hosts, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
};
static const struct schema_map FORWARDED_MAP = SCHEMA_MAP(FORWARDED_KEYS, check_forwarded);

static const struct schema_key REWRITE_KEYS[] = {
    {"location", reader_bool, PLACE(struct config_rewrite, location), "true", 0, NULL},
    {"cookie_domain", reader_bool, PLACE(struct config_rewrite, cookie_domain), "true", 0, NULL},
};
static const struct schema_map REWRITE_MAP = SCHEMA_MAP(REWRITE_KEYS, NULL);

static const struct reader_names ACCESS = READER_NAMES("all", "sampled", "errors", "off");
static const struct reader_range SLOW = {1, HOUR_MS, true};
static const struct reader_range EMF = {1000, HOUR_MS, true};

static const struct schema_key LOG_KEYS[] = {
    {"access", reader_enum, PLACE(struct config_log, access), "all", 0, &ACCESS},
    {"slow", reader_duration, PLACE(struct config_log, slow_ms), "1s", 0, &SLOW},
    {"file", reader_word, PLACE(struct config_log, file), "null", SCHEMA_NULLABLE, &FILE_PATH},
    {"emf", reader_duration, PLACE(struct config_log, emf_ms), "0", 0, &EMF},
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

    if (listen_is_same_place(listen, &config->admin.address))
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

/* A tester's header is taken out of requests, so it cannot be one that is put in. */
static void check_headers(struct schema *schema, const struct yaml_node *node,
                          const struct config *config)
{
    const struct yaml_node *forwarded = yaml_child(node, STR("forwarded"));
    const char *problem = "is the same header as override.header, which servers never see";

    if (forwarded == NULL || config->override.header.len == 0)
        return;
    if (str_eq_nocase(config->forwarded.client_ip_header, config->override.header))
        (void)schema_bad_key(schema, forwarded, "client_ip_header", "%s", problem);
    if (str_eq_nocase(config->forwarded.secret_header, config->override.header))
        (void)schema_bad_key(schema, forwarded, "secret_header", "%s", problem);
}

static void check_config(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config *config = base;

    for (unsigned i = 0; i < config->listen_count; i++)
        check_listener(schema, node, config, i);
    check_headers(schema, node, config);
}

static const struct reader_names FAILOVERS = READER_NAMES("both", "to_old", "none");

static const struct schema_key CONFIG_KEYS[] = {
    {"listen", listen_reader, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
    {"admin", reader_section, PLACE(struct config, admin), SCHEMA_NOTHING, 0, &ADMIN_MAP},
    {"state_file", reader_word, PLACE(struct config, state_file), "/var/lib/cutover/state.json", 0,
     &FILE_PATH},
    {"workers", read_workers, PLACE(struct config, workers), "auto", 0, NULL},
    {"initial_weight", reader_percentage, PLACE(struct config, initial_weight), "0", 0, NULL},
    {"health", read_common_health, PLACE(struct config, backends), SCHEMA_NOTHING, 0, NULL},
    {"backends", reader_section, PLACE(struct config, backends), NULL, SCHEMA_REQUIRED,
     &BACKENDS_MAP},
    {"routes", routes_reader, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
    {"sticky", reader_section, PLACE(struct config, sticky), SCHEMA_NOTHING, 0, &STICKY_MAP},
    {"override", reader_section, PLACE(struct config, override), SCHEMA_NOTHING, 0, &OVERRIDE_MAP},
    {"outlier", reader_section, PLACE(struct config, outlier), SCHEMA_NOTHING, 0, &OUTLIER_MAP},
    {"failover", reader_enum, PLACE(struct config, failover), "both", 0, &FAILOVERS},
    {"retry", reader_section, PLACE(struct config, retry), SCHEMA_NOTHING, 0, &RETRY_MAP},
    {"timeouts", reader_section, PLACE(struct config, timeouts), SCHEMA_NOTHING, 0, &TIMEOUT_MAP},
    {"limits", reader_section, PLACE(struct config, limits), SCHEMA_NOTHING, 0, &LIMIT_MAP},
    {"forwarded", reader_section, PLACE(struct config, forwarded), SCHEMA_NOTHING, 0,
     &FORWARDED_MAP},
    {"rewrite", reader_section, PLACE(struct config, rewrite), SCHEMA_NOTHING, 0, &REWRITE_MAP},
    {"log", reader_section, PLACE(struct config, log), SCHEMA_NOTHING, 0, &LOG_MAP},
    {"plan", reader_section, PLACE(struct config, plan), SCHEMA_NOTHING, 0, &PLAN_MAP},
};
const struct schema_map CONFIG_MAP = SCHEMA_MAP(CONFIG_KEYS, check_config);
