/* From bytes to a struct request: llhttp's callbacks, and how answers look things up.
 *
 * Names and values are copied into one buffer per connection, because a head may arrive in pieces
 * and /echo must show it exactly as it came. The parser pauses behind every request, so that the
 * next one of a pipeline is not looked at before this one is answered.
 */
#include "origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool head_put(struct conn *conn, const char *at, size_t len)
{
    struct request *req = &conn->req;
    if (req->head.len + len > HEAD_LIMIT) {
        req->too_large = true;
        return false;
    }
    bytes_put(&req->head, at, len);
    return true;
}

static int on_begin(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    struct request fresh = {.active = true,
                            .head = {.at = req->head.at, .cap = req->head.cap},
                            .fields = req->fields,
                            .cap_fields = req->cap_fields};
    *req = fresh;
    if (req->cap_fields > 0)
        req->fields[0].name_len = 0; /* left over from the request before */
    conn->requests++;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct conn *conn = parser->data;
    conn->req.target_len += (uint32_t)len;
    return head_put(conn, at, len) ? 0 : HPE_USER;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    if (req->n_fields == req->cap_fields) {
        uint32_t cap = req->cap_fields == 0 ? 16 : req->cap_fields * 2;
        struct field *fields = realloc(req->fields, cap * sizeof(*fields));
        if (fields == NULL)
            abort();
        memset(fields + req->cap_fields, 0, (cap - req->cap_fields) * sizeof(*fields));
        req->fields = fields;
        req->cap_fields = cap;
    }
    struct field *field = &req->fields[req->n_fields];
    if (field->name_len == 0)
        field->name = (uint32_t)req->head.len;
    field->name_len += (uint32_t)len;
    return head_put(conn, at, len) ? 0 : HPE_USER;
}

static int on_field_complete(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    req->fields[req->n_fields].value = (uint32_t)req->head.len;
    req->fields[req->n_fields].value_len = 0;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    req->fields[req->n_fields].value_len += (uint32_t)len;
    return head_put(conn, at, len) ? 0 : HPE_USER;
}

static int on_value_complete(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    struct field *field = &req->fields[req->n_fields++];
    while (field->value_len > 0 &&
           strchr(" \t", req->head.at[field->value + field->value_len - 1]) != NULL)
        field->value_len--; /* the parser leaves blanks at the end */
    if (req->n_fields < req->cap_fields)
        req->fields[req->n_fields].name_len = 0;
    return 0;
}

/* The path and the query of `/p?q` and of `http://host/p?q`. */
static void split_target(struct request *req)
{
    const char *target = req->head.at;
    uint32_t len = req->target_len;
    uint32_t start = 0;
    struct span all = {.at = target, .len = len};
    if (span_starts(all, "http://")) {
        start = 7;
        while (start < len && target[start] != '/' && target[start] != '?')
            start++;
    }
    uint32_t end = start;
    while (end < len && target[end] != '?' && target[end] != '#')
        end++;
    req->path = start;
    req->path_len = end - start;
    req->query = end < len ? end + 1 : len;
    req->query_len = len - req->query;
}

static void log_request(const struct conn *conn)
{
    struct span target = request_target(conn);
    printf("%s %llu/%llu %s %.*s\n", conn->origin->name, (unsigned long long)conn->number,
           (unsigned long long)conn->requests,
           llhttp_method_name((llhttp_method_t)conn->parser.method), (int)target.len, target.at);
}

static unsigned early_status(const struct conn *conn)
{
    uint64_t status = request_query_number(conn, "early", 599, 413);
    return status < 200 ? 413 : (unsigned)status;
}

/* `early=STATUS`: answered before the body, which stays unread; with keep=1 it is drained. */
static void decide_early(struct conn *conn)
{
    struct request *req = &conn->req;
    if (req->query_len == 0 || request_query(conn, "early").at == NULL)
        return;
    req->early = request_query_number(conn, "keep", 1, 0) == 0;
    if (req->early)
        return;
    req->answered = true;
    req->keep_alive = true;
    reply_text(conn, early_status(conn), "early\n");
}

static int on_head(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    struct request *req = &conn->req;
    parser->upgrade = 0; /* only /ws changes the protocol, and it looks for itself */
    req->head_done = true;
    req->n_head_fields = req->n_fields;
    req->has_body = (parser->flags & F_CHUNKED) != 0 || parser->content_length > 0;
    req->keep_alive = llhttp_should_keep_alive(parser) != 0;
    split_target(req);
    conn->route = route_find(request_path(conn));
    req->plain = parser->method == HTTP_GET && parser->http_major == 1 && parser->http_minor == 1;
    stats_count(conn);
    if (conn->origin->log)
        log_request(conn);
    decide_early(conn);
    if (req->early)
        return -1; /* stops the parser for good */
    if (conn->route->head != NULL && !req->answered)
        conn->route->head(conn);
    if (req->has_body && !req->answered && parser->http_minor == 1 &&
        span_is_nocase(request_header(conn, "Expect"), "100-continue"))
        bytes_text(&conn->origin->out, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct conn *conn = parser->data;
    conn->req.body_bytes += len;
    if (conn->route->body != NULL && !conn->req.answered)
        conn->route->body(conn, at, len);
    return 0;
}

static int on_complete(llhttp_t *parser)
{
    struct conn *conn = parser->data;
    conn->req.keep_alive = llhttp_should_keep_alive(parser) != 0;
    return HPE_PAUSED;
}

const llhttp_settings_t *request_settings(void)
{
    static const llhttp_settings_t settings = {
        .on_message_begin = on_begin,
        .on_url = on_url,
        .on_header_field = on_field,
        .on_header_field_complete = on_field_complete,
        .on_header_value = on_value,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_head,
        .on_body = on_body,
        .on_message_complete = on_complete,
    };
    return &settings;
}

/* Answered while the client may still be sending: closing at once would turn the answer into a
 * reset, so the connection stays a while, and nothing more is read. */
static void answer_and_linger(struct conn *conn, unsigned status, const char *text)
{
    conn->req.keep_alive = false;
    conn->paused = true;
    conn_read_stop(conn);
    reply_text(conn, status, "%s\n", text);
    conn_busy(conn);
    conn_after(conn, LINGER_MS, conn_done);
}

static void parse_failed(struct conn *conn)
{
    struct request *req = &conn->req;
    if (req->early && span_starts(request_path(conn), "/fault/")) {
        req->keep_alive = false;
        conn->route->answer(conn);
        conn->close_after |= !conn->busy;
    } else if (req->early) {
        answer_and_linger(conn, early_status(conn), "early");
    } else {
        conn->origin->stats.bad++;
        answer_and_linger(conn, req->too_large ? 431 : 400,
                          req->too_large ? "head too large"
                                         : llhttp_get_error_reason(&conn->parser));
    }
}

size_t request_parse(struct conn *conn, const char *at, size_t len)
{
    llhttp_errno_t err = llhttp_execute(&conn->parser, at, len);
    if (err == HPE_OK)
        return len;
    if (err != HPE_PAUSED) {
        parse_failed(conn);
        return len;
    }
    size_t used = (size_t)(llhttp_get_error_pos(&conn->parser) - at);
    llhttp_resume(&conn->parser);
    if (!conn->req.answered)
        conn->route->answer(conn);
    if (!conn->busy) {
        conn->req.active = false;
        conn->close_after |= !conn->req.keep_alive;
    }
    return used;
}

void request_deinit(struct request *req)
{
    bytes_free(&req->head);
    free(req->fields);
    req->fields = NULL;
}

struct span request_path(const struct conn *conn)
{
    const struct request *req = &conn->req;
    return (struct span){.at = req->head.at + req->path, .len = req->path_len};
}

struct span request_target(const struct conn *conn)
{
    return (struct span){.at = conn->req.head.at, .len = conn->req.target_len};
}

struct span request_header(const struct conn *conn, const char *name)
{
    const struct request *req = &conn->req;
    size_t len = strlen(name);
    for (uint32_t i = 0; i < req->n_head_fields; i++) {
        const struct field *f = &req->fields[i];
        struct span have = {.at = req->head.at + f->name, .len = f->name_len};
        if (f->name_len == len && span_is_nocase(have, name))
            return (struct span){.at = req->head.at + f->value, .len = f->value_len};
    }
    return (struct span){0};
}

struct span request_query(const struct conn *conn, const char *name)
{
    size_t name_len = strlen(name);
    const char *at = conn->req.head.at + conn->req.query;
    const char *end = at + conn->req.query_len;
    while (at < end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next == NULL ? end : next;
        size_t len = (size_t)(stop - at);
        if (len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=')
            return (struct span){.at = at + name_len + 1, .len = len - name_len - 1};
        at = next == NULL ? end : next + 1;
    }
    return (struct span){0};
}

uint64_t request_query_number(const struct conn *conn, const char *name, uint64_t max,
                              uint64_t fallback)
{
    struct span s = request_query(conn, name);
    uint64_t value = 0;
    return s.at != NULL && span_number(s, max, true, &value) ? value : fallback;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void request_decode(struct span s, struct bytes *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (c == '%' && i + 2 < s.len && hex_digit(s.at[i + 1]) >= 0 &&
            hex_digit(s.at[i + 2]) >= 0) {
            c = (char)(hex_digit(s.at[i + 1]) * 16 + hex_digit(s.at[i + 2]));
            i += 2;
        }
        bytes_put(out, &c, 1);
    }
}
