/* wire.c - blocking sockets, bounded by their own timeouts. */
#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

/* ---- opening and closing ---- */

static void set_up(struct wire *wire, int fd)
{
    struct timeval patience = {.tv_sec = WIRE_PATIENCE_S};
    int on = 1;

    wire->fd = fd;
    wire->ssl = NULL;
    wire->is_stuck = wire->is_failed = false;
    wire->start = wire->end = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

bool wire_connect(struct wire *wire, const struct addr *addr)
{
    int fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    set_up(wire, fd);
    if (connect(fd, &addr->any, addr_len(addr)) == 0)
        return true;
    close(fd);
    wire->fd = -1;
    return false;
}

static bool shake_hands(struct wire *wire, int (*shake)(SSL *))
{
    CHECK(SSL_set_fd(wire->ssl, wire->fd) == 1);
    errno = 0;
    bool done = shake(wire->ssl) == 1;
    wire->is_failed = !done;
    wire->is_stuck = !done && errno == EAGAIN;
    ERR_clear_error();
    return done;
}

bool wire_secure(struct wire *wire, SSL_CTX *tls, const char *name, SSL_SESSION *resume)
{
    wire->ssl = SSL_new(tls);
    CHECK(wire->ssl != NULL);
    SSL_set_tlsext_host_name(wire->ssl, name);
    if (resume != NULL)
        SSL_set_session(wire->ssl, resume);
    return shake_hands(wire, SSL_connect);
}

bool wire_serve(struct wire *wire, int fd, SSL_CTX *tls)
{
    set_up(wire, fd);
    if (tls == NULL)
        return true;
    wire->ssl = SSL_new(tls);
    CHECK(wire->ssl != NULL);
    return shake_hands(wire, SSL_accept);
}

void wire_close(struct wire *wire, bool reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (wire->ssl != NULL && !reset && !wire->is_failed)
        SSL_shutdown(wire->ssl);
    ERR_clear_error();
    SSL_free(wire->ssl);
    if (reset)
        setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(wire->fd);
    wire->fd = -1;
    wire->ssl = NULL;
}

/* ---- bytes ---- */

bool wire_send(struct wire *wire, const void *data, size_t len)
{
    const char *bytes = data;

    while (len > 0 && !wire->is_failed) {
        ssize_t sent = wire->ssl != NULL ? SSL_write(wire->ssl, bytes, (int)len)
                                         : send(wire->fd, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            ERR_clear_error();
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return !wire->is_failed;
}

bool wire_say(struct wire *wire, const char *format, ...)
{
    char text[2048];
    va_list arguments;

    va_start(arguments, format);
    int len = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(len >= 0 && (size_t)len < sizeof(text));
    return wire_send(wire, text, (size_t)len);
}

/* At least one byte more; false at the end. */
static bool fill(struct wire *wire)
{
    if (wire->is_failed)
        return false;
    errno = 0;
    ssize_t got = wire->ssl != NULL ? SSL_read(wire->ssl, wire->bytes, sizeof(wire->bytes))
                                    : recv(wire->fd, wire->bytes, sizeof(wire->bytes), 0);
    wire->start = 0;
    wire->end = got > 0 ? (size_t)got : 0;
    if (got > 0)
        return true;
    wire->is_failed = true;
    wire->is_stuck = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    ERR_clear_error();
    return false;
}

size_t wire_read(struct wire *wire, char *data, size_t len)
{
    if (wire->start == wire->end && !fill(wire))
        return 0;
    size_t held = wire->end - wire->start;
    size_t taken = held < len ? held : len;
    memcpy(data, wire->bytes + wire->start, taken);
    wire->start += taken;
    return taken;
}

/* ---- lines and heads ---- */

/* Without its end; what does not fit is left out. */
static bool read_line(struct wire *wire, char *line, size_t size)
{
    size_t len = 0;

    for (;;) {
        if (wire->start == wire->end && !fill(wire))
            return false;
        char c = wire->bytes[wire->start++];
        if (c == '\n')
            break;
        if (c != '\r' && len + 1 < size)
            line[len++] = c;
    }
    line[len] = '\0';
    return true;
}

static const char *value_of(const char *line, const char *name)
{
    size_t len = strlen(name);

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    line += len + 1;
    return line + strspn(line, " ");
}

static void take_field(struct head *head, const char *line)
{
    const char *value;

    if ((value = value_of(line, "Host")) != NULL)
        snprintf(head->host, sizeof(head->host), "%.63s", value);
    else if ((value = value_of(line, "X-Cutover-Outcome")) != NULL)
        snprintf(head->outcome, sizeof(head->outcome), "%.47s", value);
    else if ((value = value_of(line, "X-Id")) != NULL) {
        head->has_id = true;
        head->id = strtoull(value, NULL, 10);
    } else if ((value = value_of(line, "Content-Length")) != NULL) {
        head->has_length = true;
        head->length = strtoull(value, NULL, 10);
    } else if ((value = value_of(line, "Transfer-Encoding")) != NULL)
        head->is_chunked = strcasecmp(value, "chunked") == 0;
    else if ((value = value_of(line, "Connection")) != NULL)
        head->closes = strcasecmp(value, "close") == 0;
    else if (value_of(line, "Upgrade") != NULL)
        head->upgrades = true;
    else if (value_of(line, "Expect") != NULL)
        head->expects = true;
}

enum wire_result wire_head(struct wire *wire, struct head *head)
{
    char line[512];

    memset(head, 0, sizeof(*head));
    if (wire->start == wire->end && !fill(wire))
        return WIRE_NOTHING;
    if (!read_line(wire, head->first, sizeof(head->first)))
        return WIRE_CUT;
    for (;;) {
        if (!read_line(wire, line, sizeof(line)))
            return WIRE_CUT;
        if (line[0] == '\0')
            return WIRE_WHOLE;
        take_field(head, line);
    }
}

/* ---- bodies ---- */

static enum wire_result read_span(struct wire *wire, uint64_t len, wire_cb on_bytes, void *data)
{
    char bytes[4096];

    while (len > 0) {
        size_t got = wire_read(wire, bytes, len < sizeof(bytes) ? (size_t)len : sizeof(bytes));
        if (got == 0)
            return WIRE_CUT;
        on_bytes(data, bytes, got);
        len -= got;
    }
    return WIRE_WHOLE;
}

static enum wire_result read_chunks(struct wire *wire, wire_cb on_bytes, void *data)
{
    char line[128];
    uint64_t len;

    do {
        if (!read_line(wire, line, sizeof(line)))
            return WIRE_CUT;
        len = strtoull(line, NULL, 16);
        if (read_span(wire, len, on_bytes, data) != WIRE_WHOLE ||
            !read_line(wire, line, sizeof(line)))
            return WIRE_CUT;
    } while (len > 0);
    return WIRE_WHOLE;
}

enum wire_result wire_body(struct wire *wire, const struct head *head, bool until_end,
                           wire_cb on_bytes, void *data)
{
    char bytes[4096];
    size_t got;

    if (head->is_chunked)
        return read_chunks(wire, on_bytes, data);
    if (head->has_length)
        return read_span(wire, head->length, on_bytes, data);
    while (until_end && (got = wire_read(wire, bytes, sizeof(bytes))) > 0)
        on_bytes(data, bytes, got);
    return WIRE_WHOLE;
}

void pattern_fill(uint64_t id, uint64_t at, char *bytes, size_t len)
{
    unsigned next = (unsigned)((id * 7 + at) % 26);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)('a' + next);
        next = next == 25 ? 0 : next + 1;
    }
}
