/*
 * gate.c - asked by the admin server for each head, before its body is read.
 *
 * Two kinds of strangers: somebody who reaches the port (the token keeps them out), and a web page
 * in the browser of somebody who may. What the browser says about that page (Host, Origin,
 * Sec-Fetch-Site) the page cannot choose, and it cannot send JSON across origins without being asked
 * for permission first. Those come before the token: a page does not get to try tokens.
 */
#include "control/gate.h"

#include "control/dashboard.h"

const char *gate_text(enum gate_verdict verdict)
{
    switch (verdict) {
    case GATE_OPEN:
        return "";
    case GATE_NO_TOKEN:
        return "a token is needed: Authorization: Bearer TOKEN";
    case GATE_WRONG_TOKEN:
        return "the token is wrong";
    case GATE_HOST:
        return "without a token the Host must be localhost or the admin address";
    case GATE_ORIGIN:
        return "the request comes from a page of another origin";
    case GATE_FORM:
        return "a browser must send Content-Type: application/json";
    }
    return "";
}

static unsigned count_fields(const struct message *message, enum field_id id)
{
    unsigned count = 0;
    for (unsigned i = 0; i < message->count; i++)
        count += message->fields[i].id == id ? 1 : 0;
    return count;
}

static enum gate_verdict check_token(struct str token, const struct message *message)
{
    const struct field *field = message_find(message, FIELD_AUTHORIZATION);
    if (field == NULL)
        return GATE_NO_TOKEN;
    if (count_fields(message, FIELD_AUTHORIZATION) != 1 ||
        !str_starts_with_nocase(field->value, STR("bearer ")))
        return GATE_WRONG_TOKEN;
    struct str given = str_trim(str_slice(field->value, STR("bearer ").len, field->value.len));
    return str_eq_secret(given, token) ? GATE_OPEN : GATE_WRONG_TOKEN;
}

/* "localhost:9901" -> "localhost", "[::1]:9901" -> "[::1]". */
static struct str host_of(struct str authority)
{
    ptrdiff_t bracket = str_find_char(authority, ']', 0);
    ptrdiff_t colon = str_find_char(authority, ':', bracket < 0 ? 0 : (size_t)bracket);
    return colon < 0 ? authority : str_slice(authority, 0, (size_t)colon);
}

/* A name that a hostile DNS server cannot have pointed here. */
static bool host_is_ours(struct str authority, const struct addr *bound)
{
    struct str host = host_of(authority);
    struct addr literal;
    if (str_eq_nocase(host, STR("localhost")) || str_is_empty(host))
        return true;
    if (!addr_parse_ip(host, addr_port(bound), &literal))
        return false;
    return addr_is_loopback(&literal) || addr_eq(&literal, bound);
}

static bool origin_has(struct str origin, struct str scheme, struct str authority)
{
    if (!str_starts_with_nocase(origin, scheme))
        return false;
    struct str host = str_slice(origin, scheme.len, origin.len);
    return !str_is_empty(host) && str_eq_nocase(host, authority);
}

/* Where a token is needed something in front may speak TLS for us: the browser then says https. */
static bool origin_is_ours(const struct config_admin *admin, struct str origin,
                           struct str authority)
{
    bool speaks_tls = admin->pair_count > 0;
    bool may_be_plain = !speaks_tls;
    bool may_be_tls = speaks_tls || !str_is_empty(admin->token);
    return (may_be_plain && origin_has(origin, STR("http://"), authority)) ||
           (may_be_tls && origin_has(origin, STR("https://"), authority));
}

static bool value_is(const struct message *message, struct str name, struct str value)
{
    const struct field *field = message_find_name(message, name);
    return field != NULL && str_eq(field->value, value);
}

/* Somebody follows a link to the page, from wherever. */
static bool is_visit(const struct message *message)
{
    return str_eq(message->path, STR("/")) && str_eq(message->method, STR("GET")) &&
           value_is(message, STR("Sec-Fetch-Mode"), STR("navigate")) &&
           value_is(message, STR("Sec-Fetch-Dest"), STR("document"));
}

/* No page of another origin made the browser send this. */
static bool is_unforged(const struct config_admin *admin, const struct message *message)
{
    const struct field *origin = message_find_name(message, STR("Origin"));
    const struct field *site = message_find_name(message, STR("Sec-Fetch-Site"));
    if (origin != NULL && !origin_is_ours(admin, origin->value, message->authority))
        return false;
    return site == NULL || str_eq(site->value, STR("same-origin")) ||
           str_eq(site->value, STR("none")) || is_visit(message);
}

static bool is_from_browser(const struct message *message)
{
    return message_find_name(message, STR("Origin")) != NULL ||
           message_find_name(message, STR("Sec-Fetch-Site")) != NULL;
}

static bool is_probe(struct str path)
{
    return str_eq(path, STR("/healthz")) || str_eq(path, STR("/readyz"));
}

static bool is_json(const struct message *message)
{
    const struct field *field = message_find_name(message, STR("Content-Type"));
    if (field == NULL)
        return false;
    struct str rest = field->value;
    struct str type;
    return str_next_part(&rest, ';', &type) && str_eq_nocase(type, STR("application/json"));
}

enum gate_verdict gate_check(const struct config_admin *admin, const struct addr *bound,
                             const struct message *message)
{
    bool needs_token = !str_is_empty(admin->token);
    if (is_probe(message->path))
        return GATE_OPEN;
    if (!needs_token && !host_is_ours(message->authority, bound))
        return GATE_HOST;
    if (!is_unforged(admin, message))
        return GATE_ORIGIN;
    if (dashboard_find(message->path) != NULL)
        return GATE_OPEN;
    enum gate_verdict verdict = needs_token ? check_token(admin->token, message) : GATE_OPEN;
    if (verdict != GATE_OPEN)
        return verdict;
    bool has_body = message->body != BODY_NONE;
    return has_body && is_from_browser(message) && !is_json(message) ? GATE_FORM : GATE_OPEN;
}
