/*
 * fuzz_request.c - a request head: found, read, and rebuilt for the server.
 *
 *     bytes -> parser_find_head (whole, in pieces) -> parser_head -> forward_request_head
 *                                                        ^                   |
 *                                                        +---- again --------+
 *
 * What both readers accept must be rebuilt into a head that means the same and that they accept.
 */
#include "fuzz.h"
#include "http/forward.h"
#include "http/parser.h"

#define FIELDS_MAX 128

static struct message first, second, third;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    CHECK(parser_self_test());
    /* What is rebuilt may have a few fields more. */
    message_init(&first, FIELDS_MAX);
    message_init(&second, FIELDS_MAX + 16);
    message_init(&third, FIELDS_MAX + 16);
    return 0;
}

/* The same head must be found wherever the bytes are cut. A head that is none may be found earlier
 * or later, as long as it is refused. */
static void find_in_pieces(struct str data, struct dice *dice, size_t whole)
{
    size_t searched = 0;
    size_t len = 0;
    size_t found = 0;

    while (len < data.len && found == 0) {
        len += dice_piece(dice, data.len - len);
        char *copy = copy_of(str_from(data.data, len));
        found = parser_find_head(str_from(copy, len), &searched);
        CHECK(found <= len);
        if (found != 0 && found != whole) {
            struct parser parser;
            parser_init(&parser, PARSER_REQUEST);
            CHECK(parser_head(&parser, str_from(copy, found), &second, false) == PARSE_BAD);
        }
        mem_free(copy);
    }
    CHECK((found != 0) == (whole != 0));
}

static unsigned count_fields(const struct message *message, enum field_id id)
{
    unsigned count = 0;

    for (unsigned i = 0; i < message->count; i++)
        count += message->fields[i].id == id ? 1 : 0;
    return count;
}

/* The next field from `*at` on that is nobody's business but the application's. */
static const struct field *next_other(const struct message *message, unsigned *at)
{
    while (*at < message->count) {
        const struct field *field = &message->fields[(*at)++];
        if (field->id == FIELD_OTHER)
            return field;
    }
    return NULL;
}

/* Fields that are not ours come out in their order and as they were, if at all. */
static void expect_subsequence(const struct message *from, const struct message *to)
{
    unsigned at_from = 0;
    unsigned at_to = 0;
    const struct field *field;

    while ((field = next_other(to, &at_to)) != NULL) {
        const struct field *original;
        if (str_eq(field->name, STR("X-Ours-Address")) || str_eq(field->name, STR("X-Ours-Key")))
            continue;
        do {
            original = next_other(from, &at_from);
            CHECK(original != NULL);
        } while (!str_eq(original->name, field->name) || !str_eq(original->value, field->value));
    }
}

static void expect_same(const struct forward_request *request, const struct message *again)
{
    const struct message *message = request->message;

    CHECK(str_eq(again->method, message->method));
    CHECK(str_eq(again->target, forward_origin_form(message)));
    CHECK(str_eq(again->query, message->query));
    CHECK(again->minor == 1);
    CHECK(again->body == message->body);
    CHECK(again->has_content_length == message->has_content_length);
    CHECK(again->content_length == message->content_length);
    CHECK(again->expects_continue == message->expects_continue);
    CHECK(again->wants_upgrade == request->upgrade);
    CHECK(str_eq(again->authority, request->host));
    CHECK(count_fields(again, FIELD_HOST) == 1);
    CHECK(count_fields(again, FIELD_CONTENT_LENGTH) +
              count_fields(again, FIELD_TRANSFER_ENCODING) <=
          1);
    CHECK(count_fields(again, FIELD_TE) + count_fields(again, FIELD_TRAILER) +
              count_fields(again, FIELD_KEEP_ALIVE) + count_fields(again, FIELD_PROXY_CONNECTION) ==
          0);
    CHECK(count_fields(again, FIELD_CONNECTION) == (request->upgrade ? 1 : 0));
    CHECK(count_fields(again, FIELD_AUTHORIZATION) == count_fields(message, FIELD_AUTHORIZATION));
    CHECK(count_fields(again, FIELD_X_FORWARDED_FOR) == 1);
    CHECK(count_fields(again, FIELD_X_REQUEST_ID) == 1);
    CHECK(count_fields(again, FIELD_VIA) == 1);
    CHECK(forward_has_passed(again, request->via));
    CHECK(forward_request_id(again, STR("")).len > 0);
    struct str value;
    CHECK(!cookie_find(again, request->affinity_cookie, 0, &value));
    expect_subsequence(message, again);
}

static struct message *read_rebuilt(struct str head, struct message *message)
{
    struct parser parser;
    size_t searched = 0;

    parser_init(&parser, PARSER_REQUEST);
    CHECK(parser_find_head(head, &searched) == head.len);
    CHECK(parser_head(&parser, head, message, false) == PARSE_DONE);
    return message;
}

/* Rebuilt once more it stays as it is, but for Via, which grows. */
static void expect_stable(struct forward_request request)
{
    struct buf head = BUF_EMPTY;

    request.message = &second;
    forward_request_head(&request, &head);
    const struct message *again = read_rebuilt(buf_str(&head), &third);
    CHECK(again->count == second.count);
    for (unsigned i = 0; i < again->count; i++) {
        CHECK(str_eq(again->fields[i].name, second.fields[i].name));
        CHECK(again->fields[i].id == FIELD_VIA ||
              str_eq(again->fields[i].value, second.fields[i].value));
    }
    buf_deinit(&head);
}

static void rebuild(const struct message *message, struct dice *dice)
{
    bool has_host = message->authority.len > 0;
    struct forward_request request = {
        .message = message,
        .host = has_host && dice_flip(dice) ? message->authority : STR("app.example.org:8443"),
        .peer_ip = STR("192.0.2.1"),
        .client_ip = STR("2001:db8::1"),
        .scheme = dice_flip(dice) ? STR("http") : STR("https"),
        .port = STR("8080"),
        .request_id = STR("0123456789abcdef0123456789abcdef"),
        .via = STR("cutover-1a2b3c4d"),
        .affinity_cookie = STR("cutover"),
        .override_header = STR("X-Cutover-Backend"),
        .client_ip_header = dice_flip(dice) ? STR("X-Ours-Address") : STR(""),
        .secret_header = dice_flip(dice) ? STR("X-Ours-Key") : STR(""),
        .secret = dice_flip(dice) ? STR("secret") : STR(""),
        .trusted = dice_flip(dice),
        .edge = (enum forward_edge)dice_roll(dice, FORWARD_EDGE_RAILWAY + 1),
        .upgrade = message->wants_upgrade,
    };
    struct buf head = BUF_EMPTY;

    forward_request_head(&request, &head);
    expect_same(&request, read_rebuilt(buf_str(&head), &second));
    if (!request.trusted && str_eq(request.host, message->authority))
        expect_stable(request);
    buf_deinit(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = input_of(data, size);
    struct dice dice = dice_of(input);
    struct parser parser;
    size_t searched = 0;
    size_t len = parser_find_head(input, &searched);

    find_in_pieces(input, &dice, len);
    if (len == 0)
        return 0;
    char *head = copy_of(str_from(input.data, len));
    parser_init(&parser, PARSER_REQUEST);
    if (parser_head(&parser, str_from(head, len), &first, false) == PARSE_DONE) {
        for (unsigned before = 0; before < 3; before++) {
            enum forward_edge edge = (enum forward_edge)dice_roll(&dice, FORWARD_EDGE_RAILWAY + 1);
            CHECK(forward_client_named(&first, edge, before).len <= len);
        }
        rebuild(&first, &dice);
    } else {
        CHECK(parser.fault != STRICT_OK);
    }
    mem_free(head);
    return 0;
}
