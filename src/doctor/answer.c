/*
 * answer.c - the proxy's own parser, fed from one buffer until the head is there.
 *
 *     bytes -> head (grows) -> parser_head -> message; what stands behind it -> parser_body
 *     bytes -----------------------------------------------------------------> parser_body
 */
#include "doctor/answer.h"

#include <time.h>

void answer_init(struct answer *answer)
{
    *answer = (struct answer){.state = ANSWER_HEAD};
    parser_init(&answer->parser, PARSER_RESPONSE);
    message_init(&answer->message, ANSWER_FIELDS);
}

void answer_deinit(struct answer *answer)
{
    message_deinit(&answer->message);
    buf_deinit(&answer->head);
}

static void spoil(struct answer *answer, const char *trouble)
{
    answer->state = ANSWER_BAD;
    answer->trouble = trouble;
}

static size_t feed_body(struct answer *answer, struct str data)
{
    size_t taken = 0;

    while (answer->state == ANSWER_BODY && taken < data.len) {
        struct slices slices;
        size_t used;
        enum parse_result result =
            parser_body(&answer->parser, str_slice(data, taken, data.len), &used, &slices);

        taken += used;
        answer->body_bytes += slices.bytes;
        if (result == PARSE_DONE)
            answer->state = ANSWER_DONE;
        else if (result == PARSE_BAD)
            spoil(answer, strict_fault_text(answer->parser.fault));
    }
    return taken;
}

/* One head from the front of what is held; false when there is none that is whole, or the last one
 * was final. */
static bool take_head(struct answer *answer)
{
    struct str held = buf_str(&answer->head);
    size_t len = parser_find_head(held, &answer->searched);

    if (len == 0) {
        if (held.len > ANSWER_HEAD_MAX)
            spoil(answer, "its head is too large");
        return false;
    }
    if (parser_head(&answer->parser, str_slice(held, 0, len), &answer->message, false) !=
        PARSE_DONE) {
        answer->message.status = 0;
        spoil(answer, strict_fault_text(answer->parser.fault));
        return false;
    }
    answer->head_bytes = len;
    if (answer->message.status >= 200 || answer->message.status == 101) {
        bool is_short = answer->message.body == BODY_NONE;
        answer->state = is_short ? ANSWER_DONE : ANSWER_BODY;
        return false;
    }
    answer->message.status = 0;
    parser_reset(&answer->parser);
    buf_consume(&answer->head, len);
    answer->searched = 0;
    return true;
}

size_t answer_feed(struct answer *answer, struct str data)
{
    if (answer->state == ANSWER_BODY)
        return feed_body(answer, data);
    if (answer->state != ANSWER_HEAD)
        return 0;
    buf_append_str(&answer->head, data);
    while (take_head(answer))
        continue;
    if (!answer_has_head(answer))
        return data.len;

    /* The bytes behind the head stay where they are, unseen: the message is in front of them. */
    struct str held = buf_str(&answer->head);
    struct str behind = str_slice(held, answer->head_bytes, held.len);
    return data.len - (behind.len - feed_body(answer, behind));
}

void answer_end(struct answer *answer)
{
    if (answer->state == ANSWER_BODY && parser_eof(&answer->parser) == PARSE_DONE)
        answer->state = ANSWER_DONE;
}

/* ---- what it says ---- */

struct str answer_field(const struct answer *answer, struct str name)
{
    const struct field *field =
        answer_has_head(answer) ? message_find_name(&answer->message, name) : NULL;

    return field == NULL ? STR("") : field->value;
}

struct str answer_type(const struct answer *answer)
{
    struct str rest = answer_field(answer, STR("Content-Type"));
    struct str type = STR("");

    return str_next_part(&rest, ';', &type) ? type : STR("");
}

uint64_t answer_keep_alive_s(const struct answer *answer)
{
    struct str rest = answer_field(answer, STR("Keep-Alive"));
    struct str part;
    uint64_t seconds;

    while (str_next_part(&rest, ',', &part))
        if (str_starts_with_nocase(part, STR("timeout=")) &&
            str_to_u64(str_slice(part, strlen("timeout="), part.len), &seconds) &&
            seconds < UINT32_MAX)
            return seconds;
    return 0;
}

int64_t answer_date_s(const struct answer *answer)
{
    struct str date = answer_field(answer, STR("Date"));
    struct str age = answer_field(answer, STR("Age"));
    struct tm parts = {.tm_sec = 0};
    uint64_t age_s;
    char text[32];

    if (date.len != strlen("Sun, 06 Nov 1994 08:49:37 GMT"))
        return 0;
    memcpy(text, date.data, date.len);
    text[date.len] = '\0';
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == NULL || *end != '\0')
        return 0;
    if (!str_to_u64(age, &age_s) || age_s > INT32_MAX)
        age_s = 0;
    return (int64_t)timegm(&parts) + (int64_t)age_s;
}
