/*
 * backends.c - backends.old and backends.new.
 *
 *     "https://10.0.0.5:3000/" -> without '/' -> scheme | host | port -> config_server
 *
 * The common health section is in both backends already when this begins (keys.c reads it first);
 * what a backend says of its own goes over that.
 */
#include "config/backends.h"

#include "config/certificates.h"
#include "config/readers.h"
#include "config/values.h"

/* Where a server is when its URL names no port; left out in the Host that it is sent. */
#define HTTP_PORT  80
#define HTTPS_PORT 443

/* ---- health ---- */

static bool read_success_codes(struct schema *schema, const struct yaml_node *node,
                               const struct schema_key *key, void *place)
{
    (void)key;
    struct health_policy *health = place;
    struct str text;
    struct error error;
    if (!schema_scalar(schema, node, "expected status codes such as 200-399", &text))
        return false;
    return value_status_range(text, &health->success_min, &health->success_max, &error) ||
           schema_expected(schema, node, error.text);
}

static const struct reader_word CHECK_PATH = {word_check_path};
static const struct reader_word AUTHORITY = {word_authority};
static const struct reader_range INTERVAL = {10, 3600000, false};
static const struct reader_range CHECK_TIMEOUT = {10, 3600000, false};
static const struct reader_range THRESHOLD = {1, 100, false};

static const struct schema_key HEALTH_KEYS[] = {
    {"path", reader_word, PLACE(struct health_policy, path), "/health", 0, &CHECK_PATH},
    {"host", reader_word, PLACE(struct health_policy, host), "null", SCHEMA_NULLABLE, &AUTHORITY},
    {"interval", reader_duration, PLACE(struct health_policy, interval_ms), "5s", 0, &INTERVAL},
    {"timeout", reader_duration, PLACE(struct health_policy, timeout_ms), "2s", 0, &CHECK_TIMEOUT},
    {"healthy_threshold", reader_integer, PLACE(struct health_policy, healthy_threshold), "2", 0,
     &THRESHOLD},
    {"unhealthy_threshold", reader_integer, PLACE(struct health_policy, unhealthy_threshold), "2",
     0, &THRESHOLD},
    {"success_codes", read_success_codes, PLACE_WHOLE, "200-399", 0, NULL},
};
const struct schema_map HEALTH_MAP = SCHEMA_MAP(HEALTH_KEYS, NULL);

/* ---- servers ---- */

#define URL_EXPECTED "expected a URL such as http://10.0.0.5:3000"

static void fill_server(struct schema *schema, struct str url, const struct word_host *host,
                        struct config_server *server)
{
    uint16_t default_port = server->is_tls ? HTTPS_PORT : HTTP_PORT;
    uint16_t port = host->port == 0 ? default_port : host->port;
    bool is_v6 = str_find_char(host->host, ':', 0) >= 0;
    server->url = url;
    server->host = arena_str(schema->arena, host->host);
    server->port = port;
    server->is_name = host->is_name;
    server->address = host->address;
    if (!host->is_name)
        addr_set_port(&server->address, port);
    server->authority = arena_printf(schema->arena, "%s%.*s%s", is_v6 ? "[" : "",
                                     STR_ARG(host->host), is_v6 ? "]" : "");
    if (port != default_port) {
        server->authority =
            arena_printf(schema->arena, "%.*s:%u", STR_ARG(server->authority), (unsigned)port);
    }
}

static bool read_server(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, void *place)
{
    (void)key;
    struct config_server *server = place;
    struct str url = STR("");
    struct word_host host;
    if (!schema_scalar(schema, node, URL_EXPECTED, &url))
        return false;
    if (url.len > 0 && url.data[url.len - 1] == '/')
        url = arena_str(schema->arena, str_slice(url, 0, url.len - 1));
    server->is_tls = str_starts_with(url, STR("https://"));
    struct str prefix = server->is_tls ? STR("https://") : STR("http://");
    if (!str_starts_with(url, prefix) || url.len == prefix.len)
        return schema_expected(schema, node, URL_EXPECTED);
    if (!word_host_split(str_slice(url, prefix.len, url.len), &host)) {
        return schema_expected(schema, node,
                               URL_EXPECTED " with nothing but a host and a port (1 to 65535)");
    }
    fill_server(schema, url, &host, server);
    return true;
}

static bool is_same_server(const struct config_server *a, const struct config_server *b)
{
    if (a->is_name != b->is_name)
        return false;
    return a->is_name ? a->port == b->port && str_eq_nocase(a->host, b->host)
                      : addr_eq(&a->address, &b->address);
}

/* Index of a server of `backend`, below `count`, that is `server`; -1: none. */
static int find_server(const struct config_backend *backend, unsigned count,
                       const struct config_server *server)
{
    for (unsigned i = 0; i < count; i++)
        if (is_same_server(&backend->servers[i], server))
            return (int)i;
    return -1;
}

#define MIXED ", once with http:// and once with https://: a port speaks one of the two"

static bool check_once(struct schema *schema, const struct yaml_node *node,
                       const struct config_backend *backend)
{
    bool good = true;
    for (unsigned i = 1; i < backend->server_count; i++) {
        int same = find_server(backend, i, &backend->servers[i]);
        if (same >= 0) {
            bool is_mixed = backend->servers[same].is_tls != backend->servers[i].is_tls;
            good = schema_bad(schema, node, "servers[%d] and servers[%u] are the same server%s",
                              same, i, is_mixed ? MIXED : "");
        }
    }
    return good;
}

static bool read_servers(struct schema *schema, const struct yaml_node *node,
                         const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {
        .name = "", .read = read_server, .width = sizeof(struct config_server)};
    struct config_backend *backend = place;
    void *items = NULL;
    unsigned count = 0;
    if (!schema_list_read(schema, node, &ITEM, "servers", SERVERS_MAX, &items, &count))
        return false;
    if (count == 0) {
        return schema_bad(schema, node,
                          "expected at least one server such as [http://10.0.0.5:3000]");
    }
    backend->servers = items;
    backend->server_count = count;
    return check_once(schema, node, backend);
}

/* ---- Host ---- */

/* "upsteam" is a valid host name, but hardly one that anybody means. */
static bool is_slip_of(struct str text, struct str word)
{
    return str_find_char(text, '.', 0) < 0 && str_find_char(text, ':', 0) < 0 &&
           str_distance(text, word) <= 2;
}

static bool read_host(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, void *place)
{
    (void)key;
    struct config_backend *backend = place;
    struct str text = STR("");
    struct error error;
    const char *expected = "expected upstream, client, or a host such as app.example.org";
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    if (str_eq(text, STR("upstream")) || str_eq(text, STR("client"))) {
        backend->host = str_eq(text, STR("client")) ? HOST_CLIENT : HOST_UPSTREAM;
        return true;
    }
    if (!word_authority(text, &error) || is_slip_of(text, STR("upstream")) ||
        is_slip_of(text, STR("client")))
        return schema_expected(schema, node, expected);
    backend->host = HOST_LITERAL;
    backend->host_literal = text;
    return true;
}

/* ---- a backend, and the two together ---- */

static bool has_tls(const struct config_backend *backend)
{
    for (unsigned i = 0; i < backend->server_count; i++)
        if (backend->servers[i].is_tls)
            return true;
    return false;
}

/* Who asks for TLS, and has it in no URL, would think that it is there. */
static void check_plain(struct schema *schema, const struct yaml_node *node,
                        const struct config_backend *backend)
{
    const struct yaml_node *tls = yaml_child(node, STR("tls"));
    const char *problem = "means nothing: no server of this side has https:// in its URL";
    if (backend->sni.len > 0)
        (void)schema_bad_key(schema, node, "sni", "%s", problem);
    if (tls != NULL && tls->count > 0)
        (void)schema_bad_key(schema, node, "tls", "%s", problem);
}

static void check_backend(struct schema *schema, const struct yaml_node *node, void *base)
{
    struct config_backend *backend = base;
    if (backend->name.len == 0)
        backend->name = arena_str(schema->arena, node->key);
    if (!has_tls(backend))
        check_plain(schema, node, backend);
}

static const struct reader_word LABEL = {word_label};
static const struct reader_word DOMAIN = {word_domain};

static const struct schema_key BACKEND_KEYS[] = {
    {"name", reader_word, PLACE(struct config_backend, name), NULL, 0, &LABEL},
    {"servers", read_servers, PLACE_WHOLE, NULL, SCHEMA_REQUIRED, NULL},
    {"host", read_host, PLACE_WHOLE, "upstream", 0, NULL},
    {"sni", reader_word, PLACE(struct config_backend, sni), "null", SCHEMA_NULLABLE, &DOMAIN},
    {"tls", reader_section, PLACE(struct config_backend, tls), SCHEMA_NOTHING, 0, &BACKEND_TLS_MAP},
    {"health", reader_overrides, PLACE(struct config_backend, health), NULL, 0, &HEALTH_MAP},
};
static const struct schema_map BACKEND_MAP = SCHEMA_MAP(BACKEND_KEYS, check_backend);

/* Two names behind one load balancer are told apart by the Host that each is sent, or by the name
 * that TLS asks for. */
static bool is_same_host(const struct config_backend *a, const struct config_backend *b)
{
    return a->host == b->host && str_eq_nocase(a->host_literal, b->host_literal) &&
           str_eq_nocase(a->sni, b->sni);
}

static void check_server(struct schema *schema, const struct yaml_node *node,
                         const struct config_backend *backends, unsigned index)
{
    const struct config_backend *old = &backends[SIDE_OLD];
    const struct config_backend *new = &backends[SIDE_NEW];
    int same = find_server(old, old->server_count, &new->servers[index]);
    if (same < 0)
        return;
    if (old->servers[same].is_tls != new->servers[index].is_tls) {
        (void)schema_bad(schema, yaml_child(node, STR("new")),
                         "servers[%u] is backends.old.servers[%d]" MIXED, index, same);
    } else if (is_same_host(old, new)) {
        (void)schema_bad(schema, yaml_child(node, STR("new")),
                         "servers[%u] is backends.old.servers[%d]: a server is on one side only",
                         index, same);
    }
}

/* The authorities of the system are the same for both sides: one look is enough. */
static void check_authorities(struct schema *schema, const struct yaml_node *node,
                              const struct config_backend *backends)
{
    for (int side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &backends[side];
        struct error error;
        if (!has_tls(backend) || !backend->tls.verify || backend->tls.ca_file.len > 0)
            continue;
        if (!certificates_has_authorities(&error)) {
            (void)schema_bad_key(schema, yaml_child(node, str_of(side_name((enum side)side))),
                                 "tls", "%s", error.text);
        }
        return;
    }
}

static void check_sides(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config_backend *backends = base;
    const struct config_backend *old = &backends[SIDE_OLD];
    const struct config_backend *new = &backends[SIDE_NEW];
    for (unsigned i = 0; i < new->server_count; i++)
        check_server(schema, node, backends, i);
    if (str_eq(old->name, new->name)) {
        (void)schema_bad_key(schema, yaml_child(node, STR("new")), "name",
                             "both backends have this name");
    }
    check_authorities(schema, node, backends);
}

static const struct schema_key BACKENDS_KEYS[] = {
    {"old", reader_section, SIDE_OLD * sizeof(struct config_backend), sizeof(struct config_backend),
     NULL, SCHEMA_REQUIRED, &BACKEND_MAP},
    {"new", reader_section, SIDE_NEW * sizeof(struct config_backend), sizeof(struct config_backend),
     NULL, SCHEMA_REQUIRED, &BACKEND_MAP},
};
const struct schema_map BACKENDS_MAP = SCHEMA_MAP(BACKENDS_KEYS, check_sides);
