/*
 * certificates.c - what the keys called tls say.
 *
 * All files are read here, as a listener or a connection to a server would, and what comes of it is
 * thrown away: so a certificate that cannot be used is found by "cutover check", refused by a
 * reload, and never met by the first client.
 */
#include "config/certificates.h"

#include "config/files.h"

#define NAMES_MAX 64

/* ---- pairs ---- */

#define PAIR_EXPECTED "expected {certificate: FILE, key: FILE}, or a list of such pairs"

static const struct schema_key PAIR_KEYS[] = {
    {"certificate", file_reader, PLACE(struct tls_pair, certificate), NULL, SCHEMA_REQUIRED, NULL},
    {"key", file_reader, PLACE(struct tls_pair, key), NULL, SCHEMA_REQUIRED, NULL},
};
static const struct schema_map PAIR_MAP = SCHEMA_MAP(PAIR_KEYS, NULL);

static bool read_pair(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, void *place)
{
    (void)key;
    struct tls_pair_info info;
    struct error error;
    if (node->kind != YAML_MAPPING)
        return schema_expected(schema, node, PAIR_EXPECTED);
    if (!schema_map_read(schema, node, &PAIR_MAP, place, true))
        return false;
    return tls_pair_read(place, &info, &error) || schema_bad(schema, node, "%s", error.text);
}

/* The same certificate twice is a line that was copied and then not changed. */
static bool check_files(struct schema *schema, const struct yaml_node *node,
                        const struct tls_pair *pairs)
{
    unsigned problems_before = schema_problem_count(schema);
    const struct yaml_node *second = node->first;
    for (unsigned i = 0; second != NULL; i++, second = second->next) {
        for (unsigned j = 0; j < i; j++) {
            if (str_eq(pairs[i].certificate, pairs[j].certificate)) {
                (void)schema_bad_key(schema, second, "certificate",
                                     "%.*s[%u] has the same certificate file", STR_ARG(node->key),
                                     j);
            }
        }
    }
    return schema_problem_count(schema) == problems_before;
}

bool certificates_read(struct schema *schema, const struct yaml_node *node, struct tls_pair **pairs,
                       unsigned *count)
{
    static const struct schema_key ITEM = {
        .name = "", .read = read_pair, .width = sizeof(struct tls_pair)};
    void *items = NULL;
    if (!schema_list_read(schema, node, &ITEM, "certificates", TLS_PAIRS_MAX, &items, count))
        return false;
    if (*count == 0)
        return schema_bad(schema, node, PAIR_EXPECTED ", got an empty list");
    *pairs = items;
    return node->kind != YAML_SEQUENCE || check_files(schema, node, *pairs);
}

/* ---- servers ---- */

static bool read_names(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    (void)key;
    static const struct reader_word NAME = {word_certificate_name};
    static const struct schema_key ITEM = {
        .name = "", .read = reader_word, .width = sizeof(struct str), .argument = &NAME};
    struct config_backend_tls *tls = place;
    void *items = NULL;
    if (!schema_list_read(schema, node, &ITEM, "names", NAMES_MAX, &items, &tls->name_count))
        return false;
    tls->names = items;
    return true;
}

static bool can_trust(struct str ca_file, struct error *error)
{
    struct tls_trust *trust = tls_trust_new(true, ca_file, NULL, 0, error);
    bool good = trust != NULL;
    tls_trust_unref(trust);
    return good;
}

bool certificates_has_authorities(struct error *error)
{
    return can_trust(STR(""), error);
}

static void check_backend_tls(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct config_backend_tls *tls = base;
    bool has_ca_file = tls->ca_file.len > 0;
    struct error error;
    if (!tls->verify && (has_ca_file || tls->name_count > 0)) {
        (void)schema_bad_key(schema, node, "verify",
                             "false accepts every certificate, so %s would mean nothing: remove "
                             "one of the two",
                             has_ca_file ? "ca_file" : "names");
    } else if (has_ca_file && !can_trust(tls->ca_file, &error)) {
        (void)schema_bad_key(schema, node, "ca_file", "%s", error.text);
    }
}

static const struct schema_key BACKEND_TLS_KEYS[] = {
    {"verify", reader_bool, PLACE(struct config_backend_tls, verify), "true", 0, NULL},
    {"ca_file", file_reader, PLACE(struct config_backend_tls, ca_file), "null", SCHEMA_NULLABLE,
     NULL},
    {"names", read_names, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
};
const struct schema_map BACKEND_TLS_MAP = SCHEMA_MAP(BACKEND_TLS_KEYS, check_backend_tls);
