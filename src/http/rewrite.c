/*
 * rewrite.c - finds the authority in a URL; forward puts the line together.
 */
#include "http/rewrite.h"

bool rewrite_split(struct str url, struct url_parts *parts)
{
    size_t from = 0;

    if (str_starts_with_nocase(url, STR("http://")))
        from = sizeof("http://") - 1;
    else if (str_starts_with_nocase(url, STR("https://")))
        from = sizeof("https://") - 1;
    else if (str_starts_with(url, STR("//")))
        from = sizeof("//") - 1;
    else
        return false;
    size_t to = from;
    while (to < url.len && memchr("/?#\\\"'", url.data[to], 6) == NULL)
        to++;
    parts->scheme = str_slice(url, 0, from > 2 ? from - 3 : 0);
    parts->authority = str_slice(url, from, to);
    parts->rest = str_slice(url, to, url.len);
    return true;
}

static struct str without_default_port(struct str authority, struct str scheme)
{
    struct str port = str_eq_nocase(scheme, STR("https")) ? STR(":443") : STR(":80");

    if (scheme.len > 0 && str_ends_with_nocase(authority, port))
        return str_slice(authority, 0, authority.len - port.len);
    return authority;
}

bool rewrite_names(const struct url_parts *parts, struct str authority)
{
    struct str ours = without_default_port(authority, parts->scheme);

    return ours.len > 0 &&
           str_eq_nocase(without_default_port(parts->authority, parts->scheme), ours);
}

struct str rewrite_refresh_url(struct str value)
{
    ptrdiff_t semicolon = str_find_char(value, ';', 0);
    struct str url = str_trim(semicolon < 0 ? (struct str){"", 0}
                                            : str_slice(value, (size_t)semicolon + 1, value.len));

    if (!str_starts_with_nocase(url, STR("url")))
        return (struct str){"", 0};
    url = str_trim(str_slice(url, 3, url.len));
    if (url.len == 0 || url.data[0] != '=')
        return (struct str){"", 0};
    url = str_trim(str_slice(url, 1, url.len));
    bool is_quoted = url.len > 0 && (url.data[0] == '"' || url.data[0] == '\'');
    return is_quoted ? str_slice(url, 1, url.len) : url;
}

struct str rewrite_host(struct str authority)
{
    size_t to = authority.len;

    while (to > 0 && ascii_is_digit(authority.data[to - 1]))
        to--;
    return to > 0 && authority.data[to - 1] == ':' ? str_slice(authority, 0, to - 1) : authority;
}

struct str rewrite_bare_host(struct str authority)
{
    struct str host = rewrite_host(authority);
    bool is_bracketed = host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';

    if (is_bracketed)
        return str_slice(host, 1, host.len - 1);
    /* "example.org." is the same host, said in full (RFC 3986 3.2.2). */
    return str_ends_with_nocase(host, STR(".")) ? str_slice(host, 0, host.len - 1) : host;
}
