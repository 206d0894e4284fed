/*
 * admin_request.c - from the bytes in `in` to an answer in `out`:
 *
 *     head whole? -> parser -> gate -> body whole? -> api_answer -> admin_conn_write
 *                      |        |         |              `-> admin_stream_start
 *                      `- 4xx   `- 401/403 after a wait   `- 413, 400
 */
#include "control/admin_request.h"

#include "base/log.h"
#include "control/admin_stream.h"
#include "control/answer.h"
#include "control/api.h"
#include "control/gate.h"

#define REFUSED_WAIT_MS 250 /* guessing tokens is slow */

static void format_answer(struct admin_conn *conn, const struct admin_answer *answer)
{
    bool head_only = str_eq(conn->message.method, STR("HEAD"));
    answer_format(answer, conn->keep_alive, head_only, &conn->out);
}

/* A refusal that is made here, into `out`. */
static void format_refusal(struct admin_conn *conn, unsigned status, const char *code,
                           const char *text)
{
    struct admin_answer answer = {.status = status};
    answer_refuse(&answer, status, code, text);
    format_answer(conn, &answer);
    buf_deinit(&answer.body);
}

void admin_request_refuse(struct admin_conn *conn, unsigned status, const char *code,
                          const char *text)
{
    conn->keep_alive = false;
    format_refusal(conn, status, code, text);
    admin_conn_write(conn);
}

static void refuse_head(struct admin_conn *conn)
{
    enum strict_fault fault = conn->parser.fault;
    unsigned status = fault == STRICT_FIELDS ? 431 : fault == STRICT_METHOD ? 501 : 400;
    admin_request_refuse(conn, status, status == 431 ? "head_too_large" : "bad_request",
                         strict_fault_text(fault));
}

static void refuse_at_gate(struct admin_conn *conn, enum gate_verdict verdict)
{
    bool is_token = verdict == GATE_NO_TOKEN || verdict == GATE_WRONG_TOKEN;
    enum control_result result = is_token ? CONTROL_UNAUTHORIZED : CONTROL_FORBIDDEN;
    log_event(LOG_WARN, "admin call refused", LOG_TEXT("peer", conn->peer),
              LOG_STR("method", conn->message.method),
              LOG_STR("path", str_slice(conn->message.path, 0, 256)),
              LOG_TEXT("reason", gate_text(verdict)));
    /* Who is not let in may call himself what he likes: his address counts. */
    if (!str_eq(conn->message.method, STR("GET")) && !str_eq(conn->message.method, STR("HEAD"))) {
        api_note_refusal(conn->admin->controller, str_of(conn->peer), &conn->message,
                         control_result_code(result), gate_text(verdict));
    }
    conn->keep_alive = conn->keep_alive && conn->message.body == BODY_NONE;
    format_refusal(conn, control_result_status(result), control_result_code(result),
                   gate_text(verdict));
    conn->state = ADMIN_WAIT;
    stream_pause(&conn->stream);
    admin_conn_arm(conn, REFUSED_WAIT_MS);
}

static void answer_request(struct admin_conn *conn)
{
    struct admin *admin = conn->admin;
    struct admin_request request = {.message = &conn->message,
                                    .body = buf_str(&conn->body),
                                    .peer = str_of(conn->peer),
                                    .rates = &admin->rates,
                                    .history = &admin->history};
    struct admin_answer answer = {.status = 500};
    api_answer(admin->controller, &request, &answer);
    conn->keep_alive = conn->keep_alive && !admin->is_stopping;
    bool follows = answer.stream_events || answer.stream_status;
    bool streams = follows && !str_eq(conn->message.method, STR("HEAD"));
    if (streams && admin->stream_count >= ADMIN_STREAMS_MAX) {
        format_refusal(conn, 503, control_result_code(CONTROL_BUSY),
                       "too many connections follow the events or the status");
        admin_conn_write(conn);
    } else if (streams) {
        admin_stream_start(conn, &answer);
    } else {
        format_answer(conn, &answer);
        admin_conn_write(conn);
    }
    buf_deinit(&answer.body);
}

/* The head is whole and well-formed: may it go on, and is there a body to wait for? */
static void head_done(struct admin_conn *conn)
{
    const struct message *message = &conn->message;
    conn->keep_alive = message->keep_alive;
    enum gate_verdict verdict =
        gate_check(&conn->admin->controller->config->admin, &conn->admin->bound, message);
    if (verdict != GATE_OPEN) {
        refuse_at_gate(conn, verdict);
        return;
    }
    if (message->body == BODY_LENGTH && message->content_length > ADMIN_BODY_MAX_BYTES) {
        admin_request_refuse(conn, 413, control_result_code(CONTROL_TOO_LARGE),
                             "the body is too large");
        return;
    }
    if (message->body == BODY_NONE) {
        answer_request(conn);
        return;
    }
    if (message->expects_continue && buf_len(&conn->in) == 0) {
        buf_append_str(&conn->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
        if (admin_conn_send(conn) < 0) {
            admin_conn_close(conn);
            return;
        }
    }
    conn->state = ADMIN_READ_BODY;
    admin_request_run(conn);
}

static void step_head(struct admin_conn *conn)
{
    size_t len = parser_find_head(buf_str(&conn->in), &conn->searched);
    if (len > ADMIN_HEAD_MAX_BYTES || (len == 0 && buf_len(&conn->in) > ADMIN_HEAD_MAX_BYTES)) {
        admin_request_refuse(conn, 431, "head_too_large", "the request head is too large");
        return;
    }
    if (len == 0)
        return;
    buf_append_str(&conn->head, str_slice(buf_str(&conn->in), 0, len));
    buf_consume(&conn->in, len);
    parser_reset(&conn->parser);
    if (parser_head(&conn->parser, buf_str(&conn->head), &conn->message, false) != PARSE_DONE) {
        refuse_head(conn);
        return;
    }
    head_done(conn);
}

static void step_body(struct admin_conn *conn)
{
    struct slices slices;
    enum parse_result result = PARSE_MORE;
    while (result == PARSE_MORE && buf_len(&conn->in) > 0) {
        size_t used = 0;
        result = parser_body(&conn->parser, buf_str(&conn->in), &used, &slices);
        for (unsigned i = 0; i < slices.count && result != PARSE_BAD; i++)
            buf_append_str(&conn->body, slices.item[i]);
        buf_consume(&conn->in, used);
        if (buf_len(&conn->body) > ADMIN_BODY_MAX_BYTES) {
            admin_request_refuse(conn, 413, control_result_code(CONTROL_TOO_LARGE),
                                 "the body is too large");
            return;
        }
    }
    if (result == PARSE_BAD)
        admin_request_refuse(conn, 400, "bad_request", "the framing of the body is broken");
    else if (result == PARSE_DONE)
        answer_request(conn);
}

void admin_request_run(struct admin_conn *conn)
{
    if (conn->state == ADMIN_READ_HEAD && buf_len(&conn->in) > 0)
        step_head(conn);
    else if (conn->state == ADMIN_READ_BODY)
        step_body(conn);
}
