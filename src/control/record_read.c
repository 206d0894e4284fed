/*
 * record_read.c - text back to a state.
 *
 *     bytes of a file -> two whole lines? -> checksum -> version -> each value -> struct state
 *                                                                   (plans: to the clock of now)
 *
 * The checksum tells a disk's mistakes apart from ours: a text that passes it was written by some
 * cutover, so what is wrong behind it is a version that we do not know, or an edit by hand.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "control/record.h"

/* Not a weight: says that a route is not known yet. */
#define NO_WEIGHT (WEIGHT_MAX + 1)

struct decoder {
    struct arena *arena;
    struct error *error;
};

static bool decode_u64(const struct decoder *decoder, const json_t *object, const char *name,
                       uint64_t max, uint64_t *value)
{
    const json_t *member = json_object_get(object, name);
    json_int_t number = json_integer_value(member);

    if (!json_is_integer(member) || number < 0 || (uint64_t)number > max) {
        return error_set(decoder->error, "\"%s\" is missing or not a number in 0..%" PRIu64, name,
                         max);
    }
    *value = (uint64_t)number;
    return true;
}

static bool decode_weight(const struct decoder *decoder, const json_t *object, const char *name,
                          unsigned *weight)
{
    uint64_t value;

    if (!decode_u64(decoder, object, name, WEIGHT_MAX, &value))
        return false;
    *weight = (unsigned)value;
    return true;
}

static bool decode_str(const struct decoder *decoder, const json_t *object, const char *name,
                       struct str *value)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_string(member))
        return error_set(decoder->error, "\"%s\" is missing or not a string", name);
    *value =
        arena_str(decoder->arena, str_from(json_string_value(member), json_string_length(member)));
    return true;
}

static bool decode_route(const struct decoder *decoder, const json_t *item, struct state *state)
{
    struct state_route route;

    if (!decode_str(decoder, item, "name", &route.name) ||
        !decode_weight(decoder, item, "weight", &route.weight))
        return false;
    if (str_is_empty(route.name) || state_route_weight(state, route.name, NO_WEIGHT) != NO_WEIGHT)
        return error_set(decoder->error, "\"routes\" has an empty name, or one name twice");
    state->routes[state->route_count++] = route;
    return true;
}

static bool decode_routes(const struct decoder *decoder, const json_t *root, struct state *state)
{
    const json_t *routes = json_object_get(root, "routes");
    size_t count = json_array_size(routes);

    if (!json_is_array(routes) || count > ROUTES_MAX) {
        return error_set(decoder->error, "\"routes\" is missing or not a list of at most %d",
                         ROUTES_MAX);
    }
    for (size_t i = 0; i < count; i++)
        if (!decode_route(decoder, json_array_get(routes, i), state))
            return false;
    return true;
}

static bool decode_admin(const struct decoder *decoder, const json_t *root, struct state *state)
{
    const json_t *admin = json_object_get(root, "admin");

    for (int side = 0; side < SIDES; side++) {
        const char *name = side_name((enum side)side);
        struct str text;

        if (!decode_str(decoder, admin, name, &text))
            return false;
        if (!admin_state_parse(text, &state->admin[side])) {
            return error_set(decoder->error, "\"admin\": \"%s\" is not ready, drain or maint",
                             name);
        }
    }
    return true;
}

static bool decode_last(const struct decoder *decoder, const json_t *root, struct state *state)
{
    const json_t *last = json_object_get(root, "last");

    return decode_str(decoder, last, "what", &state->what) &&
           decode_str(decoder, last, "route", &state->route) &&
           decode_str(decoder, last, "actor", &state->actor) &&
           decode_str(decoder, last, "reason", &state->reason) &&
           decode_weight(decoder, last, "from", &state->from) &&
           decode_weight(decoder, last, "to", &state->to);
}

static bool decode_bool(const struct decoder *decoder, const json_t *object, const char *name,
                        bool *value)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_boolean(member))
        return error_set(decoder->error, "\"%s\" is missing or not true or false", name);
    *value = json_is_true(member);
    return true;
}

/* The clock of whoever wrote it; a record that is older than plans has none. */
static bool decode_clock(const struct decoder *decoder, const json_t *root,
                         struct record_clock *clock)
{
    const json_t *member = json_object_get(root, "clock");
    struct str boot_id;

    memset(clock, 0, sizeof(*clock));
    if (member == NULL)
        return true;
    if (!decode_str(decoder, member, "boot_id", &boot_id) ||
        !decode_u64(decoder, member, "boot_ms", RECORD_TIME_MAX_MS, &clock->boot_ms) ||
        !decode_u64(decoder, member, "wall_ms", RECORD_TIME_MAX_MS, &clock->wall_ms))
        return false;
    if (boot_id.len >= sizeof(clock->boot_id))
        return error_set(decoder->error, "\"boot_id\" is too long");
    memcpy(clock->boot_id, boot_id.data, boot_id.len);
    return true;
}

static uint64_t span(uint64_t from_ms, uint64_t to_ms)
{
    return to_ms > from_ms ? to_ms - from_ms : 0;
}

/* What was told by the clock of `written` is told by that of now. The hold of a plan that ran goes
 * on: within one boot there is nothing to do for it; after another one, what had passed when it was
 * written is known to the millisecond, and the rest is as long as the wall clock says. */
static void bring_to_now(const struct record_clock *written, const struct record_clock *now,
                         struct plan_place *place)
{
    /* A kernel that does not tell its boots apart may have been started anew. */
    bool is_same_boot = written->boot_id[0] != '\0' && strcmp(written->boot_id, now->boot_id) == 0;

    if (!is_same_boot && plan_is_running(place) && written->wall_ms != 0)
        place->held_ms +=
            span(place->since_ms, written->boot_ms) + span(written->wall_ms, now->wall_ms);
    if (!is_same_boot || place->since_ms > now->boot_ms)
        place->since_ms = now->boot_ms;
}

static bool decode_place(const struct decoder *decoder, const json_t *item,
                         struct plan_place *place)
{
    struct str state, note;
    uint64_t step;

    if (!decode_str(decoder, item, "state", &state) ||
        !decode_u64(decoder, item, "step", PLAN_STEPS_MAX, &step) ||
        !decode_u64(decoder, item, "held_ms", RECORD_TIME_MAX_MS, &place->held_ms) ||
        !decode_u64(decoder, item, "since_ms", RECORD_TIME_MAX_MS, &place->since_ms) ||
        !decode_bool(decoder, item, "failed", &place->has_failed) ||
        !decode_weight(decoder, item, "old_rate", &place->old_rate) ||
        !decode_str(decoder, item, "note", &note))
        return false;
    if (!plan_state_parse(state, &place->state))
        return error_set(decoder->error, "\"plans\": \"state\" is not one of a plan");
    place->step = (unsigned)step;
    if ((place->state == PLAN_IDLE) != (step == 0))
        return error_set(decoder->error, "\"plans\": \"state\" and \"step\" contradict each other");
    (void)snprintf(place->note, sizeof(place->note), "%s", note.data);
    return true;
}

static bool decode_plans(const struct decoder *decoder, const json_t *root,
                         const struct record_clock *now, struct state *state)
{
    const json_t *plans = json_object_get(root, "plans");
    size_t count = json_array_size(plans);
    struct record_clock written;

    if (!decode_clock(decoder, root, &written))
        return false;
    if (plans != NULL && (!json_is_array(plans) || count > PLANS_MAX))
        return error_set(decoder->error, "\"plans\" is not a list of at most %d", PLANS_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(plans, i);
        struct state_plan plan = {0};
        if (!decode_str(decoder, item, "route", &plan.route) ||
            !decode_place(decoder, item, &plan.place))
            return false;
        if (str_is_empty(plan.route) || state_plan_find(state, plan.route) != NULL)
            return error_set(decoder->error, "\"plans\" has an empty route, or one route twice");
        bring_to_now(&written, now, &plan.place);
        state->plans[state->plan_count++] = plan;
    }
    return true;
}

static bool decode_frozen_routes(const struct decoder *decoder, const json_t *object,
                                 struct state_freeze *freeze)
{
    const json_t *routes = json_object_get(object, "routes");
    size_t count = json_array_size(routes);

    if (!json_is_array(routes) || count > ARRAY_LEN(freeze->routes)) {
        return error_set(decoder->error,
                         "\"freeze\": \"routes\" is missing or not a list of at most %zu",
                         ARRAY_LEN(freeze->routes));
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(routes, i);
        if (!json_is_string(name) || json_string_length(name) == 0)
            return error_set(decoder->error, "\"freeze\": \"routes\" has an empty name");
        freeze->routes[freeze->route_count++] =
            arena_str(decoder->arena, str_from(json_string_value(name), json_string_length(name)));
    }
    return true;
}

static bool decode_freeze(const struct decoder *decoder, const json_t *root,
                          struct state_freeze *freeze)
{
    const json_t *object = json_object_get(root, "freeze");
    uint64_t retry_after_s;

    if (object == NULL)
        return true;
    if (!decode_bool(decoder, object, "on", &freeze->is_on))
        return false;
    if (!freeze->is_on)
        return true;
    if (!decode_u64(decoder, object, "retry_after_s", FREEZE_RETRY_MAX_S, &retry_after_s) ||
        !decode_u64(decoder, object, "since_ms", RECORD_TIME_MAX_MS, &freeze->since_ms))
        return false;
    freeze->retry_after_s = (unsigned)retry_after_s;
    return decode_frozen_routes(decoder, object, freeze);
}

static bool decode_root(const struct decoder *decoder, const json_t *root,
                        const struct record_clock *now, struct state *state)
{
    uint64_t version;

    if (!decode_u64(decoder, root, "version", INT64_MAX, &version))
        return false;
    if (version > RECORD_VERSION || version == 0) {
        return error_set(decoder->error,
                         "it has version %" PRIu64 " and this cutover knows version %d%s", version,
                         RECORD_VERSION, version == 0 ? "" : ": a newer cutover wrote it");
    }
    return decode_u64(decoder, root, "sequence", INT64_MAX, &state->sequence) &&
           decode_u64(decoder, root, "changed_ms", INT64_MAX, &state->changed_ms) &&
           decode_weight(decoder, root, "weight", &state->weight) &&
           decode_routes(decoder, root, state) && decode_admin(decoder, root, state) &&
           decode_last(decoder, root, state) && decode_plans(decoder, root, now, state) &&
           decode_freeze(decoder, root, &state->freeze);
}

/* The first line, once the whole text has been found to be two lines that belong together. */
static bool checked_line(struct str text, struct str *line, struct error *error)
{
    ptrdiff_t newline = str_find_char(text, '\n', 0);
    char checksum[RECORD_CHECKSUM_BYTES + 2];

    if (text.len == 0)
        return error_set(error, "it is empty");
    if (newline < 0 || text.len != (size_t)newline + 1 + RECORD_CHECKSUM_BYTES + 1)
        return error_set(error, "it is cut short, or not a state file");
    *line = str_slice(text, 0, (size_t)newline);
    record_checksum(*line, checksum);
    checksum[RECORD_CHECKSUM_BYTES] = '\n';
    if (!str_eq(str_slice(text, line->len + 1, text.len),
                str_from(checksum, RECORD_CHECKSUM_BYTES + 1)))
        return error_set(error, "its checksum is wrong");
    return true;
}

bool record_decode(struct str text, const struct record_clock *clock, struct state *state,
                   struct arena *arena, struct error *error)
{
    struct decoder decoder = {arena, error};
    json_error_t json_error;
    struct str line;
    json_t *root;
    bool decoded;

    if (text.len > RECORD_MAX_BYTES)
        return error_set(error, "it is larger than %d bytes", RECORD_MAX_BYTES);
    if (!checked_line(text, &line, error))
        return false;
    root = json_loadb(line.data, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &json_error);
    if (root == NULL)
        return error_set(error, "its first line is not JSON: %s", json_error.text);
    memset(state, 0, sizeof(*state));
    decoded = decode_root(&decoder, root, clock, state);
    json_decref(root);
    return decoded;
}
