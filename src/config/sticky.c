/*
 * sticky.c - the sticky section. A cookie with attributes that contradict each other is silently
 * dropped by browsers, and every request would be a new user: so that is refused here.
 */
#include "config/sticky.h"

#include "config/readers.h"

/* ---- the identity chain ---- */

static const struct {
    const char *prefix; /* with ':' a name follows */
    enum identity_kind kind;
} IDENTITIES[] = {
    {"cookie", IDENTITY_COOKIE}, {"address", IDENTITY_ADDRESS}, {"header:", IDENTITY_HEADER},
    {"jwt:", IDENTITY_JWT},      {"query:", IDENTITY_QUERY},
};

#define IDENTITY_EXPECTED "expected cookie, address, header:NAME, jwt:CLAIM or query:NAME"
#define NAME_MAX_BYTES    64

/* Claims and parameters are compared byte by byte with what comes in: no more rules than needed. */
static bool is_plain_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c <= 0x20 || c >= 0x7F || str_find_char(STR("\"\\&=#,"), c, 0) >= 0)
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

static bool identity_parse(struct str text, struct identity *identity)
{
    for (unsigned i = 0; i < ARRAY_LEN(IDENTITIES); i++) {
        struct str prefix = str_of(IDENTITIES[i].prefix);
        bool takes_name = prefix.data[prefix.len - 1] == ':';
        if (takes_name ? !str_starts_with(text, prefix) : !str_eq(text, prefix))
            continue;
        identity->kind = IDENTITIES[i].kind;
        identity->name = str_slice(text, prefix.len, text.len);
        return !takes_name || (identity->kind == IDENTITY_HEADER ? word_is_token(identity->name)
                                                                 : is_plain_name(identity->name));
    }
    return false;
}

static bool read_identity(struct schema *schema, const struct yaml_node *node,
                          const struct schema_key *key, void *place)
{
    (void)key;
    struct str text = STR("");
    if (!schema_scalar(schema, node, IDENTITY_EXPECTED, &text))
        return false;
    return identity_parse(text, place) || schema_expected(schema, node, IDENTITY_EXPECTED);
}

static bool is_same_identity(const struct identity *a, const struct identity *b)
{
    return a->kind == b->kind && (a->kind == IDENTITY_HEADER ? str_eq_nocase(a->name, b->name)
                                                             : str_eq(a->name, b->name));
}

static bool check_chain(struct schema *schema, const struct yaml_node *node,
                        const struct identity *chain, unsigned count)
{
    if (count == 0)
        return schema_bad(schema, node, "expected at least one of them such as [cookie]");
    for (unsigned i = 1; i < count; i++) {
        for (unsigned j = 0; j < i; j++)
            if (is_same_identity(&chain[i], &chain[j]))
                return schema_bad(schema, node, "identity[%u] and identity[%u] are the same", j, i);
    }
    return true;
}

static bool read_chain(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {
        .name = "", .read = read_identity, .width = sizeof(struct identity)};
    struct sticky *sticky = place;
    void *items = NULL;
    unsigned count = 0;
    if (!schema_list_read(schema, node, &ITEM, "identities", IDENTITIES_MAX, &items, &count) ||
        !check_chain(schema, node, items, count))
        return false;
    memcpy(sticky->chain, items, count * sizeof(struct identity));
    sticky->chain_count = count;
    return true;
}

/* ---- the cookie ---- */

static bool read_secure(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, void *place)
{
    (void)key;
    struct sticky *sticky = place;
    struct str text = STR("");
    const char *expected = "expected auto, true or false";
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    sticky->secure_auto = str_eq(text, STR("auto"));
    sticky->cookie.secure = str_eq(text, STR("true"));
    return sticky->secure_auto || sticky->cookie.secure || str_eq(text, STR("false")) ||
           schema_expected(schema, node, expected);
}

/* Browsers refuse such names unless the attributes are these (RFC 6265bis 4.1.3). */
static void check_prefix(struct schema *schema, const struct yaml_node *node,
                         const struct sticky *sticky)
{
    const struct cookie_attributes *cookie = &sticky->cookie;
    bool is_host = str_starts_with_nocase(cookie->name, STR("__Host-"));
    bool is_secure = str_starts_with_nocase(cookie->name, STR("__Secure-"));
    if ((is_host || is_secure) && !cookie->secure) {
        (void)schema_bad_key(schema, node, "cookie",
                             "a name that starts with __Host- or __Secure- needs secure: true");
    }
    if (is_host && (!str_eq(cookie->path, STR("/")) || cookie->domain.len > 0)) {
        (void)schema_bad_key(schema, node, "cookie",
                             "a name that starts with __Host- needs path: / and no domain");
    }
}

static void check_sticky(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct sticky *sticky = base;
    bool is_never_secure = !sticky->secure_auto && !sticky->cookie.secure;
    if (sticky->cookie.same_site == SAME_SITE_NONE && is_never_secure) {
        (void)schema_bad_key(schema, node, "same_site",
                             "none needs secure: true or auto: browsers drop the cookie otherwise");
    }
    check_prefix(schema, node, sticky);
}

static const struct reader_word COOKIE_NAME = {word_cookie_name};
static const struct reader_word COOKIE_PATH = {word_cookie_path};
static const struct reader_word DOMAIN = {word_domain};
/* Browsers keep a cookie for 400 days at most (RFC 6265bis 5.5). */
static const struct reader_range MAX_AGE = {1000, 400 * (uint64_t)86400000, false};
static const struct reader_names SAME_SITES = READER_NAMES("lax", "strict", "none");
static const struct reader_names KEEP = READER_NAMES("move", "keep");

static const struct schema_key STICKY_KEYS[] = {
    {"cookie", reader_word, PLACE(struct sticky, cookie.name), "cutover", 0, &COOKIE_NAME},
    {"max_age", reader_seconds, PLACE(struct sticky, cookie.max_age_s), "30d", 0, &MAX_AGE},
    {"domain", reader_word, PLACE(struct sticky, cookie.domain), "null", SCHEMA_NULLABLE, &DOMAIN},
    {"path", reader_word, PLACE(struct sticky, cookie.path), "/", 0, &COOKIE_PATH},
    {"same_site", reader_enum, PLACE(struct sticky, cookie.same_site), "lax", 0, &SAME_SITES},
    {"secure", read_secure, PLACE_WHOLE, "auto", 0, NULL},
    {"identity", read_chain, PLACE_WHOLE, "cookie", 0, NULL},
    {"on_raise", reader_enum, PLACE(struct sticky, keep_on_raise), "move", 0, &KEEP},
    {"on_lower", reader_enum, PLACE(struct sticky, keep_on_lower), "move", 0, &KEEP},
};
const struct schema_map STICKY_MAP = SCHEMA_MAP(STICKY_KEYS, check_sticky);
