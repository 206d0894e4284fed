/*
 * plan_calls.c - POST /v1/plan/VERB and POST /v1/freeze: body -> steps.h -> status.
 */
#include "control/plan_calls.h"

#include "control/api.h"
#include "control/change.h"
#include "control/fields.h"
#include "control/steps.h"

#define RETRY_AFTER_S_DEFAULT 30

void plan_call_step(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer)
{
    static const char *const names[] = {"step", "route", "reason", "force"};
    struct str path = request->message->path;
    struct control_request control;
    enum step_verb verb = STEP_START;
    if (!change_read_head(request, &control, answer))
        return;
    if (!step_verb_parse(str_slice(path, strlen("/v1/plan/"), path.len), &verb)) {
        api_refuse(answer, CONTROL_NOT_FOUND, "there is no such path here");
        return;
    }
    unsigned step = STEP_ANY;
    struct str route = STR("");
    bool force = false;
    struct error error;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    fields_unsigned(&fields, "step", 0, PLAN_STEPS_MAX, &step);
    fields_text(&fields, "route", FIELDS_ROUTE_MAX_BYTES, &route);
    fields_text(&fields, "reason", FIELDS_REASON_MAX_BYTES, &control.reason);
    fields_bool(&fields, "force", &force);
    if (fields.code != NULL) {
        api_refuse_fields(answer, &fields);
    } else {
        enum control_result result =
            order_plan(controller, &control, verb, route, step, force, &error);
        change_answer(controller, request, result, &error, STR(""), answer);
    }
    fields_deinit(&fields);
}

void plan_call_freeze(struct controller *controller, const struct admin_request *request,
                      struct admin_answer *answer)
{
    static const char *const names[] = {"on", "routes", "retry_after_s", "reason"};
    struct freeze_request freeze = {.retry_after_s = RETRY_AFTER_S_DEFAULT};
    struct control_request control;
    if (!change_read_head(request, &control, answer))
        return;
    struct error error;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    fields_require(&fields, "on");
    fields_bool(&fields, "on", &freeze.on);
    fields_texts(&fields, "routes", FIELDS_ROUTE_MAX_BYTES, freeze.routes, ARRAY_LEN(freeze.routes),
                 &freeze.route_count);
    fields_unsigned(&fields, "retry_after_s", 1, FREEZE_RETRY_MAX_S, &freeze.retry_after_s);
    fields_text(&fields, "reason", FIELDS_REASON_MAX_BYTES, &control.reason);
    if (fields.code != NULL) {
        api_refuse_fields(answer, &fields);
    } else {
        enum control_result result = order_freeze(controller, &control, &freeze, &error);
        change_answer(controller, request, result, &error, STR(""), answer);
    }
    fields_deinit(&fields);
}
