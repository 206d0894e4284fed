/*
 * message.c - the views of a head, and the names that have an id.
 *
 * A name is looked up by its length first: most names that are not ours share their length with two
 * or three of ours, and then differ in the first letter.
 */
#include "http/message.h"

#include "base/check.h"

void message_init(struct message *message, unsigned max_fields)
{
    *message = (struct message){.capacity = max_fields};
    message->fields = mem_zalloc(max_fields, sizeof(struct field));
}

void message_deinit(struct message *message)
{
    mem_free(message->fields);
    *message = (struct message){0};
}

void message_trim(struct message *message)
{
    message->capacity = message->count > 0 ? message->count : 1;
    message->fields = mem_realloc(message->fields, message->capacity * sizeof(*message->fields));
}

const struct field *message_find(const struct message *message, enum field_id id)
{
    for (unsigned i = 0; i < message->count; i++)
        if (message->fields[i].id == id)
            return &message->fields[i];
    return NULL;
}

const struct field *message_find_name(const struct message *message, struct str name)
{
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (field->name.len == name.len && str_eq_nocase(field->name, name))
            return field;
    }
    return NULL;
}

/* `lower` is in lower case and as long as `name`. */
static inline bool is_name(const char *name, const char *lower, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (ascii_lower(name[i]) != lower[i])
            return false;
    return true;
}

#define IS(lower) is_name(name.data, lower, sizeof(lower) - 1)

/* The longer half, so that neither function is long. */
static enum field_id long_field_id(struct str name)
{
    switch (name.len) {
    case 12:
        return IS("x-request-id")   ? FIELD_X_REQUEST_ID
               : IS("max-forwards") ? FIELD_MAX_FORWARDS
                                    : FIELD_OTHER;
    case 13:
        return IS("authorization")   ? FIELD_AUTHORIZATION
               : IS("cache-control") ? FIELD_CACHE_CONTROL
                                     : FIELD_OTHER;
    case 14:
        return IS("content-length") ? FIELD_CONTENT_LENGTH : FIELD_OTHER;
    case 15:
        return IS("x-forwarded-for") ? FIELD_X_FORWARDED_FOR : FIELD_OTHER;
    case 16:
        return IS("x-forwarded-host")   ? FIELD_X_FORWARDED_HOST
               : IS("x-forwarded-port") ? FIELD_X_FORWARDED_PORT
               : IS("content-location") ? FIELD_CONTENT_LOCATION
               : IS("proxy-connection") ? FIELD_PROXY_CONNECTION
                                        : FIELD_OTHER;
    case 17:
        return IS("x-forwarded-proto")   ? FIELD_X_FORWARDED_PROTO
               : IS("transfer-encoding") ? FIELD_TRANSFER_ENCODING
                                         : FIELD_OTHER;
    case 18:
        return IS("proxy-authenticate") ? FIELD_PROXY_AUTHENTICATE : FIELD_OTHER;
    case 19:
        return IS("proxy-authorization") ? FIELD_PROXY_AUTHORIZATION : FIELD_OTHER;
    default:
        return FIELD_OTHER;
    }
}

enum field_id field_id_of(struct str name)
{
    switch (name.len) {
    case 2:
        return IS("te") ? FIELD_TE : FIELD_OTHER;
    case 3:
        return IS("via") ? FIELD_VIA : FIELD_OTHER;
    case 4:
        return IS("host") ? FIELD_HOST : IS("date") ? FIELD_DATE : FIELD_OTHER;
    case 5:
        return IS("proxy") ? FIELD_PROXY : FIELD_OTHER;
    case 6:
        return IS("cookie") ? FIELD_COOKIE : IS("expect") ? FIELD_EXPECT : FIELD_OTHER;
    case 7:
        return IS("upgrade")   ? FIELD_UPGRADE
               : IS("trailer") ? FIELD_TRAILER
               : IS("refresh") ? FIELD_REFRESH
                               : FIELD_OTHER;
    case 8:
        return IS("location") ? FIELD_LOCATION : FIELD_OTHER;
    case 9:
        return IS("forwarded") ? FIELD_FORWARDED : IS("x-real-ip") ? FIELD_X_REAL_IP : FIELD_OTHER;
    case 10:
        return IS("connection")   ? FIELD_CONNECTION
               : IS("keep-alive") ? FIELD_KEEP_ALIVE
               : IS("set-cookie") ? FIELD_SET_COOKIE
                                  : FIELD_OTHER;
    default:
        return long_field_id(name);
    }
}

bool method_is_safe(struct str method)
{
    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD")) ||
           str_eq(method, STR("OPTIONS"));
}

static void take_connection(struct connection_wishes *wishes, struct str list)
{
    struct str token;

    while (str_next_part(&list, ',', &token)) {
        wishes->close |= str_eq_nocase(token, STR("close"));
        wishes->keep_alive |= str_eq_nocase(token, STR("keep-alive"));
        wishes->upgrade |= str_eq_nocase(token, STR("upgrade"));
    }
}

bool message_read_fields(struct message *message, struct connection_wishes *wishes)
{
    for (unsigned i = 0; i < message->count; i++) {
        struct str value = message->fields[i].value;
        switch (message->fields[i].id) {
        case FIELD_CONNECTION:
            take_connection(wishes, value);
            break;
        case FIELD_CONTENT_LENGTH:
            message->has_content_length = true;
            if (!str_to_u64(value, &message->content_length))
                return false;
            break;
        case FIELD_EXPECT:
            /* In HTTP/1.0 it means nothing (RFC 9110 10.1.1). */
            if (message->minor == 1 && str_eq_nocase(value, STR("100-continue")))
                message->expects_continue = true;
            else if (message->minor == 1)
                message->expects_more = true;
            break;
        case FIELD_HOST:
            message->authority = value;
            break;
        case FIELD_TRANSFER_ENCODING:
            wishes->chunked = true;
            break;
        case FIELD_UPGRADE:
            message->upgrade = value;
            break;
        default:
            break;
        }
    }
    return true;
}

bool message_next_tunnel(struct str *list, struct str *protocol)
{
    while (str_next_part(list, ',', protocol))
        if (protocol->len > 0 && !str_eq_nocase(*protocol, STR("h2c")))
            return true;
    return false;
}

bool message_upgrade_is_offered(const struct message *response, const struct message *request)
{
    struct str list = response->upgrade;
    struct str token, tunnel;

    while (str_next_part(&list, ',', &token)) {
        struct str one = token;
        if (!message_next_tunnel(&one, &tunnel) || !str_list_has(request->upgrade, token))
            return false;
    }
    return response->upgrade.len > 0;
}

bool message_has_parameter(const struct message *message, struct str name)
{
    struct str query = message->query;
    struct str parameter;

    while (str_next_part(&query, '&', &parameter))
        if (str_starts_with(parameter, name) && parameter.len > name.len &&
            parameter.data[name.len] == '=')
            return true;
    return false;
}

bool message_hops_left(const struct message *message, uint64_t *hops)
{
    const struct field *field =
        str_eq(message->method, STR("OPTIONS")) ? message_find(message, FIELD_MAX_FORWARDS) : NULL;

    return field != NULL && str_to_u64(field->value, hops);
}

bool message_is_shared(const struct message *response)
{
    for (unsigned i = 0; i < response->count; i++) {
        struct str list = response->fields[i].value;
        struct str part;
        if (response->fields[i].id != FIELD_CACHE_CONTROL)
            continue;
        while (str_next_part(&list, ',', &part))
            if (str_eq_nocase(part, STR("public")) ||
                str_starts_with_nocase(part, STR("s-maxage=")))
                return true;
    }
    return false;
}

bool message_offers_upgrade(const struct message *message)
{
    struct str list = message->upgrade;
    struct str protocol;

    return message_next_tunnel(&list, &protocol);
}

/* http://authority/path?query */
void message_split_target(struct message *message)
{
    struct str target = message->target;

    if (target.data[0] != '/' && target.data[0] != '*') {
        size_t from = (size_t)str_find_char(target, '/', 0) + 2;
        size_t to = (size_t)str_find_char(target, '/', from);
        message->authority = str_slice(target, from, to);
        target = str_slice(target, to, target.len);
    }
    ptrdiff_t mark = str_find_char(target, '?', 0);
    message->path = mark < 0 ? target : str_slice(target, 0, (size_t)mark);
    message->query = mark < 0 ? str_slice(target, target.len, target.len)
                              : str_slice(target, (size_t)mark + 1, target.len);
}
