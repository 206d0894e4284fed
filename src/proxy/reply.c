/* reply.c - the answers that the proxy gives in its own name. */
#include "proxy/reply.h"

#include "base/json.h"
#include "http/forward.h"
#include "http/writer.h"
#include "proxy/account.h"

static void write_body(struct buf *out, const char *code, const char *text, const char *detail)
{
    struct json json;

    json_init(&json, out);
    json_object_begin(&json, NULL);
    json_object_begin(&json, "error");
    json_text(&json, "code", code);
    json_text(&json, "message", text);
    if (detail != NULL)
        json_text(&json, "detail", detail);
    json_object_end(&json);
    json_object_end(&json);
    buf_append_char(out, '\n');
}

/* When it is worth coming back: when whoever froze the writes has said, or when a server that is well
 * again is up after so many checks. */
static struct str retry_after(const struct exchange *exchange, enum outcome outcome,
                              struct buf *text)
{
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    const struct health_policy *health =
        &snapshot->config->backends[exchange->decision.home].health;
    uint64_t seconds = health->interval_ms * health->healthy_threshold / 1000 + 1;

    if (outcome == OUTCOME_FROZEN)
        seconds = snapshot->policy.freeze.retry_after_s;
    buf_printf(text, "%llu", (unsigned long long)seconds);
    return buf_str(text);
}

/* What an answer of ours holds besides what all of them do. */
struct own_answer {
    struct str type, content;
    struct str location; /* empty: none */
};

static void reply(struct exchange *exchange, enum outcome outcome, const struct own_answer *own)
{
    const struct outcome_row *row = outcome_row(outcome);
    struct conn *conn = exchange->conn;
    struct worker *worker = conn->worker;
    struct buf after = BUF_EMPTY;
    struct writer_field fields[5];
    struct str cookie = exchange_set_cookie(exchange);
    unsigned count = 0;
    bool head_only = exchange->is_parsed && str_eq(exchange->request.method, STR("HEAD"));
    struct str id = str_from(exchange->request_id, REQUEST_ID_BYTES);

    exchange->keep_alive = exchange_may_keep_client(exchange);
    if (exchange->is_parsed)
        id = forward_request_id(&exchange->request, id);
    fields[count++] = (struct writer_field){"X-Cutover-Outcome", str_of(row->token)};
    fields[count++] = (struct writer_field){"X-Request-ID", id};
    if (row->status == 503)
        fields[count++] =
            (struct writer_field){"Retry-After", retry_after(exchange, outcome, &after)};
    if (!str_is_empty(cookie))
        fields[count++] = (struct writer_field){"Set-Cookie", cookie};
    if (!str_is_empty(own->location))
        fields[count++] = (struct writer_field){"Location", own->location};
    exchange->status = row->status;
    /* No server was tried, or the last try was given up: this is what became of it. */
    if (exchange->is_decided &&
        (exchange->attempts == 0 || exchange->attempts < exchange->attempts_counted))
        account_refusal(exchange, outcome);

    buf_clear(&worker->head);
    writer_answer(row->status, fields, count, own->type, own->content, exchange->keep_alive,
                  head_only, &worker->head);
    struct str answer = buf_str(&worker->head);
    struct iovec iov = {.iov_base = (char *)answer.data, .iov_len = answer.len};
    bool failed = stream_write(&conn->stream, &iov, 1) != 0;
    exchange->sent_bytes += head_only ? 0 : own->content.len;
    buf_deinit(&after);
    exchange_finish(exchange, outcome, failed);
}

static void reply_json(struct exchange *exchange, enum outcome outcome, const char *detail,
                       struct str location)
{
    const struct outcome_row *row = outcome_row(outcome);
    struct buf body = BUF_EMPTY;

    write_body(&body, row->token, row->text, detail);
    struct own_answer own = {STR("application/json"), buf_str(&body), location};
    reply(exchange, outcome, &own);
    buf_deinit(&body);
}

void reply_outcome(struct exchange *exchange, enum outcome outcome, const char *detail)
{
    reply_json(exchange, outcome, detail, STR(""));
}

void reply_redirect(struct exchange *exchange, struct str location)
{
    reply_json(exchange, OUTCOME_REDIRECTED, NULL, location);
}

void reply_content(struct exchange *exchange, enum outcome outcome, struct str type,
                   struct str content)
{
    struct own_answer own = {type, content, STR("")};

    reply(exchange, outcome, &own);
}

void reply_overloaded(struct buf *out)
{
    const struct outcome_row *row = outcome_row(OUTCOME_OVERLOADED);
    struct writer_field fields[] = {{"X-Cutover-Outcome", str_of(row->token)},
                                    {"Retry-After", STR("1")}};
    struct buf body = BUF_EMPTY;

    write_body(&body, row->token, row->text, NULL);
    writer_answer(row->status, fields, 2, STR("application/json"), buf_str(&body), false, false,
                  out);
    buf_deinit(&body);
}
