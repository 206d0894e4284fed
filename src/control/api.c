/*
 * api.c - admin server -> api_answer -> the call's function -> controller.
 *
 * One table says which path knows which method and which query parameters. What is not in it is
 * refused here, also a misspelt parameter: ?dryrun=1 must not become a change.
 */
#include "control/api.h"

#include <inttypes.h>
#include <stdio.h>

#include "control/answer.h"
#include "control/change.h"
#include "control/compare_answer.h"
#include "control/dashboard.h"
#include "control/explain.h"
#include "control/fields.h"
#include "control/metrics.h"
#include "control/plan_calls.h"
#include "control/status.h"

#define EVENTS_LIMIT    100
#define ACTOR_MAX_BYTES 63

typedef void (*call_cb)(struct controller *controller, const struct admin_request *request,
                        struct admin_answer *answer);

struct call {
    struct str method;
    struct str path;
    const char *parameters; /* of the query, comma-separated */
    call_cb answer;
};

void api_refuse_fields(struct admin_answer *answer, const struct fields *fields)
{
    answer_refuse(answer, 400, fields->code, fields->error.text);
}

void api_refuse(struct admin_answer *answer, enum control_result result, const char *message)
{
    answer_refuse(answer, control_result_status(result), control_result_code(result), message);
}

void api_ok(const struct controller *controller, struct admin_answer *answer)
{
    int len = snprintf(answer->etag_text, sizeof(answer->etag_text), "\"%" PRIu64 "\"",
                       controller->generation);
    answer->etag = str_from(answer->etag_text, (size_t)len);
    answer->status = 200;
}

struct str api_actor(const struct admin_request *request)
{
    const struct field *field = message_find_name(request->message, STR("X-Actor"));
    if (field == NULL || str_is_empty(field->value) || field->value.len > ACTOR_MAX_BYTES)
        return request->peer;
    for (size_t i = 0; i < field->value.len; i++)
        if (field->value.data[i] < 0x20 || field->value.data[i] > 0x7e)
            return request->peer;
    return field->value;
}

bool api_query(const struct message *message, struct str name, struct str *value)
{
    struct str rest = message->query;
    struct str part;
    while (str_next_part(&rest, '&', &part)) {
        ptrdiff_t equals = str_find_char(part, '=', 0);
        size_t end = equals < 0 ? part.len : (size_t)equals;
        if (str_eq(str_slice(part, 0, end), name)) {
            *value = str_slice(part, equals < 0 ? end : end + 1, part.len);
            return true;
        }
    }
    return false;
}

/* The calls that only read */

/* A number from the query; false (and refused) when it is there and is none. */
static bool query_u64(const struct admin_request *request, const char *name, uint64_t *value,
                      struct admin_answer *answer)
{
    struct str text;
    if (!api_query(request->message, str_of(name), &text) || str_to_u64(text, value))
        return true;
    struct error error;
    error_set(&error, "%s: expected a whole number", name);
    api_refuse(answer, CONTROL_BAD_VALUE, error.text);
    return false;
}

static void answer_status(struct controller *controller, const struct admin_request *request,
                          struct admin_answer *answer)
{
    uint64_t follow = 0;
    struct json json;
    if (!query_u64(request, "follow", &follow, answer))
        return;
    if (follow != 0) {
        answer->status = 200;
        answer->content_type = "text/event-stream";
        answer->stream_status = true;
        return;
    }
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    status_write(controller, request->rates, STR(""), &json);
    json_object_end(&json);
    api_ok(controller, answer);
}

static void answer_metrics(struct controller *controller, const struct admin_request *request,
                           struct admin_answer *answer)
{
    (void)request;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(controller, &answer->body);
    answer->status = 200;
}

static void answer_history(struct controller *controller, const struct admin_request *request,
                           struct admin_answer *answer)
{
    (void)controller;
    uint64_t last = HISTORY_POINTS;
    struct json json;
    if (!query_u64(request, "last", &last, answer))
        return;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    history_write(request->history, last, &json);
    json_object_end(&json);
    answer->status = 200;
}

static void answer_alive(struct controller *controller, const struct admin_request *request,
                         struct admin_answer *answer)
{
    (void)controller;
    (void)request;
    buf_append_str(&answer->body, STR("{\"status\":\"alive\"}"));
    answer->status = 200;
}

static void answer_ready(struct controller *controller, const struct admin_request *request,
                         struct admin_answer *answer)
{
    (void)request;
    bool is_ready = controller_is_ready(controller);
    const char *text = is_ready               ? "ready"
                       : controller->draining ? "draining"
                                              : "no server has been found up yet";
    struct json json;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    json_text(&json, "status", text);
    json_object_end(&json);
    answer->status = is_ready ? 200 : 503;
}

static void answer_later(struct controller *controller, const struct admin_request *request,
                         struct admin_answer *answer)
{
    (void)controller;
    struct error error;
    error_set(&error, "%.*s comes with a later version of cutover",
              STR_ARG(str_slice(request->message->path, 0, 64)));
    api_refuse(answer, CONTROL_LATER, error.text);
}

static void write_events(const struct events *events, uint64_t first, struct buf *out)
{
    struct json json;
    json_init(&json, out);
    json_object_begin(&json, NULL);
    json_array_begin(&json, "events");
    for (uint64_t id = first; id < events->next_id; id++) {
        const struct event *event = events_get(events, id);
        if (event != NULL)
            event_write(event, &json, NULL);
    }
    json_array_end(&json);
    json_object_end(&json);
}

/* The first id to show: behind `after`, and at most `limit` of them, the newest. */
static uint64_t first_event(const struct events *events, uint64_t after, uint64_t limit)
{
    uint64_t newest = events->next_id - 1;
    uint64_t kept = newest < EVENTS_MAX ? newest : EVENTS_MAX;
    uint64_t shown = limit < kept ? limit : kept;
    uint64_t first = newest - shown + 1;
    if (after >= newest)
        return newest + 1;
    return after + 1 > first ? after + 1 : first;
}

static void answer_events(struct controller *controller, const struct admin_request *request,
                          struct admin_answer *answer)
{
    const struct events *events = &controller->events;
    struct str text;
    uint64_t follow = 0, after = 0, limit = EVENTS_LIMIT;
    bool has_after = api_query(request->message, STR("after"), &text);
    bool has_limit = api_query(request->message, STR("limit"), &text);
    if (!query_u64(request, "follow", &follow, answer) ||
        !query_u64(request, "after", &after, answer) ||
        !query_u64(request, "limit", &limit, answer))
        return;
    const struct field *last = message_find_name(request->message, STR("Last-Event-ID"));
    if (follow != 0 && last != NULL && str_to_u64(last->value, &after))
        has_after = true; /* a browser that connects again: it knows better than its old URL */
    if (follow == 0) {
        write_events(events, first_event(events, after, limit), &answer->body);
        answer->status = 200;
        return;
    }
    /* An id from before a restart lies ahead of ours: all that is kept is news then. */
    after = after >= events->next_id ? 0 : after;
    limit = has_limit ? limit : (has_after ? EVENTS_MAX : 0);
    answer->status = 200;
    answer->content_type = "text/event-stream";
    answer->stream_events = true;
    answer->stream_after = first_event(events, after, limit) - 1;
}

/* Dispatch */

static const struct call calls[] = {
    {STR_INIT("GET"), STR_INIT("/v1/status"), "follow", answer_status},
    {STR_INIT("PUT"), STR_INIT("/v1/weight"), "dry_run", change_weight},
    {STR_INIT("POST"), STR_INIT("/v1/rollback"), "", change_rollback},
    {STR_INIT("PATCH"), STR_INIT("/v1/backends/old"), "", change_backend},
    {STR_INIT("PATCH"), STR_INIT("/v1/backends/new"), "", change_backend},
    {STR_INIT("GET"), STR_INIT("/v1/events"), "follow,after,limit", answer_events},
    {STR_INIT("POST"), STR_INIT("/v1/explain"), "", explain_answer},
    {STR_INIT("POST"), STR_INIT("/v1/reload"), "", change_reload},
    {STR_INIT("GET"), STR_INIT("/metrics"), NULL, answer_metrics},
    {STR_INIT("GET"), STR_INIT("/healthz"), NULL, answer_alive},
    {STR_INIT("GET"), STR_INIT("/readyz"), NULL, answer_ready},
    {STR_INIT("POST"), STR_INIT("/v1/plan/start"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/plan/pause"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/plan/resume"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/plan/advance"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/plan/abort"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/plan/finish"), "", plan_call_step},
    {STR_INIT("POST"), STR_INIT("/v1/sockets/move"), NULL, answer_later},
    {STR_INIT("POST"), STR_INIT("/v1/freeze"), "", plan_call_freeze},
    {STR_INIT("GET"), STR_INIT("/v1/compare"), "window,route", compare_answer},
    {STR_INIT("GET"), STR_INIT("/v1/history"), "last", answer_history},
    {STR_INIT("GET"), STR_INIT("/"), NULL, dashboard_answer},
    {STR_INIT("GET"), STR_INIT("/dashboard.css"), NULL, dashboard_answer},
    {STR_INIT("GET"), STR_INIT("/dashboard.js"), NULL, dashboard_answer},
};

static bool method_matches(const struct call *call, struct str method)
{
    bool head_for_get = str_eq(method, STR("HEAD")) && str_eq(call->method, STR("GET"));
    return head_for_get || str_eq(call->method, method);
}

/* Letter by letter: a parameter that only nearly has the right name would be passed over. */
static bool knows_parameter(const struct call *call, struct str name)
{
    struct str rest = str_of(call->parameters);
    struct str known;
    while (str_next_part(&rest, ',', &known))
        if (str_eq(known, name))
            return true;
    return false;
}

/* Every parameter must be known to the call, and stand there once. */
static bool check_query(const struct call *call, const struct message *message,
                        struct admin_answer *answer)
{
    struct str rest = message->query;
    struct str part;
    struct error error;
    if (call->parameters == NULL)
        return true;
    while (str_next_part(&rest, '&', &part)) {
        ptrdiff_t equals = str_find_char(part, '=', 0);
        struct str name = str_slice(part, 0, equals < 0 ? part.len : (size_t)equals);
        struct str first;
        bool is_first = api_query(message, name, &first) &&
                        first.data == part.data + name.len + (equals < 0 ? 0 : 1);
        if (!str_is_empty(part) && (!knows_parameter(call, name) || !is_first)) {
            error_set(&error, "unknown or repeated query parameter \"%.*s\"",
                      STR_ARG(str_slice(name, 0, 64)));
            api_refuse(answer, CONTROL_UNKNOWN_FIELD, error.text);
            return false;
        }
    }
    return true;
}

static void refuse_method(const struct call *call, struct admin_answer *answer)
{
    bool is_get = str_eq(call->method, STR("GET"));
    snprintf(answer->allow, sizeof(answer->allow), "%.*s%s", STR_ARG(call->method),
             is_get ? ", HEAD" : "");
    struct error error;
    error_set(&error, "the path knows only %s", answer->allow);
    api_refuse(answer, CONTROL_METHOD_NOT_ALLOWED, error.text);
}

void api_note_refusal(struct controller *controller, struct str actor,
                      const struct message *message, const char *code, const char *text)
{
    struct event event = {.id = 0};
    snprintf(event.actor, sizeof(event.actor), "%.*s", STR_ARG(actor));
    snprintf(event.what, sizeof(event.what), "refused");
    snprintf(event.subject, sizeof(event.subject), "%.*s %.*s", STR_ARG(message->method),
             STR_ARG(str_slice(message->path, 0, sizeof(event.subject))));
    snprintf(event.reason, sizeof(event.reason), "%.*s", (int)sizeof(event.reason) - 1, text);
    snprintf(event.result, sizeof(event.result), "%s", code);
    events_add(&controller->events, event);
}

/* The controller notes its own refusals. Reading and explaining change nothing, and are not in it. */
static void run_call(const struct call *call, struct controller *controller,
                     const struct admin_request *request, struct admin_answer *answer)
{
    uint64_t heard_before = controller->events.heard;
    call->answer(controller, request, answer);
    bool changes = !str_eq(call->method, STR("GET")) && call->answer != explain_answer;
    if (changes && answer->code != NULL && controller->events.heard == heard_before)
        api_note_refusal(controller, api_actor(request), request->message, answer->code,
                         answer->refusal.text);
}

void api_answer(struct controller *controller, const struct admin_request *request,
                struct admin_answer *answer)
{
    const struct message *message = request->message;
    answer->content_type = "application/json";
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (!str_eq(calls[i].path, message->path))
            continue;
        if (!method_matches(&calls[i], message->method))
            refuse_method(&calls[i], answer);
        else if (check_query(&calls[i], message, answer))
            run_call(&calls[i], controller, request, answer);
        return;
    }
    api_refuse(answer, CONTROL_NOT_FOUND,
               str_starts_with(message->path, STR("/v1/backends/")) ? "the backends are old and new"
                                                                    : "there is no such path here");
}
