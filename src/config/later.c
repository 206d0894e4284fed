/*
 * later.c - types and limits of the keys that are still without effect: the plan.
 *
 * What is read here lands in structs that nobody looks at. They exist so that the tables below are
 * of the same kind as all others and can move to their place when the feature comes.
 */
#include "config/later.h"

#include "config/readers.h"

#define STEPS_MAX 100

struct step {
    unsigned weight;
    uint64_t hold_ms;
};

struct guard {
    uint64_t window_ms, every_ms, p95_over_old_ms, warm_up_ms;
    unsigned min_requests, max_error_rate, error_rate_over_old, p95_ratio, strikes, on_fail;
};

static const struct reader_range HOLD = {1000, 365 * (uint64_t)86400000, true};
static const struct reader_range WINDOW = {1000, 86400000, false};
static const struct reader_range WARM_UP = {1, 86400000, true};
static const struct reader_range LATENCY = {1, 3600000, true};
static const struct reader_range REQUESTS = {1, 100000000, false};
static const struct reader_range RATIO = {100, 10000, false};
static const struct reader_range STRIKES = {1, 1000, false};
static const struct reader_names ADVANCE = READER_NAMES("manual", "auto");
static const struct reader_names ON_FAIL = READER_NAMES("rollback", "hold");

static const struct schema_key STEP_KEYS[] = {
    {"weight", reader_percentage, PLACE(struct step, weight), NULL, SCHEMA_REQUIRED, NULL, NULL},
    {"hold", reader_duration, PLACE(struct step, hold_ms), NULL, SCHEMA_REQUIRED, &HOLD, NULL},
};
static const struct schema_map STEP_MAP = SCHEMA_MAP(STEP_KEYS, NULL);

static bool read_steps(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    static const struct schema_key ITEM = {
        .name = "", .read = reader_section, .width = sizeof(struct step), .argument = &STEP_MAP};
    void *items = NULL;
    unsigned count = 0;
    (void)key;
    (void)place;
    return schema_list_read(schema, node, &ITEM, "steps", STEPS_MAX, &items, &count);
}

static const struct schema_key GUARD_KEYS[] = {
    {"window", reader_duration, PLACE(struct guard, window_ms), "5m", 0, &WINDOW, NULL},
    {"every", reader_duration, PLACE(struct guard, every_ms), "30s", 0, &WINDOW, NULL},
    {"min_requests", reader_integer, PLACE(struct guard, min_requests), "200", 0, &REQUESTS, NULL},
    {"max_error_rate", reader_percentage, PLACE(struct guard, max_error_rate), "1%", 0, NULL, NULL},
    {"error_rate_over_old", reader_percentage, PLACE(struct guard, error_rate_over_old), "0.5%", 0,
     NULL, NULL},
    {"p95_ratio", reader_ratio, PLACE(struct guard, p95_ratio), "2.0", 0, &RATIO, NULL},
    {"p95_over_old", reader_duration, PLACE(struct guard, p95_over_old_ms), "200ms", 0, &LATENCY,
     NULL},
    {"strikes", reader_integer, PLACE(struct guard, strikes), "3", 0, &STRIKES, NULL},
    {"on_fail", reader_enum, PLACE(struct guard, on_fail), "rollback", 0, &ON_FAIL, NULL},
    {"warm_up", reader_duration, PLACE(struct guard, warm_up_ms), "30s", 0, &WARM_UP, NULL},
};
static const struct schema_map GUARD_MAP = SCHEMA_MAP(GUARD_KEYS, NULL);

struct plan {
    unsigned advance;
    struct guard guard;
};

static const struct schema_key PLAN_KEYS[] = {
    {"advance", reader_enum, PLACE(struct plan, advance), "manual", 0, &ADVANCE, NULL},
    {"steps", read_steps, PLACE_WHOLE, NULL, 0, NULL, NULL},
    {"guard", reader_section, PLACE(struct plan, guard), SCHEMA_NOTHING, 0, &GUARD_MAP, NULL},
};
static const struct schema_map PLAN_MAP = SCHEMA_MAP(PLAN_KEYS, NULL);

bool later_plan(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                void *place)
{
    struct plan plan;
    (void)key;
    (void)place;
    /* Mistakes inside are problems of their own; the section itself is refused all the same. */
    (void)schema_map_read(schema, node, &PLAN_MAP, &plan, true);
    return true;
}
