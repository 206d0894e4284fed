/* Which path does what: the route table and the plain answers. */
#include "origin.h"

#include <stdio.h>
#include <string.h>

/* For a person with a browser: which side is it? The colour follows from the name. */
static void hello_page(struct conn *conn)
{
    const char *name = conn->origin->name;
    unsigned hue = 0;
    for (const char *c = name; *c != '\0'; c++)
        hue = hue * 31 + (unsigned char)*c;
    struct bytes page = {0};
    bytes_format(&page,
                 "<!doctype html><meta charset=utf-8><title>%s</title>"
                 "<style>body{background:hsl(%u 60%% 90%%);color:#222;font:2em sans-serif;"
                 "display:grid;place-items:center;min-height:95vh;margin:0}</style>"
                 "<main>hello from <b>%s</b></main>\n",
                 name, hue % 360, name);
    reply(conn, 200, "Content-Type: text/html\r\n", (struct span){.at = page.at, .len = page.len});
    bytes_free(&page);
}

static void answer_hello(struct conn *conn)
{
    const struct bytes *hello = &conn->origin->hello;
    if (conn->req.plain && conn->req.keep_alive)
        bytes_put(&conn->origin->out, hello->at, hello->len);
    else if (span_contains_nocase(request_header(conn, "Accept"), "text/html"))
        hello_page(conn);
    else
        reply_text(conn, 200, "hello from %s\n", conn->origin->name);
}

static void answer_health(struct conn *conn)
{
    struct origin *origin = conn->origin;
    if (conn->parser.method == HTTP_POST) {
        uint64_t status = request_query_number(conn, "status", 599, origin->health_status);
        if (status < 100) {
            reply_text(conn, 400, "status: 100..599\n");
            return;
        }
        origin->health_status = (unsigned)status;
        origin->health_stall = request_query_number(conn, "stall", 1, origin->health_stall) != 0;
        reply_text(conn, 200, "health: %u%s\n", origin->health_status,
                   origin->health_stall ? ", stalled" : "");
    } else if (origin->health_stall) {
        conn_busy(conn);
    } else {
        reply_text(conn, origin->health_status, origin->health_status == 200 ? "ok" : "not ok");
    }
}

static void put_fields(struct bytes *json, const struct request *req, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct field *f = &req->fields[i];
        bytes_text(json, i == from ? "[" : ",[");
        bytes_json(json, (struct span){.at = req->head.at + f->name, .len = f->name_len});
        bytes_text(json, ",");
        bytes_json(json, (struct span){.at = req->head.at + f->value, .len = f->value_len});
        bytes_text(json, "]");
    }
}

static void answer_echo(struct conn *conn)
{
    const struct request *req = &conn->req;
    struct bytes json = {0};
    char peer[80];
    conn_peer(conn, peer, sizeof(peer));
    bytes_format(&json, "{\"backend\":\"%s\",\"method\":\"%s\",\"target\":", conn->origin->name,
                 llhttp_method_name((llhttp_method_t)conn->parser.method));
    bytes_json(&json, request_target(conn));
    bytes_format(&json, ",\"version\":\"%u.%u\",\"headers\":[", conn->parser.http_major,
                 conn->parser.http_minor);
    put_fields(&json, req, 0, req->n_head_fields);
    bytes_text(&json, "],\"trailers\":[");
    put_fields(&json, req, req->n_head_fields, req->n_fields);
    bytes_format(&json,
                 "],\"body_bytes\":%llu,\"peer\":\"%s\",\"connection\":%llu,\"request\":%llu}\n",
                 (unsigned long long)req->body_bytes, peer, (unsigned long long)conn->number,
                 (unsigned long long)conn->requests);
    reply_json(conn, &json);
    bytes_free(&json);
}

static void delay_over(struct conn *conn)
{
    reply_text(conn, 200, "delayed by %s\n", conn->origin->name);
    conn_done(conn);
}

static void answer_delay(struct conn *conn)
{
    conn_busy(conn);
    conn_after(conn, request_query_number(conn, "ms", 3600000, 1000), delay_over);
}

static void answer_status(struct conn *conn)
{
    struct span path = request_path(conn);
    size_t skip = strlen("/status/");
    struct span number = {.at = path.at + skip, .len = path.len - skip};
    uint64_t status = 0;
    if (!span_number(number, 599, false, &status) || status < 200) {
        reply_text(conn, 400, "/status/NNN: 200..599\n");
        return;
    }
    reply_text(conn, (unsigned)status, "status %u from %s\n", (unsigned)status, conn->origin->name);
}

static void answer_cookies(struct conn *conn)
{
    reply(conn, 200,
          "Content-Type: text/plain\r\n"
          "Set-Cookie: session=one; Path=/; HttpOnly\r\n"
          "Set-Cookie: theme=dark; Expires=Wed, 09 Jun 2100 10:18:14 GMT; Path=/\r\n",
          span_of("two cookies\n"));
}

static void answer_redirect(struct conn *conn)
{
    struct span to = request_query(conn, "to");
    struct bytes lines = {0};
    bytes_text(&lines, "Location: ");
    request_decode(to.at == NULL ? span_of("/") : to, &lines);
    bool clean = true;
    for (size_t i = 0; i < lines.len; i++)
        clean = clean && (unsigned char)lines.at[i] >= 0x20 && lines.at[i] != 0x7f;
    bytes_put(&lines, "\r\n", 3); /* with its terminator */
    if (clean)
        reply(conn, 302, lines.at, span_of("elsewhere\n"));
    else
        reply_text(conn, 400, "to: control characters\n");
    bytes_free(&lines);
}

static const struct route routes[] = {
    {.path = "/", .kind = "hello", .answer = answer_hello}, /* first: also for unknown paths */
    {.path = "/health", .kind = "health", .answer = answer_health},
    {.path = "/echo", .kind = "echo", .answer = answer_echo},
    {.path = "/echo/", .prefix = true, .kind = "echo_below", .answer = answer_echo},
    {.path = "/delay", .kind = "delay", .answer = answer_delay},
    {.path = "/status/", .prefix = true, .kind = "status", .answer = answer_status},
    {.path = "/bytes/", .prefix = true, .kind = "bytes", .answer = stream_bytes},
    {.path = "/upload",
     .kind = "upload",
     .answer = upload_answer,
     .head = upload_head,
     .body = upload_body},
    {.path = "/sse", .kind = "sse", .answer = stream_sse},
    {.path = "/ws", .kind = "ws", .answer = ws_open},
    {.path = "/cookies", .kind = "cookies", .answer = answer_cookies},
    {.path = "/redirect", .kind = "redirect", .answer = answer_redirect},
    {.path = "/stats", .kind = "stats", .answer = stats_answer},
    {.path = "/fault/", .prefix = true, .kind = "fault", .answer = fault_answer},
};

const struct route *route_at(size_t i)
{
    return i < sizeof(routes) / sizeof(routes[0]) ? &routes[i] : NULL;
}

size_t route_index(const struct route *route)
{
    return (size_t)(route - routes);
}

const struct route *route_find(struct span path)
{
    for (size_t i = 0; path.len > 1 && route_at(i) != NULL; i++)
        if (routes[i].prefix ? span_starts(path, routes[i].path) : span_is(path, routes[i].path))
            return &routes[i];
    return &routes[0];
}
