/* judge.c - reads both sides of the proxy with the proxy's own parsers, but each stream at once. */
#include "judge.h"

#include "fuzz.h"
#include "http/forward.h"
#include "http/parser.h"
#include "net/proxy_header.h"

#define REQUESTS_MAX 1024
#define FIELDS_MAX   256

struct request {
    struct str method;
    struct str target; /* origin-form */
    struct buf body;
    unsigned minor;
    bool wants_upgrade;
    bool is_complete;
};

struct requests {
    struct request items[REQUESTS_MAX];
    unsigned count;
    bool has_rest; /* something that is no request, or none yet, stands behind them */
};

static struct message *message_for_reading(void)
{
    static struct message message;

    if (message.fields == NULL)
        message_init(&message, FIELDS_MAX);
    return &message;
}

/* Appends the body to `payload`, read in pieces of at most `step`; its length as it came, and
 * whether it is whole. */
static size_t read_body(struct parser *parser, struct str data, size_t step, struct buf *payload,
                        enum parse_result *result)
{
    size_t used_all = 0;

    *result = PARSE_MORE;
    while (*result == PARSE_MORE && used_all < data.len) {
        struct slices slices;
        size_t used;
        *result = parser_body(
            parser,
            str_slice(data, used_all, data.len - used_all > step ? used_all + step : data.len),
            &used, &slices);
        for (unsigned i = 0; i < slices.count; i++)
            buf_append_str(payload, slices.item[i]);
        used_all += used;
    }
    return used_all;
}

/* The good requests at the front of `data`. `result`: what ended them. */
static void read_requests(struct str data, size_t step, struct requests *out,
                          enum parse_result *result)
{
    struct message *message = message_for_reading();

    *result = PARSE_DONE;
    while (data.len > 0 && *result == PARSE_DONE && out->count < REQUESTS_MAX) {
        struct parser parser;
        size_t searched = 0;
        size_t len = parser_find_head(data, &searched);
        parser_init(&parser, PARSER_REQUEST);
        *result =
            len == 0 ? PARSE_MORE : parser_head(&parser, str_from(data.data, len), message, false);
        if (*result != PARSE_DONE) {
            out->has_rest = true;
            return;
        }
        struct request *request = &out->items[out->count++];
        *request = (struct request){.method = message->method,
                                    .target = forward_origin_form(message),
                                    .minor = message->minor,
                                    .wants_upgrade = message->wants_upgrade};
        data = str_slice(data, len, data.len);
        if (message->body != BODY_NONE)
            data =
                str_slice(data, read_body(&parser, data, step, &request->body, result), data.len);
        request->is_complete = *result == PARSE_DONE;
        /* A tunnel, perhaps; and if not, then the proxy ends the connection. */
        if (request->wants_upgrade)
            return;
    }
}

static void free_requests(struct requests *requests)
{
    for (unsigned i = 0; i < requests->count; i++)
        buf_deinit(&requests->items[i].body);
    requests->count = 0;
    requests->has_rest = false;
}

/* What a client asked, without the PROXY header in front. */
static void read_client(const struct end *client, struct requests *out)
{
    struct str data = buf_str(&client->sent);
    enum parse_result result;

    if (client->is_turned_away)
        return;
    if (client->has_preface) {
        struct proxy_header header;
        if (proxy_header_read(data, &header) != PROXY_HEADER_DONE)
            return;
        data = str_slice(data, header.len, data.len);
    }
    /* Byte by byte: of a body that breaks off the proxy may have passed on all in front of it. */
    read_requests(data, 1, out, &result);
}

/* ---- servers ---- */

static bool is_same(const struct request *a, const struct request *b)
{
    return str_eq(a->method, b->method) && str_eq(a->target, b->target);
}

/* Somebody asked for it, and with such a body. */
static bool is_asked(const struct request *arrived, const struct requests *asked)
{
    struct str body = buf_str(&arrived->body);

    for (unsigned i = 0; i < asked->count; i++) {
        const struct request *request = &asked->items[i];
        if (!is_same(arrived, request) || !str_starts_with(buf_str(&request->body), body))
            continue;
        if (!arrived->is_complete || (request->is_complete && body.len == buf_len(&request->body)))
            return true;
    }
    return false;
}

/* Railway's edge says so when no application has seen the request: then any may go elsewhere. */
static bool was_never_seen(const struct end *link)
{
    static const struct str mark = STR_INIT("railway-fallback");
    struct str sent = buf_str(&link->sent);

    for (size_t i = 0; i + mark.len <= sent.len; i++)
        if (str_starts_with_nocase(str_slice(sent, i, sent.len), mark))
            return true;
    return false;
}

static unsigned count_same(const struct requests *requests, const struct request *wanted)
{
    unsigned count = 0;

    for (unsigned i = 0; i < requests->count; i++)
        count += is_same(&requests->items[i], wanted) ? 1 : 0;
    return count;
}

static void judge_link(const struct end *link, struct requests *arrived)
{
    enum parse_result result;
    unsigned before = arrived->count;

    read_requests(buf_str(&link->received), SIZE_MAX, arrived, &result);
    /* Heads are written in one piece, and good. */
    if (arrived->has_rest)
        CHECK(result == PARSE_MORE && (link->was_reset || link->is_deaf));
    CHECK(result != PARSE_BAD);
    arrived->has_rest = false;
    for (unsigned i = before; i < arrived->count; i++)
        CHECK(arrived->items[i].minor == 1);
}

static void judge_links(const struct ends *ends, const struct requests *asked)
{
    static struct requests arrived;

    bool may_repeat = false;

    for (unsigned i = 0; i < ends->link_count; i++) {
        judge_link(&ends->links[i], &arrived);
        may_repeat |= was_never_seen(&ends->links[i]);
    }
    for (unsigned i = 0; i < arrived.count; i++) {
        const struct request *request = &arrived.items[i];
        CHECK(is_asked(request, asked));
        if (!may_repeat && !method_is_safe(request->method))
            CHECK(count_same(&arrived, request) <= count_same(asked, request));
    }
    free_requests(&arrived);
}

unsigned judge_count_requests(const struct end *link)
{
    static struct requests arrived;
    enum parse_result result;
    unsigned count = 0;

    read_requests(buf_str(&link->received), SIZE_MAX, &arrived, &result);
    for (unsigned i = 0; i < arrived.count; i++)
        count += arrived.items[i].is_complete ? 1 : 0;
    free_requests(&arrived);
    return count;
}

/* ---- clients ---- */

/* One answer, final or not, at the front of `data`. */
struct answer {
    size_t len;
    unsigned status;
    enum body_kind body;
    bool is_complete;
    bool is_last;       /* says that the connection ends */
    struct buf payload; /* owned */
};

static bool read_answer(struct str data, bool head_request, struct answer *answer)
{
    struct message *message = message_for_reading();
    struct parser parser;
    size_t searched = 0;
    size_t len = parser_find_head(data, &searched);
    enum parse_result result = PARSE_DONE;

    parser_init(&parser, PARSER_RESPONSE);
    buf_clear(&answer->payload);
    if (len == 0 ||
        parser_head(&parser, str_from(data.data, len), message, head_request) != PARSE_DONE)
        return false;
    answer->len = len;
    answer->status = message->status;
    answer->body = message->body;
    answer->is_last = !message->keep_alive;
    if (message->body != BODY_NONE)
        answer->len +=
            read_body(&parser, str_slice(data, len, data.len), SIZE_MAX, &answer->payload, &result);
    answer->is_complete = result == PARSE_DONE || message->body == BODY_UNTIL_EOF;
    return result != PARSE_BAD;
}

static bool is_head(const struct requests *requests, unsigned index)
{
    return index < requests->count && str_eq(requests->items[index].method, STR("HEAD"));
}

/* Whether the server has sent just this as a whole answer. */
static bool has_answered(const struct end *link, struct str payload)
{
    static struct requests arrived;
    struct str data = buf_str(&link->sent);
    struct answer answer = {.status = 0};
    enum parse_result result;
    unsigned count = 0;
    bool is_found = false;

    read_requests(buf_str(&link->received), SIZE_MAX, &arrived, &result);
    while (!is_found && data.len > 0 && read_answer(data, is_head(&arrived, count), &answer)) {
        is_found = answer.is_complete && str_eq(buf_str(&answer.payload), payload) &&
                   (answer.body != BODY_UNTIL_EOF || link->has_shut);
        data = str_slice(data, answer.len, data.len);
        count += answer.status >= 200 ? 1 : 0;
    }
    buf_deinit(&answer.payload);
    free_requests(&arrived);
    return is_found;
}

/* An answer that only the connection's end delimits looks whole whenever that is not a RST. */
static void expect_whole(const struct ends *ends, struct str payload)
{
    bool is_found = false;

    for (unsigned i = 0; i < ends->link_count && !is_found; i++)
        is_found = has_answered(&ends->links[i], payload);
    CHECK(is_found);
}

static unsigned count_complete(const struct requests *requests)
{
    unsigned count = 0;

    for (unsigned i = 0; i < requests->count; i++)
        count += requests->items[i].is_complete ? 1 : 0;
    return count;
}

static void judge_client(const struct ends *ends, const struct end *client,
                         const struct requests *asked)
{
    struct str data = buf_str(&client->received);
    struct answer answer = {.is_complete = true};
    unsigned count = 0;

    while (data.len > 0 && answer.status != 101) {
        const struct request *request = count < asked->count ? &asked->items[count] : NULL;
        CHECK(answer.is_complete && (answer.status < 200 || !answer.is_last));
        if (!read_answer(data, is_head(asked, count), &answer)) {
            CHECK(client->was_reset);
            break;
        }
        /* One answer for each request, and one more for what is none; or there is no room. */
        CHECK(request != NULL || (asked->has_rest && count == asked->count) ||
              (client->is_turned_away && count == 0 && answer.status == 503));
        data = str_slice(data, answer.len, data.len);
        CHECK(answer.status >= 200 || (request != NULL && request->minor == 1));
        CHECK(answer.status != 101 || request->wants_upgrade);
        count += answer.status >= 200 ? 1 : 0;
    }
    if (answer.body == BODY_UNTIL_EOF && !client->was_reset)
        expect_whole(ends, buf_str(&answer.payload));
    /* Nothing is lost without a word; who asks when he has been told of the end asks nobody. */
    bool is_late = client->has_ended && buf_len(&client->sent) > client->sent_until;
    if (count < count_complete(asked) && answer.status != 101 && !client->was_reset && !is_late)
        CHECK(count > 0 && (answer.is_last || !answer.is_complete));
    buf_deinit(&answer.payload);
}

void judge(const struct ends *ends)
{
    static struct requests asked, own;

    for (unsigned i = 0; i < ends->client_count; i++) {
        const struct end *client = &ends->clients[i];
        read_client(client, &own);
        judge_client(ends, client, &own);
        free_requests(&own);
        read_client(client, &asked);
    }
    judge_links(ends, &asked);
    free_requests(&asked);
}
