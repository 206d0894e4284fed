/* Heads and complete answers, appended to origin.out; conn_settle writes them. */
#include "origin.h"

#include <stdio.h>
#include <string.h>

static const char *reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].status == status)
            return known[i].text;
    return "Status";
}

static void head_lines(struct conn *conn, unsigned status, const char *lines)
{
    struct bytes *out = &conn->origin->out;
    bytes_format(out, "HTTP/1.1 %u %s\r\nX-Backend: %s\r\n", status, reason(status),
                 conn->origin->name);
    if (!conn->req.keep_alive)
        bytes_text(out, "Connection: close\r\n");
    else if (conn->parser.http_minor == 0)
        bytes_text(out, "Connection: keep-alive\r\n"); /* 1.0 must be told, ab insists on it */
    if (lines != NULL)
        bytes_text(out, lines);
}

void reply_head(struct conn *conn, unsigned status, const char *lines)
{
    head_lines(conn, status, lines);
    bytes_text(&conn->origin->out, "\r\n");
}

void reply(struct conn *conn, unsigned status, const char *lines, struct span body)
{
    struct bytes *out = &conn->origin->out;
    head_lines(conn, status, lines);
    bool bodiless = status == 204 || status == 304;
    if (!bodiless)
        bytes_format(out, "Content-Length: %zu\r\n", body.len);
    bytes_text(out, "\r\n");
    if (!bodiless && conn->parser.method != HTTP_HEAD)
        bytes_put(out, body.at, body.len);
}

void reply_text(struct conn *conn, unsigned status, const char *format, ...)
{
    struct bytes body = {0};
    va_list args;
    va_start(args, format);
    bytes_vformat(&body, format, args);
    va_end(args);
    reply(conn, status, "Content-Type: text/plain\r\n",
          (struct span){.at = body.at, .len = body.len});
    bytes_free(&body);
}

void reply_json(struct conn *conn, const struct bytes *json)
{
    reply(conn, 200, "Content-Type: application/json\r\n",
          (struct span){.at = json->at, .len = json->len});
}

void reply_prepare(struct origin *origin)
{
    size_t len = strlen("hello from \n") + strlen(origin->name);
    bytes_format(&origin->hello,
                 "HTTP/1.1 200 OK\r\nX-Backend: %s\r\nContent-Type: text/plain\r\n"
                 "Content-Length: %zu\r\n\r\nhello from %s\n",
                 origin->name, len, origin->name);
}
