/*
 * words.c - rules for names, paths, hosts and headers: what is allowed is said, not what is not.
 *
 * Most of these texts end up in a header, a log line or a metric, so a byte that could end one of
 * those early is refused here, once, and nobody behind has to escape.
 */
#include "config/words.h"

#include "http/message.h"
#include "traffic/route.h"

#define LABEL_MAX      32
#define TOKEN_MAX      64
#define PATH_MAX_BYTES 1024
#define HOST_MAX       253
#define HOST_LABEL_MAX 63

static bool is_letter(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

static bool is_visible(char c)
{
    return c > 0x20 && c < 0x7F;
}

static bool is_one_of(char c, struct str set)
{
    return str_find_char(set, c, 0) >= 0;
}

bool word_label(struct str text, struct error *error)
{
    bool good = text.len >= 1 && text.len <= LABEL_MAX;
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.data[i];
        good = is_letter(c) || ascii_is_digit(c) || is_one_of(c, STR("._-"));
    }
    return good || error_set(error, "expected a name of 1 to %d letters, digits, '.', '_' or '-'",
                             LABEL_MAX);
}

bool word_route_name(struct str text, struct error *error)
{
    if (str_eq(text, STR(ROUTE_MAIN))) {
        return error_set(error, "expected another name: \"" ROUTE_MAIN
                                "\" stands for what no route matches");
    }
    bool good = text.len >= 1 && text.len <= LABEL_MAX;
    for (size_t i = 0; good && i < text.len; i++) {
        char c = text.data[i];
        good = (c >= 'a' && c <= 'z') || ascii_is_digit(c) || is_one_of(c, STR("_-"));
    }
    return good ||
           error_set(error, "expected a name of 1 to %d of a-z, 0-9, '_' and '-'", LABEL_MAX);
}

static bool is_path_without(struct str text, struct str forbidden)
{
    if (text.len == 0 || text.len > PATH_MAX_BYTES || text.data[0] != '/')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_visible(text.data[i]) || is_one_of(text.data[i], forbidden))
            return false;
    return true;
}

bool word_route_path(struct str text, struct error *error)
{
    return is_path_without(text, STR("?#*\\\"")) ||
           error_set(error, "expected a path such as /api: it begins with '/', has no query and "
                            "no wildcard, and takes what lies below it");
}

bool word_check_path(struct str text, struct error *error)
{
    return is_path_without(text, STR("#\\\"")) ||
           error_set(error, "expected a path such as /health, beginning with '/'");
}

bool word_cookie_path(struct str text, struct error *error)
{
    return is_path_without(text, STR(";\"\\")) ||
           error_set(error, "expected a cookie path such as / or /app, beginning with '/'");
}

bool word_is_token(struct str text)
{
    if (text.len == 0 || text.len > TOKEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!is_letter(c) && !ascii_is_digit(c) && !is_one_of(c, STR("!#$%&'*+-.^_`|~")))
            return false;
    }
    return true;
}

bool word_cookie_name(struct str text, struct error *error)
{
    return word_is_token(text) ||
           error_set(error, "expected a cookie name of 1 to %d letters, digits, '-' or '_'",
                     TOKEN_MAX);
}

bool word_method(struct str text, struct error *error)
{
    return word_is_token(text) || error_set(error, "expected a method such as POST");
}

bool word_header(struct str text, struct error *error)
{
    return word_is_token(text) ||
           error_set(error, "expected a header name such as X-Device-Id (at most %d bytes)",
                     TOKEN_MAX);
}

bool word_own_header(struct str text, struct error *error)
{
    if (field_id_of(text) != FIELD_OTHER) {
        return error_set(error, "expected a header of your own such as X-Client-IP (this one has "
                                "a meaning that the proxy must keep)");
    }
    return word_header(text, error);
}

static bool is_host_label(struct str label)
{
    if (label.len == 0 || label.len > HOST_LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.len; i++) {
        char c = label.data[i];
        if (!is_letter(c) && !ascii_is_digit(c) && !is_one_of(c, STR("-_")))
            return false;
    }
    return label.data[0] != '-' && label.data[label.len - 1] != '-';
}

static bool is_all_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!ascii_is_digit(text.data[i]))
            return false;
    return true;
}

bool word_is_host_name(struct str text)
{
    if (text.len == 0 || text.len > HOST_MAX)
        return false;
    for (size_t from = 0;;) {
        ptrdiff_t dot = str_find_char(text, '.', from);
        struct str label = str_slice(text, from, dot < 0 ? text.len : (size_t)dot);
        if (!is_host_label(label))
            return false;
        if (dot < 0)
            return !is_all_digits(label);
        from = (size_t)dot + 1;
    }
}

bool word_domain(struct str text, struct error *error)
{
    return word_is_host_name(text) || error_set(error, "expected a domain such as example.org");
}

bool word_certificate_name(struct str text, struct error *error)
{
    bool is_wild = str_starts_with(text, STR("*."));
    return word_is_host_name(is_wild ? str_slice(text, 2, text.len) : text) ||
           error_set(error, "expected a name such as app.example.org or \"*.up.railway.app\"");
}

/* ":3000" behind the host; nothing is port 0. */
static bool split_port(struct str text, uint16_t *port)
{
    uint64_t value = 0;
    if (text.len == 0) {
        *port = 0;
        return true;
    }
    bool good = text.data[0] == ':' && text.len <= 6 &&
                str_to_u64(str_slice(text, 1, text.len), &value) && value >= 1 && value <= 65535;
    *port = (uint16_t)(good ? value : 0);
    return good;
}

static bool split_bracketed(struct str text, struct word_host *host)
{
    ptrdiff_t end = str_find_char(text, ']', 1);
    if (end < 0)
        return false;
    host->is_name = false;
    host->host = str_slice(text, 1, (size_t)end);
    return str_find_char(host->host, ':', 0) >= 0 &&
           split_port(str_slice(text, (size_t)end + 1, text.len), &host->port) &&
           addr_parse_ip(host->host, host->port, &host->address);
}

bool word_host_split(struct str text, struct word_host *host)
{
    *host = (struct word_host){0};
    if (text.len > 0 && text.data[0] == '[')
        return split_bracketed(text, host);
    ptrdiff_t colon = str_find_char(text, ':', 0);
    size_t end = colon < 0 ? text.len : (size_t)colon;
    host->host = str_slice(text, 0, end);
    if (!split_port(str_slice(text, end, text.len), &host->port))
        return false;
    host->is_name = !addr_parse_ip(host->host, host->port, &host->address);
    return !host->is_name || word_is_host_name(host->host);
}

bool word_authority(struct str text, struct error *error)
{
    struct word_host host;
    return word_host_split(text, &host) ||
           error_set(error, "expected a host such as app.example.org or 10.0.0.5:3000");
}

bool word_file(struct str text, struct error *error)
{
    bool good = text.len > 0 && text.len < 4096;
    for (size_t i = 0; good && i < text.len; i++)
        good = (unsigned char)text.data[i] >= 0x20 && text.data[i] != 0x7F;
    return good || error_set(error, "expected the path of a file");
}
