/*
 * cookie.c - "a=1; b=2": pairs between semicolons, whatever they hold (quotes do not protect a
 * semicolon, RFC 6265 5.4). Every function walks a value once, from left to right.
 */
#include "http/cookie.h"

/* Cuts the part before the next ';' off `rest`, blanks and all; false when nothing is left. */
static bool next_part(struct str *rest, struct str *part)
{
    if (rest->data == NULL)
        return false;
    const char *semicolon =
        rest->len == 0 ? NULL : (const char *)memchr(rest->data, ';', rest->len);
    if (semicolon == NULL) {
        *part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    *part = str_from(rest->data, (size_t)(semicolon - rest->data));
    *rest = str_from(semicolon + 1, rest->len - part->len - 1);
    return true;
}

/* "name=value" with blanks around either; false when there is no '='. */
static bool split_pair(struct str part, struct str *name, struct str *value)
{
    ptrdiff_t equals = str_find_char(part, '=', 0);

    if (equals < 0)
        return false;
    *name = str_trim(str_slice(part, 0, (size_t)equals));
    *value = str_trim(str_slice(part, (size_t)equals + 1, part.len));
    return true;
}

static bool is_pair_of(struct str part, struct str name, struct str *value)
{
    struct str found;

    return split_pair(part, &found, value) && str_eq(found, name);
}

bool cookie_find(const struct message *message, struct str name, unsigned nth, struct str *value)
{
    for (unsigned i = 0; i < message->count; i++) {
        if (message->fields[i].id != FIELD_COOKIE)
            continue;
        struct str rest = message->fields[i].value;
        struct str part;
        while (next_part(&rest, &part))
            if (is_pair_of(part, name, value) && nth-- == 0)
                return true;
    }
    return false;
}

bool cookie_strip(struct str field_value, struct str name, struct buf *out)
{
    struct str rest = field_value;
    struct str part;
    bool any = false;

    /* Parts are copied as they stand, so that what is left is never longer than what came in. */
    while (next_part(&rest, &part)) {
        struct str value;
        struct str trimmed = str_trim(part);
        if (trimmed.len == 0 || is_pair_of(part, name, &value))
            continue;
        if (any)
            buf_append_char(out, ';');
        buf_append_str(out, any ? part : trimmed);
        any = true;
    }
    return any;
}

void cookie_format(const struct cookie_attributes *attributes, struct str value, struct buf *out)
{
    static const char *const SAME_SITES[] = {"Lax", "Strict", "None"};

    buf_printf(out, "%.*s=%.*s; Path=%.*s; Max-Age=%llu", STR_ARG(attributes->name), STR_ARG(value),
               STR_ARG(attributes->path), (unsigned long long)attributes->max_age_s);
    if (attributes->domain.len > 0)
        buf_printf(out, "; Domain=%.*s", STR_ARG(attributes->domain));
    if (attributes->secure)
        buf_append_str(out, STR("; Secure"));
    buf_printf(out, "; HttpOnly; SameSite=%s", SAME_SITES[attributes->same_site]);
}

/* `parent` is `domain` or a whole tail of it: "example.com" of "www.example.com". */
static bool covers(struct str parent, struct str domain)
{
    if (parent.len > 0 && parent.data[0] == '.')
        parent = str_slice(parent, 1, parent.len);
    if (parent.len == 0 || parent.len > domain.len || !str_ends_with_nocase(domain, parent))
        return false;
    return parent.len == domain.len || domain.data[domain.len - parent.len - 1] == '.';
}

void cookie_drop_domain(struct str set_cookie, struct str domain, struct buf *out)
{
    struct str rest = set_cookie;
    struct str part;
    bool is_first = true; /* the cookie itself, which may be called Domain */

    while (next_part(&rest, &part)) {
        struct str name;
        struct str value;
        bool drop = !is_first && split_pair(part, &name, &value) &&
                    str_eq_nocase(name, STR("Domain")) && covers(value, domain);
        if (!drop) {
            if (!is_first)
                buf_append_char(out, ';');
            buf_append_str(out, part);
        }
        is_first = false;
    }
}
