/*
 * call.c - from connecting to closing:
 *
 *     CONNECT -> [SHAKE ->] ANSWER (write a request, read its answer; perhaps once more) -> OVER
 *                              |                                                             ^
 *                              +-> WATCH: read until the other end closes, or time is over --+
 *
 * One timer is the deadline of the phase. A write that fails is no end: what the server had to say
 * about it (a 413, mostly) may still be there to be read, and if not the read tells.
 */
#include "doctor/call.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/values.h"

/* What nobody sends as a page: a stream without end. */
#define BODY_MAX ((uint64_t)64 * 1024 * 1024)

static struct call *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct call, stream);
}

static uint64_t phase_ms(const struct call *call)
{
    return (clock_mono_ns() - call->phase_ns) / 1000000;
}

/* ---- the end ---- */

static void on_handle_closed(struct call *call)
{
    if (--call->open_handles > 0)
        return;
    call->is_over = true;
    if (call->order.is_patient)
        call->caller->patient--;
    else
        call->caller->awaited--;
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(handle->data);
}

static void on_close(struct stream *stream)
{
    on_handle_closed(of_stream(stream));
}

static void finish(struct call *call)
{
    if (call->phase == PHASE_OVER)
        return;
    call->phase = PHASE_OVER;
    stream_close(&call->stream);
    uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void fail(struct call *call, enum call_fault fault, int status, const char *trouble)
{
    call->fault = fault;
    call->status = status;
    snprintf(call->trouble, sizeof(call->trouble), "%s", trouble);
    finish(call);
}

static void fail_within(struct call *call, enum call_fault fault, const char *what, uint64_t ms)
{
    char text[VALUE_TEXT_BYTES];
    char trouble[CALL_TROUBLE_BYTES];

    value_duration_text(ms, text);
    snprintf(trouble, sizeof(trouble), "%s within %s", what, text);
    fail(call, fault, UV_ETIMEDOUT, trouble);
}

/* ---- phases ---- */

static void on_timer(uv_timer_t *timer);

static void enter(struct call *call, enum call_phase phase, uint64_t most_ms)
{
    call->phase = phase;
    call->phase_ns = clock_mono_ns();
    uv_update_time(&call->caller->loop);
    uv_timer_start(&call->timer, on_timer, most_ms, 0);
}

static void time_for_answer_is_over(struct call *call)
{
    const struct answer *answer = &call->answers[call->answered];
    uint64_t most_ms = call->order.answer_ms;

    if (answer_has_head(answer))
        fail_within(call, CALL_UNFINISHED, "the answer was not complete", most_ms);
    else if (call->body_left > 0)
        fail_within(call, CALL_SILENT, "the server stopped taking the body: nothing", most_ms);
    else
        fail_within(call, CALL_SILENT, "no answer", most_ms);
}

static void on_timer(uv_timer_t *timer)
{
    struct call *call = timer->data;

    switch (call->phase) {
    case PHASE_CONNECT:
        fail_within(call, CALL_CONNECT, "no connection", call->order.connect_ms);
        break;
    case PHASE_SHAKE:
        fail_within(call, CALL_TLS, "no TLS", call->order.tls_ms);
        break;
    case PHASE_ANSWER:
        time_for_answer_is_over(call);
        break;
    case PHASE_WATCH:
        call->lived_ms = phase_ms(call);
        finish(call);
        break;
    case PHASE_OVER:
        break;
    }
}

/* ---- a request ---- */

static int write_bytes(struct call *call, struct str bytes)
{
    struct iovec iov = {.iov_base = (char *)bytes.data, .iov_len = bytes.len};

    return stream_write(&call->stream, &iov, 1);
}

static void send_body(struct call *call)
{
    static const char ZEROS[16 * 1024];

    while (call->body_left > 0 && !stream_is_congested(&call->stream)) {
        size_t size = call->body_left < sizeof(ZEROS) ? (size_t)call->body_left : sizeof(ZEROS);
        if (write_bytes(call, str_from(ZEROS, size)) != 0)
            return;
        call->body_left -= size;
    }
}

static void send_request(struct call *call)
{
    enter(call, PHASE_ANSWER, call->order.answer_ms);
    if (write_bytes(call, buf_str(&call->requests[call->answered])) == 0)
        send_body(call);
}

static void on_drain(struct stream *stream)
{
    struct call *call = of_stream(stream);

    if (call->phase != PHASE_ANSWER || call->body_left == 0)
        return;
    /* Progress: the server has as long again. */
    enter(call, PHASE_ANSWER, call->order.answer_ms);
    send_body(call);
}

static void on_error(struct stream *stream, int status)
{
    (void)stream;
    (void)status;
}

/* ---- watching ---- */

static void watch_ended(struct call *call)
{
    call->lived_ms = phase_ms(call);
    call->has_ended = true;
    finish(call);
}

static void send_frame(struct call *call, enum frame_kind kind, struct str payload)
{
    struct buf out = BUF_EMPTY;

    frame_write(&out, kind, payload);
    (void)write_bytes(call, buf_str(&out));
    buf_deinit(&out);
}

/* Engine.IO has pings of its own inside of messages: "2", to be answered "3", after an opening
 * message 0{...}. Who does not answer is thrown out, however well the connection is. */
static void take_text(struct call *call, struct str text)
{
    if (str_starts_with(text, STR("0{\"sid\"")))
        call->is_engine_io = true;
    if (!call->is_engine_io || !str_eq(text, STR("2")))
        return;
    call->pings++;
    send_frame(call, FRAME_TEXT, STR("3"));
}

static void take_frame(struct call *call, const struct frame *frame)
{
    struct str payload = str_from(frame->payload, frame->len);

    switch (frame->kind) {
    case FRAME_PING:
        call->pings++;
        send_frame(call, FRAME_PONG, payload);
        break;
    case FRAME_CLOSE:
        call->close_code = frame_close_code(frame);
        send_frame(call, FRAME_CLOSE, str_slice(payload, 0, 2));
        watch_ended(call);
        break;
    case FRAME_TEXT:
        take_text(call, payload);
        break;
    default:
        break;
    }
}

static void watch_data(struct call *call, struct str data)
{
    struct frame frame;

    /* HTTP: nothing was asked. A server that says 408 here is about to close. */
    if (call->answers[0].message.status != 101) {
        watch_ended(call);
        return;
    }
    /* Answering a ping is a call on the link, after which its bytes are gone. */
    struct buf copy = BUF_EMPTY;
    buf_append_str(&copy, data);
    data = buf_str(&copy);
    while (call->phase == PHASE_WATCH && frame_read(&call->frames, &data, &frame))
        take_frame(call, &frame);
    buf_deinit(&copy);
}

/* ---- answers ---- */

/* `rest` came behind the last answer. */
static void answer_is_complete(struct call *call, struct str rest)
{
    const struct message *message = &call->answers[call->answered].message;
    bool goes_on = message->keep_alive || message->status == 101;

    call->answer_ms[call->answered] = phase_ms(call);
    call->answered++;
    if (goes_on && call->answered < call->order.request_count) {
        send_request(call);
    } else if (goes_on && call->order.watch_ms > 0 && call->body_left == 0) {
        call->was_watched = true;
        enter(call, PHASE_WATCH, call->order.watch_ms);
        if (rest.len > 0)
            watch_data(call, rest);
    } else {
        finish(call);
    }
}

static bool is_endless(const struct answer *answer)
{
    return answer_has_head(answer) && answer->state == ANSWER_BODY &&
           (answer->body_bytes > BODY_MAX ||
            str_eq_nocase(answer_type(answer), STR("text/event-stream")));
}

static void take_answer(struct call *call, struct str data)
{
    struct answer *answer = &call->answers[call->answered];
    char trouble[CALL_TROUBLE_BYTES];

    if (answer->state == ANSWER_HEAD && buf_len(&answer->head) == 0)
        call->first_byte_ms[call->answered] = phase_ms(call);
    bool had_head = answer_has_head(answer);
    size_t taken = answer_feed(answer, data);
    if (!had_head && answer_has_head(answer) && call->answered == 0)
        call->answered_at_ms = clock_wall_ms();
    if (answer->state == ANSWER_DONE) {
        answer_is_complete(call, str_slice(data, taken, data.len));
    } else if (answer->state == ANSWER_BAD) {
        snprintf(trouble, sizeof(trouble), "the answer is malformed: %s", answer->trouble);
        fail(call, CALL_MALFORMED, 0, trouble);
    } else if (is_endless(answer)) {
        finish(call);
    }
}

static void answer_ended(struct call *call, int status)
{
    struct answer *answer = &call->answers[call->answered];
    char trouble[CALL_TROUBLE_BYTES];
    const char *how = status == 0 || status == UV_EPROTO ? "closed" : "reset";

    if (status == 0)
        answer_end(answer);
    if (answer->state == ANSWER_DONE) {
        call->answer_ms[call->answered++] = phase_ms(call);
        finish(call);
        return;
    }
    bool has_head = answer_has_head(answer);
    snprintf(trouble, sizeof(trouble), "the connection was %s %s", how,
             has_head                     ? "within the body of the answer"
             : buf_len(&answer->head) > 0 ? "within the head of the answer"
                                          : "without an answer");
    fail(call, has_head ? CALL_UNFINISHED : CALL_CLOSED, status, trouble);
}

static void on_read(struct stream *stream, struct str data, int status)
{
    struct call *call = of_stream(stream);

    if (call->phase == PHASE_ANSWER && data.len > 0)
        take_answer(call, data);
    else if (call->phase == PHASE_ANSWER)
        answer_ended(call, status);
    else if (call->phase == PHASE_WATCH && data.len > 0)
        watch_data(call, data);
    else if (call->phase == PHASE_WATCH)
        watch_ended(call);
}

/* ---- connecting ---- */

static void on_tcp(struct stream *stream)
{
    struct call *call = of_stream(stream);

    call->has_connected = true;
    call->connect_ms = phase_ms(call);
    enter(call, PHASE_SHAKE, call->order.tls_ms);
}

static void connect_failed(struct call *call, int status)
{
    const char *error = stream_tls_error(&call->stream);

    if (status != UV_EPROTO) {
        bool is_tcp = call->phase == PHASE_CONNECT;
        fail(call, is_tcp ? CALL_CONNECT : CALL_TLS, status, uv_strerror(status));
    } else if (stream_tls_fault(&call->stream) == TLS_UNTRUSTED) {
        fail(call, CALL_UNTRUSTED, status, error);
    } else {
        fail(call, CALL_TLS, status, error);
    }
}

static void on_connect(struct stream *stream, int status)
{
    struct call *call = of_stream(stream);

    if (status != 0) {
        connect_failed(call, status);
        return;
    }
    call->has_connected = true;
    if (call->phase == PHASE_SHAKE) {
        call->tls_ms = phase_ms(call);
        call->has_tls = true;
        stream_tls_inspect(stream, &call->tls);
    } else {
        call->connect_ms = phase_ms(call);
    }
    if (call->order.request_count == 0) {
        finish(call);
        return;
    }
    stream_start(stream);
    send_request(call);
}

static const struct stream_ops OPS = {
    .on_connect = on_connect,
    .on_tcp = on_tcp,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

/* ---- life ---- */

struct call *call_start(struct caller *caller, const struct call_order *order)
{
    struct call *call = mem_zalloc(1, sizeof(*call));

    CHECK(order->request_count <= CALL_ANSWERS_MAX);
    call->order = *order;
    call->caller = caller;
    call->body_left = order->body_bytes;
    for (unsigned i = 0; i < CALL_ANSWERS_MAX; i++) {
        answer_init(&call->answers[i]);
        buf_append_str(&call->requests[i], order->requests[i]);
    }
    if (order->is_patient)
        caller->patient++;
    else
        caller->awaited++;
    CHECK(uv_timer_init(&caller->loop, &call->timer) == 0);
    call->timer.data = call;
    CHECK(stream_init(&call->stream, &caller->loop, &OPS) == 0);
    call->open_handles = 2;
    if (order->trust != NULL)
        stream_use_tls(&call->stream, order->trust, order->name, NULL);
    enter(call, PHASE_CONNECT, order->connect_ms);
    int status = stream_connect(&call->stream, &order->addr);
    if (status != 0)
        fail(call, CALL_CONNECT, status, uv_strerror(status));
    return call;
}

void call_free(struct call *call)
{
    if (call == NULL)
        return;
    CHECK(call->is_over);
    for (unsigned i = 0; i < CALL_ANSWERS_MAX; i++) {
        answer_deinit(&call->answers[i]);
        buf_deinit(&call->requests[i]);
    }
    mem_free(call);
}
