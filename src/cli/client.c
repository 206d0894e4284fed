/*
 * client.c - verb -> request bytes -> wire -> parser -> answer. The parser is the proxy's own, so
 * both ends of the admin API agree about what HTTP is.
 */
#include "cli/client.h"

#include "cli/wire.h"
#include "http/parser.h"

#define FIELDS_MAX     64
#define HEAD_MAX_BYTES (64 * 1024)

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

static bool not_http(const struct login *login, struct error *error)
{
    return error_set(error, "what answers at %s is not the admin API", login->url);
}

static bool broke_off(const struct login *login, struct error *error)
{
    return error_set(error, "the admin API at %s broke off its answer", login->url);
}

/* Nothing at all: as TLS treats those who do not speak it. */
static bool said_nothing(const struct login *login, struct error *error)
{
    return error_set(error, "the admin API at %s closed the connection without an answer%s",
                     login->url,
                     login->is_tls ? "" : ". If it has TLS, its URL begins with https://");
}

/* One connection with what has been read from it. */
struct exchange {
    const struct login *login;
    struct wire wire;
    struct buf head;
    struct parser parser;
    struct message message;
};

static void exchange_deinit(struct exchange *exchange)
{
    wire_close(&exchange->wire);
    buf_deinit(&exchange->head);
    message_deinit(&exchange->message);
}

static bool read_head(struct exchange *exchange, struct error *error)
{
    struct buf *in = &exchange->wire.in;
    size_t searched = 0, len = 0;
    while ((len = parser_find_head(buf_str(in), &searched)) == 0) {
        if (buf_len(in) > HEAD_MAX_BYTES)
            return not_http(exchange->login, error);
        int got = wire_read(&exchange->wire, error);
        if (got < 0)
            return false;
        if (got == 0)
            return buf_len(in) > 0 ? not_http(exchange->login, error)
                                   : said_nothing(exchange->login, error);
    }
    buf_append_str(&exchange->head, str_slice(buf_str(in), 0, len));
    buf_consume(in, len);
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
    if (!wire_open(&exchange->wire, login, error))
        return false;
    format_request(login, request, &bytes);
    bool sent = wire_send(&exchange->wire, buf_str(&bytes), error);
    buf_deinit(&bytes);
    return sent && read_head(exchange, error);
}

/* Answers */

/* What came of the body since the last call goes to `body`. */
static enum parse_result take_body(struct exchange *exchange, struct buf *body)
{
    enum parse_result result = PARSE_MORE;
    struct slices slices;
    struct buf *in = &exchange->wire.in;
    while (result == PARSE_MORE && buf_len(in) > 0) {
        size_t used = 0;
        result = parser_body(&exchange->parser, buf_str(in), &used, &slices);
        for (unsigned i = 0; i < slices.count && result != PARSE_BAD; i++)
            buf_append_str(body, slices.item[i]);
        buf_consume(in, used);
    }
    return result;
}

/* PARSE_DONE at the end of the body; PARSE_MORE when there is something new in `body`. */
static enum parse_result read_body(struct exchange *exchange, struct buf *body, struct error *error)
{
    size_t before = buf_len(body);
    enum parse_result result = take_body(exchange, body);
    if (result == PARSE_MORE && buf_len(body) == before) {
        int got = wire_read(&exchange->wire, error);
        if (got < 0)
            return PARSE_BAD;
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

bool client_line_is(struct str line, struct str name, struct str *text)
{
    if (!str_starts_with(line, name) || line.len < name.len + 2 || line.data[name.len] != ':')
        return false;
    *text = str_trim(str_slice(line, name.len + 1, line.len));
    return true;
}

bool client_follow(const struct login *login, const char *path, unsigned patience_s,
                   client_line_cb on_line, void *data, struct client_answer *answer,
                   struct error *error)
{
    struct client_request request = {.method = "GET", .path = path, .body = STR("")};
    struct exchange exchange;
    *answer = (struct client_answer){.status = 0};
    bool done = ask(&exchange, login, &request, error);
    if (done && exchange.message.status != 200) {
        done = read_answer(&exchange, answer, error);
    } else if (done) {
        enum parse_result result = PARSE_MORE;
        wire_set_patience(&exchange.wire, patience_s);
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
