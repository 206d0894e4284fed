/*
 * gate.c - asked by the admin server for each head, before its body is read.
 *
 * Two kinds of strangers: somebody who reaches the port (the token keeps them out), and a web page
 * in the browser of somebody who may (Host, Origin and Content-Type keep it out: a page cannot
 * choose the first two, and cannot send JSON across origins without being asked for permission).
 */
#include "control/gate.h"

#include "control/api.h"

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
        return "the Origin is not this server's";
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

static bool origin_is_ours(struct str origin, struct str scheme, struct str authority)
{
    if (!str_starts_with_nocase(origin, scheme))
        return false;
    struct str host = str_slice(origin, scheme.len, origin.len);
    return !str_is_empty(host) && str_eq_nocase(host, authority);
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
    if (!api_needs_token(message->path))
        return GATE_OPEN;
    if (!str_is_empty(admin->token)) {
        enum gate_verdict verdict = check_token(admin->token, message);
        if (verdict != GATE_OPEN)
            return verdict;
    } else if (!host_is_ours(message->authority, bound)) {
        return GATE_HOST;
    }
    const struct field *origin = message_find_name(message, STR("Origin"));
    if (origin == NULL)
        return GATE_OPEN;
    struct str scheme = admin->pair_count > 0 ? STR("https://") : STR("http://");
    if (!origin_is_ours(origin->value, scheme, message->authority))
        return GATE_ORIGIN;
    bool has_body = message->body != BODY_NONE;
    return has_body && !is_json(message) ? GATE_FORM : GATE_OPEN;
}
