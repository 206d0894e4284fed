/*
 * strict.c - one pass over the raw head, byte by byte through one table.
 *
 *     [CRLF] METHOD SP target SP HTTP/1.1 CRLF    strict_request, read_request_line
 *            HTTP/1.1 SP status [SP reason] CRLF  read_status_line
 *     Name ":" OWS value OWS CRLF  ...            read_fields, read_field
 *     CRLF
 *
 * The trick: open_head makes sure that the head ends in CRLF CRLF. No class of bytes holds CR or
 * LF, so every skip() stops inside the head and needs no bound.
 */
#include "http/strict.h"

#include "http/bytes.h"

/* What goes to a backend; the commonest first. CONNECT and TRACE are not for a reverse proxy. */
static const struct str METHODS[] = {
    STR_INIT("GET"),         STR_INIT("POST"),       STR_INIT("HEAD"),       STR_INIT("OPTIONS"),
    STR_INIT("PUT"),         STR_INIT("DELETE"),     STR_INIT("PATCH"),      STR_INIT("PROPFIND"),
    STR_INIT("PROPPATCH"),   STR_INIT("MKCOL"),      STR_INIT("COPY"),       STR_INIT("MOVE"),
    STR_INIT("LOCK"),        STR_INIT("UNLOCK"),     STR_INIT("REPORT"),     STR_INIT("SEARCH"),
    STR_INIT("MERGE"),       STR_INIT("MKACTIVITY"), STR_INIT("CHECKOUT"),   STR_INIT("NOTIFY"),
    STR_INIT("SUBSCRIBE"),   STR_INIT("PURGE"),      STR_INIT("LINK"),       STR_INIT("UNLINK"),
    STR_INIT("UNSUBSCRIBE"), STR_INIT("ACL"),        STR_INIT("MKCALENDAR"), STR_INIT("M-SEARCH"),
    STR_INIT("BIND"),        STR_INIT("REBIND"),     STR_INIT("UNBIND"),
};

struct reader {
    const char *at;  /* the next byte to read */
    const char *end; /* behind the empty line */
    bool is_1_0;
    bool has_host;
    bool has_length;
    bool has_coding;
    struct str host;         /* the value of Host */
    struct str authority;    /* of an absolute-form target, else empty */
    struct str default_port; /* of its scheme, with its colon */
};

const char *strict_fault_text(enum strict_fault fault)
{
    static const char *const TEXTS[] = {
#define X(id, text) text,
        STRICT_FAULTS(X)
#undef X
    };
    return TEXTS[fault];
}

static inline const char *skip(const char *at, unsigned class)
{
    while (byte_is(*at, class))
        at++;
    return at;
}

static inline bool is_crlf(const char *at)
{
    return at[0] == '\r' && at[1] == '\n';
}

static inline bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

static bool open_head(struct reader *reader, struct str head)
{
    *reader = (struct reader){.at = head.data, .end = head.data + head.len};
    return head.len >= 4 && is_crlf(reader->end - 4) && is_crlf(reader->end - 2);
}

static bool is_port(struct str port)
{
    unsigned number = 0;

    for (size_t i = 0; i < port.len; i++) {
        if (!ascii_is_digit(port.data[i]))
            return false;
        number = number * 10 + (unsigned)(port.data[i] - '0');
        if (number > UINT16_MAX)
            return false;
    }
    return port.len > 0;
}

/* Length of "[...]" at the front, holding hex digits, colons and dots only; 0 when it is not. */
static size_t bracketed_len(struct str s)
{
    size_t i = 1;
    bool has_colon = false;

    while (i < s.len && s.data[i] != ']') {
        char c = ascii_lower(s.data[i++]);
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f') && c != ':' && c != '.')
            return 0;
        has_colon |= c == ':';
    }
    return i < s.len && has_colon ? i + 1 : 0;
}

/* Length of the name at the front: labels with a dot between them, and perhaps one at the end; 0 when
 * a label is empty. */
static size_t name_len(struct str s)
{
    size_t i = 0;

    for (; i < s.len && byte_is(s.data[i], IN_HOST); i++)
        if (s.data[i] == '.' && (i == 0 || s.data[i - 1] == '.'))
            return 0;
    return i;
}

/* host [":" port]: no user, no percent-encoding, nothing that two servers could read as two. */
static bool is_authority(struct str s)
{
    size_t len = s.len > 0 && s.data[0] == '[' ? bracketed_len(s) : name_len(s);

    if (len == 0 || len == s.len)
        return len > 0;
    return s.data[len] == ':' && is_port(str_from(s.data + len + 1, s.len - len - 1));
}

static bool is_known_method(struct str method)
{
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++)
        if (str_eq(method, METHODS[i]))
            return true;
    return false;
}

static enum strict_fault read_target(struct reader *reader, struct str method, struct str target)
{
    if (target.data[0] == '/')
        return STRICT_OK;
    if (str_eq(target, STR("*")))
        return str_eq(method, STR("OPTIONS")) ? STRICT_OK : STRICT_TARGET;
    size_t from = 0;
    if (str_starts_with_nocase(target, STR("http://"))) {
        from = sizeof("http://") - 1;
        reader->default_port = STR(":80");
    } else if (str_starts_with_nocase(target, STR("https://"))) {
        from = sizeof("https://") - 1;
        reader->default_port = STR(":443");
    } else {
        return STRICT_TARGET;
    }
    /* Without a path ("http://x", "http://x?y") servers differ on what is asked, and where the host
     * ends. */
    ptrdiff_t slash = str_find_char(target, '/', from);
    if (slash < 0)
        return STRICT_TARGET;
    reader->authority = str_slice(target, from, (size_t)slash);
    return is_authority(reader->authority) ? STRICT_OK : STRICT_TARGET;
}

/* Takes "HTTP/1.x" at reader->at. */
static enum strict_fault read_version(struct reader *reader, enum strict_fault shape)
{
    const char *at = reader->at;

    if (reader->end - at < 8 || memcmp(at, "HTTP/", 5) != 0)
        return shape;
    if (at[5] != '1' || at[6] != '.' || (at[7] != '0' && at[7] != '1'))
        return STRICT_VERSION;
    reader->is_1_0 = at[7] == '0';
    reader->at = at + 8;
    return STRICT_OK;
}

static enum strict_fault read_request_line(struct reader *reader)
{
    const char *at = skip(reader->at, IN_TOKEN);
    struct str method = str_from(reader->at, (size_t)(at - reader->at));

    if (method.len == 0 || *at != ' ')
        return STRICT_REQUEST_LINE;
    const char *from = at + 1;
    at = skip(from, IN_TARGET);
    struct str target = str_from(from, (size_t)(at - from));
    if (*at != ' ' && !is_line_end(*at))
        return STRICT_TARGET;
    if (*at != ' ' || target.len == 0)
        return STRICT_REQUEST_LINE;
    reader->at = at + 1;
    enum strict_fault fault = read_version(reader, STRICT_REQUEST_LINE);
    if (fault != STRICT_OK)
        return fault;
    if (!is_crlf(reader->at))
        return is_line_end(*reader->at) ? STRICT_LINE_END : STRICT_REQUEST_LINE;
    reader->at += 2;
    return is_known_method(method) ? read_target(reader, method, target) : STRICT_METHOD;
}

static enum strict_fault read_status_line(struct reader *reader)
{
    enum strict_fault fault = read_version(reader, STRICT_STATUS_LINE);

    if (fault != STRICT_OK)
        return fault;
    const char *at = reader->at;
    if (reader->end - at < 8 || at[0] != ' ' || at[1] < '1' || at[1] > '9' ||
        !ascii_is_digit(at[2]) || !ascii_is_digit(at[3]))
        return STRICT_STATUS_LINE;
    at += 4;
    if (*at != ' ' && !is_line_end(*at))
        return STRICT_STATUS_LINE;
    at = skip(at, IN_VALUE);
    if (!is_crlf(at))
        return is_line_end(*at) ? STRICT_LINE_END : STRICT_CONTROL;
    reader->at = at + 2;
    return STRICT_OK;
}

static enum strict_fault take_length(struct reader *reader, struct str value)
{
    if (reader->has_length || value.len < 1 || value.len > 18)
        return STRICT_LENGTH;
    for (size_t i = 0; i < value.len; i++)
        if (!ascii_is_digit(value.data[i]))
            return STRICT_LENGTH;
    reader->has_length = true;
    return STRICT_OK;
}

static enum strict_fault take_coding(struct reader *reader, struct str value)
{
    if (reader->has_coding || reader->is_1_0 || !str_eq_nocase(value, STR("chunked")))
        return STRICT_CODING;
    reader->has_coding = true;
    return STRICT_OK;
}

static enum strict_fault take_host(struct reader *reader, struct str value)
{
    if (reader->has_host || !is_authority(str_trim(value)))
        return STRICT_HOST;
    reader->has_host = true;
    reader->host = str_trim(value);
    return STRICT_OK;
}

/* Letters without case, and '_' as '-': some servers take Content_Length for Content-Length. */
static bool is_framing_name(struct str name, const char *lower)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i] == '_' ? '-' : ascii_lower(name.data[i]);
        if (c != lower[i])
            return false;
    }
    return true;
}

/* `value` has lost the spaces behind it, but not tabs: llhttp reads "chunked\t" otherwise. */
static enum strict_fault take_field(struct reader *reader, struct str name, struct str value)
{
    bool has_underscore = false;

    switch (name.len) {
    case sizeof("host") - 1:
        return str_eq_nocase(name, STR("host")) ? take_host(reader, value) : STRICT_OK;
    case sizeof("content-length") - 1:
        if (!is_framing_name(name, "content-length"))
            return STRICT_OK;
        has_underscore = memchr(name.data, '_', name.len) != NULL;
        return has_underscore ? STRICT_LENGTH : take_length(reader, value);
    case sizeof("transfer-encoding") - 1:
        if (!is_framing_name(name, "transfer-encoding"))
            return STRICT_OK;
        has_underscore = memchr(name.data, '_', name.len) != NULL;
        return has_underscore ? STRICT_CODING : take_coding(reader, value);
    default:
        return STRICT_OK;
    }
}

static enum strict_fault read_field(struct reader *reader)
{
    const char *at = skip(reader->at, IN_TOKEN);
    struct str name = str_from(reader->at, (size_t)(at - reader->at));

    if (name.len == 0 || *at != ':')
        return STRICT_NAME;
    at++;
    while (*at == ' ' || *at == '\t')
        at++;
    const char *from = at;
    at = skip(from, IN_VALUE);
    if (!is_crlf(at))
        return is_line_end(*at) ? STRICT_LINE_END : STRICT_CONTROL;
    reader->at = at + 2;
    while (at > from && at[-1] == ' ')
        at--;
    return take_field(reader, name, str_from(from, (size_t)(at - from)));
}

static enum strict_fault read_fields(struct reader *reader, unsigned max_fields)
{
    for (unsigned count = 0; !is_line_end(*reader->at); count++) {
        if (*reader->at == ' ' || *reader->at == '\t')
            return STRICT_FOLD;
        if (count == max_fields)
            return STRICT_FIELDS;
        enum strict_fault fault = read_field(reader);
        if (fault != STRICT_OK)
            return fault;
    }
    /* The empty line: the first one must be the last one. */
    if (!is_crlf(reader->at) || reader->at + 2 != reader->end)
        return STRICT_LINE_END;
    return reader->has_length && reader->has_coding ? STRICT_FRAMING : STRICT_OK;
}

/* Clients leave the scheme's own port out of Host, and not always out of the target. */
static struct str without_port(struct str authority, struct str port)
{
    return str_ends_with_nocase(authority, port)
               ? str_from(authority.data, authority.len - port.len)
               : authority;
}

/* Some clients send a CRLF behind a body (RFC 9112 2.2). */
static struct str without_crlf(struct str head)
{
    return head.len >= 2 && is_crlf(head.data) ? str_from(head.data + 2, head.len - 2) : head;
}

enum strict_fault strict_request_line(struct str front)
{
    struct str rest = without_crlf(front);
    ptrdiff_t end = str_find_char(rest, '\n', 0);
    struct reader reader = {.at = rest.data, .end = rest.data + end + 1};

    return end < 0 ? STRICT_OK : read_request_line(&reader);
}

enum strict_fault strict_request(struct str head, unsigned max_fields)
{
    struct reader reader;

    head = without_crlf(head);
    if (!open_head(&reader, head)) {
        /* A first byte that starts no method says more than the missing line end. */
        bool is_text = head.len > 0 && reader.at < reader.end && byte_is(*reader.at, IN_TOKEN);
        return is_text ? STRICT_LINE_END : STRICT_REQUEST_LINE;
    }
    enum strict_fault fault = read_request_line(&reader);
    if (fault == STRICT_OK)
        fault = read_fields(&reader, max_fields);
    if (fault != STRICT_OK)
        return fault;
    if (!reader.has_host)
        return reader.is_1_0 ? STRICT_OK : STRICT_HOST;
    bool agree = str_is_empty(reader.authority) ||
                 str_eq_nocase(without_port(reader.authority, reader.default_port),
                               without_port(reader.host, reader.default_port));
    return agree ? STRICT_OK : STRICT_HOST;
}

enum strict_fault strict_response(struct str head, unsigned max_fields)
{
    struct reader reader;

    if (!open_head(&reader, head))
        return STRICT_LINE_END;
    enum strict_fault fault = read_status_line(&reader);
    return fault == STRICT_OK ? read_fields(&reader, max_fields) : fault;
}
