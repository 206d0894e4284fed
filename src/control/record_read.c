/*
 * record_read.c - text back to a state.
 *
 *     bytes of a file -> two whole lines? -> checksum -> version -> each value -> struct state
 *
 * The checksum tells a disk's mistakes apart from ours: a text that passes it was written by some
 * cutover, so what is wrong behind it is a version that we do not know, or an edit by hand.
 */
#include <inttypes.h>
#include <jansson.h>

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

static bool decode_root(const struct decoder *decoder, const json_t *root, struct state *state)
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
           decode_last(decoder, root, state);
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

bool record_decode(struct str text, struct state *state, struct arena *arena, struct error *error)
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
    decoded = decode_root(&decoder, root, state);
    json_decref(root);
    return decoded;
}
