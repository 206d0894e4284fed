/*
 * parser.c - llhttp and the strict reader side by side, and what they agree on.
 *
 *     head    strict_request(bytes)      refuses, or knows that the lines are plain
 *             llhttp over the same bytes gives the spans (on_*) ...
 *             on_headers_complete        ... interpreted by us; framing compared with llhttp's
 *     body    chunks_read goes over a run of it, then llhttp reads the same run; both must find as
 *             many bytes of data, and the end at the same place
 *
 *             5;x=y\r\n hello \r\n0\r\n\r\n next request
 *              ^ left out            ^ llhttp pauses here
 */
#include "http/parser.h"

#include "base/check.h"

#if LLHTTP_VERSION_MAJOR < 9 && LLHTTP_STRICT_MODE != 1
#error "llhttp 8 is only safe when built with LLHTTP_STRICT_MODE=1"
#endif

/* Framing beyond this, and out of proportion to the body, is an attack on our time. */
#define OVERHEAD_FREE_BYTES 65536
#define OVERHEAD_RATIO      16

static struct parser *parser_of(llhttp_t *llhttp)
{
    return CONTAINER_OF(llhttp, struct parser, llhttp);
}

static int refuse(struct parser *parser, enum strict_fault fault)
{
    parser->fault = fault;
    return -1;
}

/* ---- the head: spans ---- */

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    parser_of(llhttp)->message->target = str_from(at, len);
    return 0;
}

static int on_status(llhttp_t *llhttp, const char *at, size_t len)
{
    parser_of(llhttp)->message->reason = str_from(at, len);
    return 0;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = parser_of(llhttp);
    struct message *message = parser->message;

    if (message == NULL)
        return 0; /* a trailer: chunks.c has judged it, and nobody gets it */
    if (message->count == message->capacity)
        return refuse(parser, STRICT_FIELDS);
    /* The head is fed in one piece, so that a name comes in one. */
    message->fields[message->count++] = (struct field){
        .name = str_from(at, len),
        .value = str_from(at + len, 0),
        .id = field_id_of(str_from(at, len)),
    };
    return 0;
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct parser *parser = parser_of(llhttp);
    struct message *message = parser->message;

    if (message == NULL)
        return 0;
    struct field *field = &message->fields[message->count - 1];
    if (field->value.len > 0)
        return refuse(parser, STRICT_DISAGREE);
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    /* llhttp reports an empty value wherever it noticed; ours stands behind its name. */
    if (len > 0)
        field->value = str_from(at, len);
    return 0;
}

/* ---- the head: what it means ---- */

static enum body_kind body_kind_of(const struct parser *parser, const struct message *message,
                                   bool chunked)
{
    if (parser->head_only)
        return BODY_NONE;
    if (chunked)
        return BODY_CHUNKED;
    if (message->has_content_length)
        return message->content_length > 0 ? BODY_LENGTH : BODY_NONE;
    return parser->kind == PARSER_REQUEST ? BODY_NONE : BODY_UNTIL_EOF;
}

/* Whether llhttp read the same first line and the same framing as we did. */
static bool agrees(const struct parser *parser, const struct connection_wishes *wishes)
{
    const llhttp_t *llhttp = &parser->llhttp;
    const struct message *message = parser->message;
    bool has_length = (llhttp->flags & F_CONTENT_LENGTH) != 0;
    bool is_chunked = (llhttp->flags & F_CHUNKED) != 0;
    bool has_coding = (llhttp->flags & F_TRANSFER_ENCODING) != 0;

    if (has_length != message->has_content_length || is_chunked != wishes->chunked ||
        has_coding != wishes->chunked)
        return false;
    if (has_length && llhttp->content_length != message->content_length)
        return false;
    if (parser->kind == PARSER_RESPONSE)
        return message->status == parser->raw_status;
    /* A tunnel must be asked for in both opinions, and the target end where the version begins. */
    const char *behind = message->target.data + message->target.len;
    bool may_upgrade = wishes->upgrade && message->upgrade.len > 0;
    return (llhttp->upgrade == 0 || may_upgrade) && behind[0] == ' ' &&
           behind[8] == (char)('0' + message->minor) &&
           message->target.data == message->method.data + message->method.len + 1;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct parser *parser = parser_of(llhttp);
    struct message *message = parser->message;
    struct connection_wishes wishes = {0};

    message->minor = llhttp->http_minor;
    message->status = parser->kind == PARSER_RESPONSE ? llhttp->status_code : 0;
    if (llhttp->http_major != 1 || message->minor > 1 || !message_read_fields(message, &wishes) ||
        !agrees(parser, &wishes))
        return refuse(parser, STRICT_DISAGREE);
    if (parser->kind == PARSER_REQUEST)
        message_split_target(message);
    unsigned status = message->status;
    parser->head_only |= status / 100 == 1 || status == 204 || status == 304;
    message->body = parser->body = body_kind_of(parser, message, wishes.chunked);
    message->keep_alive = !wishes.close && (message->minor == 1 || wishes.keep_alive) &&
                          message->body != BODY_UNTIL_EOF;
    message->wants_upgrade = wishes.upgrade && message->minor == 1 && message->body == BODY_NONE &&
                             message_offers_upgrade(message);
    parser->has_head = true;
    return parser->head_only ? 1 : 0;
}

/* ---- the body ---- */

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct slices *slices = parser_of(llhttp)->slices;

    CHECK(slices->count < SLICES_MAX);
    slices->item[slices->count++] = str_from(at, len);
    slices->bytes += len;
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    parser_of(llhttp)->is_complete = true;
    return HPE_PAUSED; /* what follows is not of this message */
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* ---- life and use ---- */

void parser_init(struct parser *parser, enum parser_kind kind)
{
    *parser = (struct parser){.kind = kind};
    llhttp_init(&parser->llhttp, kind == PARSER_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &SETTINGS);
}

void parser_reset(struct parser *parser)
{
    parser_init(parser, parser->kind);
}

size_t parser_find_head(struct str data, size_t *searched)
{
    if (data.len == 0)
        return 0;
    /* TLS or noise where text is due: there may never be an empty line to wait for. */
    unsigned char first = (unsigned char)data.data[0];
    bool is_empty_line = first == '\r' && (data.len == 1 || data.data[1] == '\n');
    if (!is_empty_line && (first <= ' ' || first >= 0x7f))
        return data.len;
    const char *end = data.data + data.len;
    const char *at = data.data + *searched;
    const char *lf;
    while ((lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        size_t behind = (size_t)(end - lf) - 1;
        if (behind >= 1 && lf[1] == '\n')
            return (size_t)(lf + 2 - data.data);
        /* LF CR ends it whatever follows: an empty line, or something that strict refuses. */
        if (behind >= 2 && lf[1] == '\r')
            return (size_t)(lf + 3 - data.data);
        if (behind == 0 || lf[1] == '\r') {
            *searched = (size_t)(lf - data.data);
            return 0;
        }
        at = lf + 1;
    }
    *searched = data.len;
    return 0;
}

static void message_reset(struct message *message, struct str head)
{
    struct field *fields = message->fields;
    unsigned capacity = message->capacity;

    *message = (struct message){.fields = fields, .capacity = capacity, .base = head.data};
}

/* Feeds a head that strict has accepted; false when llhttp sees something else in it. */
static bool run_head(struct parser *parser, struct str head, struct message *message)
{
    const char *end = head.data + head.len;

    if (parser->kind == PARSER_REQUEST) {
        ptrdiff_t space = str_find_char(head, ' ', 0);
        message->method = str_slice(head, 0, (size_t)space);
    } else {
        const char *digits = head.data + sizeof("HTTP/1.1 ") - 1;
        parser->raw_status = (unsigned)(digits[0] - '0') * 100 + (unsigned)(digits[1] - '0') * 10 +
                             (unsigned)(digits[2] - '0');
    }
    parser->message = message;
    llhttp_errno_t result = llhttp_execute(&parser->llhttp, head.data, head.len);
    parser->message = NULL;

    if (!parser->has_head || parser->is_complete != (parser->body == BODY_NONE))
        return false;
    return parser->is_complete
               ? result == HPE_PAUSED && llhttp_get_error_pos(&parser->llhttp) == end
               : result == HPE_OK;
}

enum parse_result parser_head(struct parser *parser, struct str head, struct message *message,
                              bool head_request)
{
    bool is_request = parser->kind == PARSER_REQUEST;

    CHECK(!parser->has_head);
    message_reset(message, head);
    if (parser->fault == STRICT_OK) {
        parser->fault = is_request ? strict_request(head, message->capacity)
                                   : strict_response(head, message->capacity);
    }
    if (parser->fault != STRICT_OK)
        return PARSE_BAD;
    if (head.data[0] == '\r')
        head = str_slice(head, 2, head.len); /* the CRLF that some send behind a body */
    parser->head_only = head_request && !is_request;
    if (!run_head(parser, head, message)) {
        if (parser->fault == STRICT_OK)
            parser->fault = STRICT_DISAGREE;
        return PARSE_BAD;
    }
    return PARSE_DONE;
}

/* Feeds llhttp; how much it took, or SIZE_MAX when it refused. */
static size_t feed(struct parser *parser, struct str data)
{
    llhttp_resume(&parser->llhttp);
    llhttp_errno_t result = llhttp_execute(&parser->llhttp, data.data, data.len);

    if (result == HPE_OK)
        return data.len;
    return result == HPE_PAUSED && parser->is_complete
               ? (size_t)(llhttp_get_error_pos(&parser->llhttp) - data.data)
               : SIZE_MAX;
}

/* Both readers over the same bytes. */
static bool read_chunks(struct parser *parser, struct str data, size_t *used)
{
    struct slices *slices = parser->slices;
    struct chunks_run run;

    do {
        struct str rest = str_slice(data, *used, data.len);
        size_t before = slices->bytes;

        if (!chunks_read(&parser->chunks, rest, SLICES_MAX - slices->count, &run) ||
            (run.len > 0 && feed(parser, str_slice(rest, 0, run.len)) != run.len) ||
            slices->bytes - before != run.bytes ||
            chunks_is_complete(&parser->chunks) != parser->is_complete)
            return false;
        *used += run.len + run.skipped;
    } while (run.len + run.skipped > 0 && *used < data.len && !parser->is_complete);
    return true;
}

static bool read_plain(struct parser *parser, struct str data, size_t *used)
{
    *used = feed(parser, data);
    return *used != SIZE_MAX;
}

static bool is_out_of_proportion(const struct parser *parser)
{
    return parser->overhead > OVERHEAD_FREE_BYTES &&
           parser->overhead / OVERHEAD_RATIO > parser->payload;
}

enum parse_result parser_body(struct parser *parser, struct str data, size_t *used,
                              struct slices *slices)
{
    slices->count = 0;
    slices->bytes = 0;
    *used = 0;
    if (parser->fault != STRICT_OK)
        return PARSE_BAD;
    if (parser->is_complete || data.len == 0)
        return parser->is_complete ? PARSE_DONE : PARSE_MORE;
    parser->slices = slices;
    bool is_good = parser->body == BODY_CHUNKED ? read_chunks(parser, data, used)
                                                : read_plain(parser, data, used);
    parser->slices = NULL;
    if (is_good) {
        parser->overhead += *used - slices->bytes;
        parser->payload += slices->bytes;
    }
    if (!is_good || is_out_of_proportion(parser)) {
        parser->fault = STRICT_CHUNK;
        return PARSE_BAD;
    }
    return parser->is_complete ? PARSE_DONE : PARSE_MORE;
}

enum parse_result parser_eof(struct parser *parser)
{
    if (parser->fault != STRICT_OK)
        return PARSE_BAD;
    if (parser->is_complete)
        return PARSE_DONE;
    llhttp_resume(&parser->llhttp);
    /* Finishing completes a body that has no other end, and completing pauses. */
    if (llhttp_finish(&parser->llhttp) != HPE_PAUSED || !parser->is_complete) {
        parser->fault = STRICT_CHUNK;
        return PARSE_BAD;
    }
    return PARSE_DONE;
}

static bool is_refused(struct str bytes)
{
    static const llhttp_settings_t NONE;
    llhttp_t llhttp;

    llhttp_init(&llhttp, HTTP_REQUEST, &NONE);
    return llhttp_execute(&llhttp, bytes.data, bytes.len) != HPE_OK;
}

bool parser_self_test(void)
{
    return is_refused(STR("GET / HTTP/1.1\r\nHost: a\r\n\rXGET /hidden HTTP/1.1\r\n\r\n")) &&
           is_refused(STR("POST / HTTP/1.1\r\nHost: a\r\n"
                          "X-Abc:\rxTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
}
