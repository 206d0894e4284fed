/*
 * record.c - the state as text; record_read.c is the way back.
 *
 *     struct state -> json -> line 1 + checksum of it as line 2          (store.c writes it)
 */
#include "control/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

#include "base/json.h"

static const char *const admin_state_names[] = {"ready", "drain", "maint"};

const char *admin_state_name(enum admin_state state)
{
    return admin_state_names[state];
}

bool admin_state_parse(struct str text, enum admin_state *state)
{
    for (unsigned i = 0; i < ARRAY_LEN(admin_state_names); i++) {
        if (str_eq(text, str_of(admin_state_names[i]))) {
            *state = (enum admin_state)i;
            return true;
        }
    }
    return false;
}

unsigned state_route_weight(const struct state *state, struct str name, unsigned otherwise)
{
    for (unsigned i = 0; i < state->route_count; i++)
        if (str_eq(state->routes[i].name, name))
            return state->routes[i].weight;
    return otherwise;
}

const char *weight_format(unsigned weight, char text[WEIGHT_TEXT_BYTES])
{
    unsigned hundredths = weight % 100;

    if (hundredths == 0)
        snprintf(text, WEIGHT_TEXT_BYTES, "%u", weight / 100);
    else if (hundredths % 10 == 0)
        snprintf(text, WEIGHT_TEXT_BYTES, "%u.%u", weight / 100, hundredths / 10);
    else
        snprintf(text, WEIGHT_TEXT_BYTES, "%u.%02u", weight / 100, hundredths);
    return text;
}

void record_checksum(struct str line, char text[RECORD_CHECKSUM_BYTES + 1])
{
    snprintf(text, RECORD_CHECKSUM_BYTES + 1, "%016" PRIx64,
             (uint64_t)XXH3_64bits(line.data, line.len));
}

/* Encode */

static void encode_routes(const struct state *state, struct json *json)
{
    json_array_begin(json, "routes");
    for (unsigned i = 0; i < state->route_count; i++) {
        json_object_begin(json, NULL);
        json_str(json, "name", state->routes[i].name);
        json_u64(json, "weight", state->routes[i].weight);
        json_object_end(json);
    }
    json_array_end(json);
}

static void encode_last(const struct state *state, struct json *json)
{
    json_object_begin(json, "last");
    json_str(json, "what", state->what);
    json_str(json, "route", state->route);
    json_str(json, "actor", state->actor);
    json_str(json, "reason", state->reason);
    json_u64(json, "from", state->from);
    json_u64(json, "to", state->to);
    json_object_end(json);
}

struct record_clock record_clock_now(void)
{
    struct record_clock clock = {.boot_ms = clock_boot_ms(), .wall_ms = clock_wall_ms()};

    clock_boot_id(clock.boot_id);
    return clock;
}

struct plan_place *state_plan_find(struct state *state, struct str route)
{
    for (unsigned i = 0; i < state->plan_count; i++)
        if (str_eq(state->plans[i].route, route))
            return &state->plans[i].place;
    return NULL;
}

static void encode_clock(const struct record_clock *clock, struct json *json)
{
    json_object_begin(json, "clock");
    json_text(json, "boot_id", clock->boot_id);
    json_u64(json, "boot_ms", record_time(clock->boot_ms));
    json_u64(json, "wall_ms", record_time(clock->wall_ms));
    json_object_end(json);
}

static void encode_plans(const struct state *state, struct json *json)
{
    json_array_begin(json, "plans");
    for (unsigned i = 0; i < state->plan_count; i++) {
        const struct plan_place *place = &state->plans[i].place;
        json_object_begin(json, NULL);
        json_str(json, "route", state->plans[i].route);
        json_text(json, "state", plan_state_name(place->state));
        json_u64(json, "step", place->step);
        json_u64(json, "held_ms", record_time(place->held_ms));
        json_u64(json, "since_ms", record_time(place->since_ms));
        json_bool(json, "failed", place->has_failed);
        json_u64(json, "old_rate", place->old_rate);
        json_text(json, "note", place->note);
        json_object_end(json);
    }
    json_array_end(json);
}

static void encode_freeze(const struct state_freeze *freeze, struct json *json)
{
    json_object_begin(json, "freeze");
    json_bool(json, "on", freeze->is_on);
    if (freeze->is_on) {
        json_u64(json, "retry_after_s", freeze->retry_after_s);
        json_u64(json, "since_ms", record_time(freeze->since_ms));
        json_array_begin(json, "routes");
        for (unsigned i = 0; i < freeze->route_count; i++)
            json_str(json, NULL, freeze->routes[i]);
        json_array_end(json);
    }
    json_object_end(json);
}

void record_encode(const struct state *state, const struct record_clock *clock, struct buf *out)
{
    struct json json;
    size_t start = buf_len(out);
    char checksum[RECORD_CHECKSUM_BYTES + 1];

    json_init(&json, out);
    json_object_begin(&json, NULL);
    json_u64(&json, "version", RECORD_VERSION);
    json_u64(&json, "sequence", state->sequence);
    json_u64(&json, "changed_ms", state->changed_ms);
    json_u64(&json, "weight", state->weight);
    encode_routes(state, &json);
    json_object_begin(&json, "admin");
    json_text(&json, "old", admin_state_name(state->admin[SIDE_OLD]));
    json_text(&json, "new", admin_state_name(state->admin[SIDE_NEW]));
    json_object_end(&json);
    encode_last(state, &json);
    encode_clock(clock, &json);
    encode_plans(state, &json);
    encode_freeze(&state->freeze, &json);
    json_object_end(&json);
    record_checksum(str_slice(buf_str(out), start, buf_len(out)), checksum);
    buf_printf(out, "\n%s\n", checksum);
}
