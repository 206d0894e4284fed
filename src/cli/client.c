/*
 * client.c - verb -> request bytes -> socket -> parser -> answer. The parser is the proxy's own, so
 * both ends of the admin API agree about what HTTP is.
 */
#include "cli/client.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"
#include "http/parser.h"

#define TIMEOUT_S        10
#define FOLLOW_TIMEOUT_S 60 /* the server says something every 15 s */
#define READ_BYTES       16384
#define FIELDS_MAX       64
#define HEAD_MAX_BYTES   (64 * 1024)

/* Connecting */

/* EAGAIN and EINPROGRESS are what SO_RCVTIMEO and SO_SNDTIMEO end with. */
static bool io_failed(const struct login *login, const char *what, struct error *error)
{
    if (errno == EAGAIN || errno == EINPROGRESS || errno == EWOULDBLOCK) {
        return error_set(error, "cannot %s the admin API at %.*s: it does not answer in time", what,
                         STR_ARG(login->url));
    }
    return error_set(error, "cannot %s the admin API at %.*s: %s%s", what, STR_ARG(login->url),
                     strerror(errno), errno == ECONNREFUSED ? ". Is cutover running?" : "");
}

static int connect_to(const struct addrinfo *address)
{
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

/* A connected socket, or -1 with the error set. */
static int open_socket(const struct login *login, struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(login->host, login->port, &hints, &found);
    if (status != 0) {
        error_set(error, "cannot find the admin API at %.*s: %s", STR_ARG(login->url),
                  gai_strerror(status));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next)
        fd = connect_to(each);
    if (fd < 0)
        io_failed(login, "reach", error);
    freeaddrinfo(found);
    return fd;
}

/* Asking */

static void format_request(const struct login *login, const struct client_request *request,
                           struct buf *out)
{
    buf_printf(out, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Actor: %s\r\nConnection: close\r\n",
               request->method, request->path, login->authority, login->actor);
    if (login->token != NULL)
        buf_printf(out, "Authorization: Bearer %s\r\n", login->token);
    if (request->if_match != NULL)
        buf_printf(out, "If-Match: %s\r\n", request->if_match);
    if (!str_is_empty(request->body))
        buf_printf(out, "Content-Type: application/json\r\n");
    if (strcmp(request->method, "GET") != 0)
        buf_printf(out, "Content-Length: %zu\r\n", request->body.len);
    buf_append_str(out, STR("\r\n"));
    buf_append_str(out, request->body);
}

static bool send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return false;
        bytes = str_slice(bytes, sent < 0 ? 0 : (size_t)sent, bytes.len);
    }
    return true;
}

/* 1: bytes came; 0: the end; -1: errno says why. */
static int read_more(int fd, struct buf *in)
{
    ssize_t size;
    do {
        size = recv(fd, buf_reserve(in, READ_BYTES), READ_BYTES, 0);
    } while (size < 0 && errno == EINTR);
    if (size > 0)
        buf_commit(in, (size_t)size);
    return size > 0 ? 1 : (int)size;
}

static bool not_http(const struct login *login, struct error *error)
{
    return error_set(error, "what answers at %.*s is not the admin API", STR_ARG(login->url));
}

static bool broke_off(const struct login *login, struct error *error)
{
    return error_set(error, "the admin API at %.*s broke off its answer", STR_ARG(login->url));
}

/* One connection with what has been read from it. */
struct exchange {
    const struct login *login;
    int fd;
    struct buf in;
    struct buf head;
    struct parser parser;
    struct message message;
};

static void exchange_deinit(struct exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    buf_deinit(&exchange->in);
    buf_deinit(&exchange->head);
    message_deinit(&exchange->message);
}

static bool read_head(struct exchange *exchange, struct error *error)
{
    size_t searched = 0, len = 0;
    while ((len = parser_find_head(buf_str(&exchange->in), &searched)) == 0) {
        if (buf_len(&exchange->in) > HEAD_MAX_BYTES)
            return not_http(exchange->login, error);
        int got = read_more(exchange->fd, &exchange->in);
        if (got < 0)
            return io_failed(exchange->login, "read from", error);
        if (got == 0) {
            return buf_len(&exchange->in) > 0 ? not_http(exchange->login, error)
                                              : broke_off(exchange->login, error);
        }
    }
    buf_append_str(&exchange->head, str_slice(buf_str(&exchange->in), 0, len));
    buf_consume(&exchange->in, len);
    if (parser_head(&exchange->parser, buf_str(&exchange->head), &exchange->message, false) !=
        PARSE_DONE)
        return not_http(exchange->login, error);
    return true;
}

/* Connects, asks, and reads the head of the answer. */
static bool ask(struct exchange *exchange, const struct login *login,
                const struct client_request *request, struct error *error)
{
    struct buf bytes = BUF_EMPTY;
    *exchange = (struct exchange){.login = login};
    parser_init(&exchange->parser, PARSER_RESPONSE);
    message_init(&exchange->message, FIELDS_MAX);
    exchange->fd = open_socket(login, error);
    if (exchange->fd < 0)
        return false;
    format_request(login, request, &bytes);
    bool sent = send_all(exchange->fd, buf_str(&bytes));
    int number = errno;
    buf_deinit(&bytes);
    /* A server that refuses early answers and stops reading: look at the answer first. */
    if (!sent && number != EPIPE && number != ECONNRESET) {
        errno = number;
        return io_failed(login, "write to", error);
    }
    return read_head(exchange, error);
}

/* Answers */

/* What came of the body since the last call goes to `body`. */
static enum parse_result take_body(struct exchange *exchange, struct buf *body)
{
    enum parse_result result = PARSE_MORE;
    struct slices slices;
    while (result == PARSE_MORE && buf_len(&exchange->in) > 0) {
        size_t used = 0;
        result = parser_body(&exchange->parser, buf_str(&exchange->in), &used, &slices);
        for (unsigned i = 0; i < slices.count && result != PARSE_BAD; i++)
            buf_append_str(body, slices.item[i]);
        buf_consume(&exchange->in, used);
    }
    return result;
}

/* PARSE_DONE at the end of the body; PARSE_MORE when there is something new in `body`. */
static enum parse_result read_body(struct exchange *exchange, struct buf *body, struct error *error)
{
    enum parse_result result = take_body(exchange, body);
    if (result == PARSE_MORE) {
        int got = read_more(exchange->fd, &exchange->in);
        if (got < 0) {
            io_failed(exchange->login, "read from", error);
            return PARSE_BAD;
        }
        result = got == 0 ? parser_eof(&exchange->parser) : take_body(exchange, body);
    }
    if (result == PARSE_BAD)
        broke_off(exchange->login, error);
    return result;
}

static bool read_answer(struct exchange *exchange, struct client_answer *answer,
                        struct error *error)
{
    enum parse_result result = exchange->message.body == BODY_NONE ? PARSE_DONE : PARSE_MORE;
    answer->status = exchange->message.status;
    while (result == PARSE_MORE)
        result = read_body(exchange, &answer->body, error);
    return result == PARSE_DONE;
}

bool client_call(const struct login *login, const struct client_request *request,
                 struct client_answer *answer, struct error *error)
{
    struct exchange exchange;
    *answer = (struct client_answer){.status = 0};
    bool done = ask(&exchange, login, request, error) && read_answer(&exchange, answer, error);
    exchange_deinit(&exchange);
    return done;
}

static void give_lines(struct buf *body, client_line_cb on_line, void *data)
{
    ptrdiff_t end;
    while ((end = str_find_char(buf_str(body), '\n', 0)) >= 0) {
        on_line(data, str_slice(buf_str(body), 0, (size_t)end));
        buf_consume(body, (size_t)end + 1);
    }
}

bool client_follow(const struct login *login, const char *path, client_line_cb on_line, void *data,
                   struct client_answer *answer, struct error *error)
{
    struct client_request request = {.method = "GET", .path = path, .body = STR("")};
    struct exchange exchange;
    *answer = (struct client_answer){.status = 0};
    bool done = ask(&exchange, login, &request, error);
    if (done && exchange.message.status != 200) {
        done = read_answer(&exchange, answer, error);
    } else if (done) {
        enum parse_result result = PARSE_MORE;
        struct timeval silence = {.tv_sec = FOLLOW_TIMEOUT_S};
        setsockopt(exchange.fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
        answer->status = 200;
        while (result == PARSE_MORE) {
            result = read_body(&exchange, &answer->body, error);
            give_lines(&answer->body, on_line, data);
        }
        done = result == PARSE_DONE;
    }
    exchange_deinit(&exchange);
    return done;
}
