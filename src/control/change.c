/*
 * change.c - the calls that change something: body -> control_request -> controller -> status.
 *
 * All rules about what may be changed are the controller's; here is only what JSON and headers say.
 */
#include "control/change.h"

#include "control/api.h"
#include "control/fields.h"
#include "control/orders.h"
#include "control/record.h"
#include "control/status.h"
#include "control/warnings.h"

/* 7 or "7"; a generation is exact, so a weak tag is not one. */
static bool parse_etag(struct str text, uint64_t *generation)
{
    bool quoted = text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"';
    return str_to_u64(quoted ? str_slice(text, 1, text.len - 1) : text, generation);
}

bool change_read_head(const struct admin_request *request, struct control_request *control,
                      struct admin_answer *answer)
{
    *control = (struct control_request){.actor = api_actor(request), .reason = STR("")};
    const struct message *message = request->message;
    for (unsigned i = 0; i < message->count; i++) {
        const struct field *field = &message->fields[i];
        if (!str_eq_nocase(field->name, STR("If-Match")) || str_eq(field->value, STR("*")))
            continue;
        if (control->has_if_match || !parse_etag(field->value, &control->if_match)) {
            api_refuse(answer, CONTROL_BAD_VALUE,
                       "If-Match: expected one generation such as \"7\"");
            return false;
        }
        control->has_if_match = true;
    }
    return true;
}

static bool read_dry_run(const struct admin_request *request, bool *dry_run,
                         struct admin_answer *answer)
{
    struct str text = STR("0");
    api_query(request->message, STR("dry_run"), &text);
    *dry_run = str_eq(text, STR("1")) || str_eq(text, STR("true"));
    if (!*dry_run && !str_eq(text, STR("0")) && !str_eq(text, STR("false"))) {
        api_refuse(answer, CONTROL_BAD_VALUE, "dry_run: expected 1 or 0");
        return false;
    }
    return true;
}

void change_answer(const struct controller *controller, const struct admin_request *request,
                   enum control_result result, const struct error *error, struct str notes,
                   struct admin_answer *answer)
{
    struct json json;
    if (result != CONTROL_OK) {
        api_refuse(answer, result, error->text);
        return;
    }
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    status_write(controller, request->rates, notes, &json);
    json_object_end(&json);
    api_ok(controller, answer);
}

/* Weight */

/* The weight that decides for `route` (empty, or of no meaning: the main one) now. */
static unsigned weight_now(const struct controller *controller, struct str route)
{
    const struct policy *policy = &controller->snapshot->policy;
    int index = str_is_empty(route) ? -1 : route_find(policy->routes, policy->route_count, route);
    return index < 0 ? policy->weight : policy->route_weight[index];
}

static void write_moves(const struct sticky *sticky, unsigned from, unsigned to, struct json *json)
{
    unsigned moved = to > from ? to - from : from - to;
    const char *direction = to > from ? "to_new" : to < from ? "to_old" : "none";
    bool is_absolute = to == 0 || to == WEIGHT_MAX;
    bool keeps = to > from ? sticky->keep_on_raise : sticky->keep_on_lower;
    json_object_begin(json, "moves");
    json_u64(json, "buckets", moved);
    json_decimal(json, "share_percent", moved, 2);
    json_text(json, "direction", direction);
    json_bool(json, "placed_users_stay", moved != 0 && keeps && !is_absolute);
    json_object_end(json);
}

static void write_change(struct str route, unsigned from, unsigned to, struct json *json)
{
    json_str(json, "route", str_is_empty(route) ? STR(ROUTE_MAIN) : route);
    json_decimal(json, "from", from, 2);
    json_decimal(json, "to", to, 2);
}

static void answer_dry_run(const struct controller *controller, struct str route, unsigned from,
                           unsigned to, struct admin_answer *answer)
{
    struct json json;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    json_bool(&json, "dry_run", true);
    write_change(route, from, to, &json);
    write_moves(&controller->config->sticky, from, to, &json);
    json_array_begin(&json, "warnings");
    warnings_write_for(controller, to, &json);
    json_array_end(&json);
    json_object_end(&json);
    api_ok(controller, answer);
}

/* The status, and in "change" what this very call did: last_change may be somebody else's. */
static void answer_weight(const struct controller *controller, const struct admin_request *request,
                          struct str route, unsigned from, unsigned to, struct admin_answer *answer)
{
    struct json json;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    status_write(controller, request->rates, STR(""), &json);
    json_object_begin(&json, "change");
    write_change(route, from, to, &json);
    json_object_end(&json);
    json_object_end(&json);
    api_ok(controller, answer);
}

static void apply_weight(struct controller *controller, const struct admin_request *request,
                         struct control_request *control, struct fields *fields,
                         struct admin_answer *answer)
{
    unsigned weight = 0;
    struct str route = STR("");
    struct error error;
    fields_require(fields, "weight");
    fields_weight(fields, "weight", &weight);
    fields_text(fields, "route", FIELDS_ROUTE_MAX_BYTES, &route);
    fields_text(fields, "reason", FIELDS_REASON_MAX_BYTES, &control->reason);
    if (fields->code != NULL) {
        api_refuse_fields(answer, fields);
        return;
    }
    route = str_eq(route, STR(ROUTE_MAIN)) ? STR("") : route;
    unsigned from = weight_now(controller, route);
    enum control_result result = order_weight(controller, control, route, weight, &error);
    if (result != CONTROL_OK)
        api_refuse(answer, result, error.text);
    else if (control->dry_run)
        answer_dry_run(controller, route, from, weight, answer);
    else
        answer_weight(controller, request, route, from, weight, answer);
}

void change_weight(struct controller *controller, const struct admin_request *request,
                   struct admin_answer *answer)
{
    static const char *const names[] = {"weight", "route", "reason"};
    struct control_request control;
    if (!change_read_head(request, &control, answer) ||
        !read_dry_run(request, &control.dry_run, answer))
        return;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    apply_weight(controller, request, &control, &fields, answer);
    fields_deinit(&fields);
}

/* Rollback */

/* Names of the pinned routes: all, or those pinned to new alone. */
static void write_pins(const struct config *config, const char *name, bool to_new_only,
                       struct json *json)
{
    json_array_begin(json, name);
    for (unsigned i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        if (route->kind == ROUTE_PINNED && (!to_new_only || route->pin == SIDE_NEW))
            json_str(json, NULL, route->name);
    }
    json_array_end(json);
}

static void answer_rollback(const struct controller *controller,
                            const struct admin_request *request, unsigned to, bool durable,
                            struct admin_answer *answer)
{
    struct json json;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    status_write(controller, request->rates, STR(""), &json);
    json_object_begin(&json, "rollback");
    json_decimal(&json, "to", to, 2);
    json_bool(&json, "durable", durable);
    write_pins(controller->config, "pins", false, &json);
    write_pins(controller->config, "pinned_to_new", true, &json);
    json_object_end(&json);
    json_object_end(&json);
    api_ok(controller, answer);
}

void change_rollback(struct controller *controller, const struct admin_request *request,
                     struct admin_answer *answer)
{
    static const char *const names[] = {"to", "reason", "force"};
    struct control_request control;
    if (!change_read_head(request, &control, answer))
        return;
    unsigned to = 0;
    bool force = false, durable = false;
    struct error error;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    fields_weight(&fields, "to", &to);
    fields_text(&fields, "reason", FIELDS_REASON_MAX_BYTES, &control.reason);
    fields_bool(&fields, "force", &force);
    if (fields.code != NULL) {
        api_refuse_fields(answer, &fields);
    } else {
        enum control_result result =
            order_rollback(controller, &control, to, force, &durable, &error);
        if (result == CONTROL_OK)
            answer_rollback(controller, request, to, durable, answer);
        else
            api_refuse(answer, result, error.text);
    }
    fields_deinit(&fields);
}

/* Backends */

void change_backend(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer)
{
    static const char *const names[] = {"admin", "reason"};
    struct control_request control;
    if (!change_read_head(request, &control, answer))
        return;
    bool is_new = str_ends_with_nocase(request->message->path, STR("/new"));
    enum admin_state state = ADMIN_READY;
    struct str text = STR("");
    struct error error;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    fields_require(&fields, "admin");
    fields_text(&fields, "reason", FIELDS_REASON_MAX_BYTES, &control.reason);
    if (fields_text(&fields, "admin", 64, &text) && !admin_state_parse(text, &state)) {
        fields_fault(&fields, "bad_value", "admin: expected ready, drain or maint, got \"%.*s\"",
                     STR_ARG(text));
    }
    if (fields.code != NULL) {
        api_refuse_fields(answer, &fields);
    } else {
        enum control_result result =
            order_admin(controller, &control, is_new ? SIDE_NEW : SIDE_OLD, state, &error);
        change_answer(controller, request, result, &error, STR(""), answer);
    }
    fields_deinit(&fields);
}

/* Reload */

/* The refusal with every problem of the file, as the terminal would show it. */
static void refuse_config(const struct config_problems *problems, struct admin_answer *answer)
{
    struct buf text = BUF_EMPTY;
    struct json json;
    config_problems_format(problems, &text);
    struct str rest = buf_str(&text);
    struct str line;
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    json_object_begin(&json, "error");
    json_text(&json, "code", control_result_code(CONTROL_CONFIG_INVALID));
    json_text(&json, "message", "the configuration is invalid; the old one goes on");
    json_array_begin(&json, "problems");
    while (str_next_part(&rest, '\n', &line))
        if (!str_is_empty(line))
            json_str(&json, NULL, line);
    json_array_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    answer->status = control_result_status(CONTROL_CONFIG_INVALID);
    buf_deinit(&text);
}

void change_reload(struct controller *controller, const struct admin_request *request,
                   struct admin_answer *answer)
{
    static const char *const names[] = {"reason"};
    struct control_request control;
    if (!change_read_head(request, &control, answer))
        return;
    struct fields fields;
    fields_init(&fields, request->body, names, ARRAY_LEN(names));
    fields_text(&fields, "reason", FIELDS_REASON_MAX_BYTES, &control.reason);
    if (fields.code != NULL) {
        api_refuse_fields(answer, &fields);
        fields_deinit(&fields);
        return;
    }
    struct config_problems problems;
    struct error error = {.text = ""};
    config_problems_init(&problems);
    enum control_result result = order_reload(controller, &control, &problems, &error);
    if (result != CONTROL_OK && problems.count > 0)
        refuse_config(&problems, answer);
    else
        change_answer(controller, request, result, &error, buf_str(&controller->reload_notes),
                      answer);
    config_problems_deinit(&problems);
    fields_deinit(&fields);
}
