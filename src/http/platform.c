/*
 * platform.c - whose answer is it?
 *
 *     status -> one of the four? -> x-railway-fallback: true? -> a bare page? -> the application's
 */
#include "http/platform.h"

/* Who writes error pages of its own, and its name over the application's. */
static const struct str SERVERS[] = {
    STR_INIT("awselb"),
    STR_INIT("nginx"),
    STR_INIT("openresty"),
    STR_INIT("tengine"),
};

static enum platform_fault fault_of(unsigned status)
{
    switch (status) {
    case 404:
        return PLATFORM_404;
    case 502:
        return PLATFORM_502;
    case 503:
        return PLATFORM_503;
    case 504:
        return PLATFORM_504;
    default:
        return PLATFORM_NONE;
    }
}

static bool is_railway_fallback(const struct message *response)
{
    const struct field *field = message_find_name(response, STR("x-railway-fallback"));

    return field != NULL && str_eq_nocase(field->value, STR("true"));
}

/* "nginx", "nginx/1.24.0 (Ubuntu)" */
static bool is_known_server(struct str value)
{
    size_t len = 0;

    while (len < value.len && value.data[len] != '/' && value.data[len] != ' ')
        len++;
    for (size_t i = 0; i < ARRAY_LEN(SERVERS); i++)
        if (str_eq_nocase(str_slice(value, 0, len), SERVERS[i]))
            return true;
    return false;
}

/* AWSALB and AWSALBCORS keep a client on a target, AWSALBTG... on a group of them. */
static bool is_balancer_cookie(struct str value)
{
    ptrdiff_t equals = str_find_char(value, '=', 0);
    struct str name = str_slice(value, 0, equals < 0 ? 0 : (size_t)equals);

    return str_eq(name, STR("AWSALB")) || str_eq(name, STR("AWSALBCORS")) ||
           str_starts_with(name, STR("AWSALBTG"));
}

static bool is_named(const struct field *field, struct str name)
{
    return str_eq_nocase(field->name, name);
}

static bool is_html(const struct field *field)
{
    return is_named(field, STR("Content-Type")) && str_eq_nocase(field->value, STR("text/html"));
}

/* What a platform writes besides the type of its page. */
static bool is_bare(const struct field *field)
{
    switch (field->id) {
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_DATE:
    case FIELD_KEEP_ALIVE:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_VIA:
        return true;
    case FIELD_SET_COOKIE:
        return is_balancer_cookie(field->value);
    case FIELD_OTHER:
        if (is_named(field, STR("Server")))
            return is_known_server(field->value);
        return str_starts_with_nocase(field->name, STR("X-Amz"));
    default:
        return false;
    }
}

static bool is_bare_page(const struct message *response)
{
    bool has_type = false;

    for (unsigned i = 0; i < response->count; i++) {
        const struct field *field = &response->fields[i];
        if (is_html(field))
            has_type = true;
        else if (!is_bare(field))
            return false;
    }
    return has_type;
}

enum platform_fault platform_fault(const struct message *response)
{
    enum platform_fault fault = fault_of(response->status);

    if (LIKELY(fault == PLATFORM_NONE) || is_railway_fallback(response))
        return fault;
    return fault != PLATFORM_404 && is_bare_page(response) ? fault : PLATFORM_NONE;
}
