/*
 * fuzz_response.c - a server's answer: head read and rebuilt for the client, body read in pieces.
 *
 * The first byte says what was asked: 'H' HEAD, else GET. The rest is what the server has sent, and
 * then it closes.
 */
#include "fuzz.h"
#include "http/forward.h"
#include "http/parser.h"
#include "http/platform.h"

#define FIELDS_MAX 128

static struct message first, second;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    message_init(&first, FIELDS_MAX);
    message_init(&second, FIELDS_MAX + 16);
    return 0;
}

static unsigned count_fields(const struct message *message, enum field_id id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < message->count; i++)
        count += message->fields[i].id == id ? 1 : 0;
    return count;
}

static void expect_framing(const struct forward_response *response, const struct message *again)
{
    const struct message *message = response->message;
    unsigned lengths = count_fields(again, FIELD_CONTENT_LENGTH);
    unsigned codings = count_fields(again, FIELD_TRANSFER_ENCODING);

    CHECK(lengths + codings <= 1);
    if (message->status < 200 || message->status == 204)
        CHECK(lengths + codings == 0);
    if (message->status == 304 || response->client_minor == 0)
        CHECK(codings == 0);
    if (message->body == BODY_LENGTH)
        CHECK(again->body == BODY_LENGTH && again->content_length == message->content_length);
    else if (response->body == BODY_CHUNKED)
        CHECK(again->body == BODY_CHUNKED);
    else
        CHECK(lengths ==
              (message->has_content_length && message->status >= 200 && message->status != 204));
}

static void expect_same(const struct forward_response *response, const struct message *again)
{
    const struct message *message = response->message;
    bool is_final = message->status >= 200 || response->upgrade;

    CHECK(again->status == message->status);
    CHECK(str_eq(again->reason, message->reason));
    CHECK(again->minor == 1);
    expect_framing(response, again);
    CHECK(count_fields(again, FIELD_SET_COOKIE) ==
          count_fields(message, FIELD_SET_COOKIE) +
              (is_final && response->set_cookie.len > 0 ? 1 : 0));
    CHECK(count_fields(again, FIELD_LOCATION) == count_fields(message, FIELD_LOCATION));
    CHECK(count_fields(again, FIELD_KEEP_ALIVE) + count_fields(again, FIELD_PROXY_CONNECTION) +
              count_fields(again, FIELD_TRAILER) ==
          0);
    if (is_final) {
        CHECK(count_fields(again, FIELD_VIA) == 1);
        CHECK(count_fields(again, FIELD_CONNECTION) <= 1);
        CHECK(response->upgrade ||
              again->keep_alive == (response->keep_alive && again->body != BODY_UNTIL_EOF));
    }
}

static void rebuild(const struct message *message, bool head_request, struct dice *dice)
{
    struct forward_response response = {
        .message = message,
        .body = message->body,
        .client_minor = dice_roll(dice, 2),
        .upgrade = message->status == 101,
        .via = STR("cutover-1a2b3c4d"),
        .request_id = dice_flip(dice) ? STR("0123456789abcdef") : STR(""),
        .set_cookie = dice_flip(dice) ? STR("cutover=0427; Path=/; HttpOnly") : STR(""),
        .backend_authority = STR("app.up.railway.app"),
        .server_authority = dice_flip(dice) ? STR("10.0.0.5:3000") : STR("app.up.railway.app"),
        .client_authority = dice_flip(dice) ? STR("www.example.org") : STR(""),
        .client_scheme = dice_flip(dice) ? STR("http") : STR("https"),
        .backend_is_tls = dice_flip(dice),
        .rewrite_location = dice_flip(dice),
        .rewrite_cookie_domain = dice_flip(dice),
    };
    struct buf head = BUF_EMPTY;
    struct parser parser;
    size_t searched = 0;

    if (message->body == BODY_CHUNKED || message->body == BODY_UNTIL_EOF)
        response.body = response.client_minor == 1 ? BODY_CHUNKED : BODY_UNTIL_EOF;
    response.keep_alive = response.body != BODY_UNTIL_EOF && dice_flip(dice);
    forward_response_head(&response, &head);
    parser_init(&parser, PARSER_RESPONSE);
    CHECK(parser_find_head(buf_str(&head), &searched) == buf_len(&head));
    CHECK(parser_head(&parser, buf_str(&head), &second, head_request) == PARSE_DONE);
    expect_same(&response, &second);
    buf_deinit(&head);
}

struct reading {
    enum parse_result result;
    size_t used;
    struct buf payload;
};

/* Reads the body, cut where `dice` says (NULL: not), to its end or that of the connection. */
static struct reading read_body(struct str head, struct str data, bool head_request,
                                struct dice *dice)
{
    struct reading reading = {.result = PARSE_MORE};
    struct parser parser;

    parser_init(&parser, PARSER_RESPONSE);
    CHECK(parser_head(&parser, head, &second, head_request) == PARSE_DONE);
    if (second.body == BODY_NONE)
        reading.result = PARSE_DONE;
    while (reading.result == PARSE_MORE && reading.used < data.len) {
        size_t left = data.len - reading.used;
        size_t len = dice == NULL ? left : dice_piece(dice, left);
        char *piece = copy_of(str_from(data.data + reading.used, len));
        struct slices slices;
        size_t used;
        reading.result = parser_body(&parser, str_from(piece, len), &used, &slices);
        CHECK(used <= len);
        for (unsigned i = 0; i < slices.count; i++)
            buf_append_str(&reading.payload, slices.item[i]);
        reading.used += used;
        mem_free(piece);
    }
    if (reading.result == PARSE_MORE)
        reading.result = parser_eof(&parser);
    return reading;
}

static void read_both_ways(struct str head, struct str data, bool head_request, struct dice *dice)
{
    struct reading whole = read_body(head, data, head_request, NULL);
    struct reading cut = read_body(head, data, head_request, dice);

    CHECK(whole.result == cut.result);
    if (whole.result == PARSE_DONE) {
        CHECK(whole.used == cut.used);
        CHECK(str_eq(buf_str(&whole.payload), buf_str(&cut.payload)));
    }
    buf_deinit(&whole.payload);
    buf_deinit(&cut.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = input_of(data, size);
    struct dice dice = dice_of(input);
    struct parser parser;
    size_t searched = 0;

    if (input.len == 0)
        return 0;
    bool head_request = input.data[0] == 'H';
    input = str_slice(input, 1, input.len);
    size_t len = parser_find_head(input, &searched);
    if (len == 0)
        return 0;
    char *copy = copy_of(str_from(input.data, len));
    struct str head = str_from(copy, len);
    parser_init(&parser, PARSER_RESPONSE);
    if (parser_head(&parser, head, &first, head_request) == PARSE_DONE) {
        (void)platform_fault(&first);
        rebuild(&first, head_request, &dice);
        read_both_ways(head, str_slice(input, len, input.len), head_request, &dice);
    } else {
        CHECK(parser.fault != STRICT_OK);
    }
    mem_free(copy);
    return 0;
}
