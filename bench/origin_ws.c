/* /ws: a WebSocket echo (RFC 6455), frame by frame.
 *
 *     2..14 bytes of head -> ws.head -> the same head without mask -> out
 *     payload             -> unmasked, as it comes                 -> out
 *
 * A fragmented message goes back in the same fragments and a big frame while it still arrives, so
 * no message is ever held. Pings come back as pongs, a close as a close.
 */
#include "origin.h"

#include <stdio.h>
#include <string.h>

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

static void put_head(struct conn *conn, unsigned first, uint64_t len)
{
    unsigned char head[10] = {(unsigned char)first};
    size_t n = 2;
    if (len < 126) {
        head[1] = (unsigned char)len;
    } else {
        size_t wide = len < 65536 ? 2 : 8;
        head[1] = wide == 2 ? 126 : 127;
        for (size_t i = 0; i < wide; i++)
            head[2 + i] = (unsigned char)(len >> (8 * (wide - 1 - i)));
        n += wide;
    }
    bytes_put(&conn->origin->out, head, n);
}

static void send_close(struct conn *conn, unsigned code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};
    put_head(conn, 0x80 | OP_CLOSE, sizeof(payload));
    bytes_put(&conn->origin->out, payload, sizeof(payload));
    conn->close_after = true;
}

static void send_text(struct conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void send_text(struct conn *conn, const char *format, ...)
{
    struct bytes text = {0};
    va_list args;
    va_start(args, format);
    bytes_vformat(&text, format, args);
    va_end(args);
    put_head(conn, 0x80 | OP_TEXT, text.len);
    bytes_put(&conn->origin->out, text.at, text.len);
    bytes_free(&text);
}

/* Frames of our own may only stand between those of the echo, messages between its messages. */
static bool mid_message(const struct conn *conn)
{
    return conn->ws.in_payload || conn->ws.in_message;
}

static void push_due(struct conn *conn)
{
    if (mid_message(conn)) {
        conn_after(conn, 5, push_due);
        return;
    }
    send_text(conn, "%s %llu", conn->origin->name, (unsigned long long)++conn->ws.pushed);
    conn_after(conn, conn->ws.push_ms, push_due);
}

static void close_due(struct conn *conn)
{
    if (mid_message(conn)) {
        conn_after(conn, 5, close_due);
        return;
    }
    send_close(conn, 1001);
}

static void accept_key(struct span key, char out[32])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    struct bytes text = {0};
    bytes_put(&text, key.at, key.len);
    bytes_text(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    EVP_Digest(text.at, text.len, sum, &len, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)out, sum, (int)len);
    bytes_free(&text);
}

void ws_open(struct conn *conn)
{
    struct span key = request_header(conn, "Sec-WebSocket-Key");
    if (conn->parser.method != HTTP_GET || key.at == NULL ||
        !span_contains_nocase(request_header(conn, "Connection"), "upgrade") ||
        !span_is_nocase(request_header(conn, "Upgrade"), "websocket") ||
        !span_is(request_header(conn, "Sec-WebSocket-Version"), "13")) {
        reply(conn, 426, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
              span_of("a WebSocket handshake is needed\n"));
        return;
    }
    char accept[32];
    accept_key(key, accept);
    bytes_format(&conn->origin->out,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\nX-Backend: %s\r\n\r\n",
                 accept, conn->origin->name);
    conn->is_ws = true;
    conn->ws = (struct ws_job){.push_ms = request_query_number(conn, "push_ms", 3600000, 0)};
    conn->req.keep_alive = true;
    if (request_query_number(conn, "hello", 1, 0) != 0)
        send_text(conn, "hello from %s", conn->origin->name);
    uint64_t close_ms = request_query_number(conn, "close_ms", 3600000, 0);
    if (close_ms > 0)
        conn_after(conn, close_ms, close_due);
    else if (conn->ws.push_ms > 0)
        conn_after(conn, conn->ws.push_ms, push_due);
}

static unsigned head_need(const struct ws_job *ws)
{
    if (ws->head_len < 2)
        return 2;
    unsigned len = ws->head[1] & 127;
    unsigned wide = len == 126 ? 2 : len == 127 ? 8 : 0;
    unsigned mask = (ws->head[1] & 128) != 0 ? 4 : 0;
    return 2 + wide + mask;
}

static uint64_t payload_len(const struct ws_job *ws)
{
    unsigned len = ws->head[1] & 127;
    if (len < 126)
        return len;
    uint64_t wide = 0;
    unsigned end = len == 126 ? 4 : 10;
    for (unsigned i = 2; i < end; i++)
        wide = wide << 8 | ws->head[i];
    return wide;
}

/* Returns the close code for a frame that must not be, or 0. */
static unsigned frame_problem(const struct ws_job *ws, uint64_t len)
{
    unsigned op = ws->head[0] & 15;
    bool fin = (ws->head[0] & 128) != 0;
    bool control = op >= OP_CLOSE;
    if ((ws->head[0] & 0x70) != 0 || (ws->head[1] & 128) == 0 || op > OP_PONG ||
        (op > OP_BINARY && !control))
        return 1002;
    if (control && (!fin || len > 125))
        return 1002;
    if (!control && (op == OP_CONTINUE) != ws->in_message)
        return 1002;
    return len > WS_FRAME_LIMIT ? 1009 : 0;
}

static void frame_begin(struct conn *conn)
{
    struct ws_job *ws = &conn->ws;
    unsigned op = ws->head[0] & 15;
    uint64_t len = payload_len(ws);
    unsigned problem = frame_problem(ws, len);
    if (problem != 0) {
        send_close(conn, problem);
        return;
    }
    if (op < OP_CLOSE)
        ws->in_message = (ws->head[0] & 128) == 0;
    ws->drop = op == OP_PONG;
    ws->closing = op == OP_CLOSE;
    if (!ws->drop)
        put_head(conn, op == OP_PING ? 0x80u | OP_PONG : ws->head[0], len);
    memcpy(ws->mask, ws->head + ws->head_len - 4, 4);
    ws->mask_at = 0;
    ws->left = len;
    ws->in_payload = true;
}

static void frame_payload(struct conn *conn, const char *at, size_t len)
{
    struct ws_job *ws = &conn->ws;
    ws->left -= len;
    if (ws->drop)
        return;
    struct bytes *out = &conn->origin->out;
    bytes_reserve(out, len);
    char *to = out->at + out->len;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)((unsigned char)at[i] ^ ws->mask[(ws->mask_at + i) & 3]);
    out->len += len;
    ws->mask_at = (unsigned)((ws->mask_at + len) & 3);
}

size_t ws_input(struct conn *conn, const char *at, size_t len)
{
    struct ws_job *ws = &conn->ws;
    size_t used = 0;
    while (used < len && !conn->close_after) {
        if (!ws->in_payload) {
            ws->head[ws->head_len++] = (unsigned char)at[used++];
            if (ws->head_len >= 2 && ws->head_len == head_need(ws))
                frame_begin(conn);
        } else {
            size_t part = len - used < ws->left ? len - used : (size_t)ws->left;
            frame_payload(conn, at + used, part);
            used += part;
        }
        if (ws->in_payload && ws->left == 0) {
            ws->in_payload = false;
            ws->head_len = 0;
            conn->close_after = ws->closing;
        }
    }
    return used;
}
