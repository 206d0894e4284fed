/*
 * listen.c - the addresses that we listen on, and what each of them speaks.
 *
 *     listen absent  -> 0.0.0.0:$PORT, plain
 *     listen: [...]  -> each alone by its table, then against each other
 */
#include "config/listen.h"

#include <stdlib.h>

#include "config/certificates.h"
#include "config/files.h"
#include "config/secret.h"

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

/* ---- one listener ---- */

static bool read_listen_address(struct schema *schema, const struct yaml_node *node,
                                const struct schema_key *key, void *place)
{
    (void)key;
    struct config_listen *listen = place;
    return read_address(schema, node, &listen->text, &listen->address);
}

static bool read_listen_tls(struct schema *schema, const struct yaml_node *node,
                            const struct schema_key *key, void *place)
{
    (void)key;
    struct config_listen *listen = place;
    return certificates_read(schema, node, &listen->pairs, &listen->pair_count);
}

static bool read_redirect(struct schema *schema, const struct yaml_node *node,
                          const struct schema_key *key, void *place)
{
    (void)key;
    struct config_listen *listen = place;
    struct str text = STR("");
    uint64_t port = 0;
    const char *expected = "expected the port where clients find HTTPS, such as 443 (1 to 65535)";
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    if (!str_to_u64(text, &port) || port < 1 || port > 65535)
        return schema_expected(schema, node, expected);
    listen->redirect_https = (uint16_t)port;
    return true;
}

static void check_one(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config_listen *listen = base;
    if (listen->redirect_https == 0)
        return;
    if (listen->pair_count > 0) {
        (void)schema_bad_key(schema, node, "redirect_https",
                             "who comes to this address uses HTTPS already, because of tls: remove "
                             "one of the two");
    } else if (listen->redirect_https == addr_port(&listen->address)) {
        (void)schema_bad_key(schema, node, "redirect_https",
                             "this is the port of the address itself, which speaks plain HTTP: "
                             "expected the port where clients find HTTPS");
    }
}

static const struct reader_word HEALTH_PATH = {word_route_path};

static const struct schema_key LISTEN_KEYS[] = {
    {"address", read_listen_address, PLACE_WHOLE, NULL, SCHEMA_REQUIRED, NULL},
    {"tls", read_listen_tls, PLACE_WHOLE, "null", SCHEMA_NULLABLE, NULL},
    {"proxy_protocol", reader_bool, PLACE(struct config_listen, proxy_protocol), "false", 0, NULL},
    {"redirect_https", read_redirect, PLACE_WHOLE, "null", SCHEMA_NULLABLE, NULL},
    {"health_path", reader_word, PLACE(struct config_listen, health_path), "null", SCHEMA_NULLABLE,
     &HEALTH_PATH},
    {"acme_webroot", folder_reader, PLACE(struct config_listen, acme_webroot), "null",
     SCHEMA_NULLABLE, NULL},
};
static const struct schema_map LISTEN_MAP = SCHEMA_MAP(LISTEN_KEYS, check_one);

/* ---- all of them ---- */

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

bool listen_is_same_place(const struct addr *a, const struct addr *b)
{
    return addr_port(a) != 0 && addr_eq(a, b);
}

static bool check_all(struct schema *schema, const struct yaml_node *node,
                      const struct config *config)
{
    for (unsigned i = 1; i < config->listen_count; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (listen_is_same_place(&config->listen[i].address, &config->listen[j].address)) {
                return schema_bad(schema, node, "listen[%u] and listen[%u] have the same address",
                                  j, i);
            }
        }
    }
    return true;
}

bool listen_reader(struct schema *schema, const struct yaml_node *node,
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
    return check_all(schema, node, config);
}

/* ---- admin ---- */

static bool read_admin_address(struct schema *schema, const struct yaml_node *node,
                               const struct schema_key *key, void *place)
{
    (void)key;
    struct config_admin *admin = place;
    return read_address(schema, node, &admin->text, &admin->address);
}

static bool read_admin_tls(struct schema *schema, const struct yaml_node *node,
                           const struct schema_key *key, void *place)
{
    (void)key;
    struct config_admin *admin = place;
    return certificates_read(schema, node, &admin->pairs, &admin->pair_count);
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

static const struct schema_key ADMIN_KEYS[] = {
    {"address", read_admin_address, PLACE_WHOLE, "127.0.0.1:9901", 0, NULL},
    {"token_file", secret_reader, PLACE(struct config_admin, token), "null", SCHEMA_NULLABLE,
     &TOKEN},
    {"tls", read_admin_tls, PLACE_WHOLE, "null", SCHEMA_NULLABLE, NULL},
};
const struct schema_map ADMIN_MAP = SCHEMA_MAP(ADMIN_KEYS, check_admin);
