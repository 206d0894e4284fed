/*
 * plan.c - the section `plan`, that of the main weight and those of routes.
 *
 * Hooks are URLs in which an operator may have put a secret, on purpose or not: a problem with one
 * says what is expected and where, but shows nothing of it.
 */
#include "config/plan.h"

#include "config/readers.h"
#include "traffic/plan.h"

#define DAY_MS        ((uint64_t)86400000)
#define URL_BYTES_MAX 2048

/* ---- hooks ---- */

#define HOOK_EXPECTED "expected a URL such as https://ci.example.org/cutover?step=2"

static bool is_visible_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7F)
            return false;
    return true;
}

/* HOST[:PORT] of what stands behind "://". */
static struct str authority_of(struct str rest)
{
    size_t end = 0;
    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    return str_slice(rest, 0, end);
}

static bool is_hook_url(struct str url, struct error *error)
{
    struct word_host host;
    struct str prefix = str_starts_with(url, STR("https://")) ? STR("https://") : STR("http://");
    struct str authority = authority_of(str_slice(url, prefix.len, url.len));

    if (!str_starts_with(url, prefix) || url.len > URL_BYTES_MAX || !is_visible_ascii(url))
        return error_set(error, HOOK_EXPECTED " (visible ASCII, at most %d bytes)", URL_BYTES_MAX);
    if (str_find_char(authority, '@', 0) >= 0) {
        return error_set(error, HOOK_EXPECTED ": without user and password, which are not sent; a "
                                              "secret can stand in the path or the query, from a "
                                              "variable: ?key=${NAME}");
    }
    if (str_find_char(url, '#', 0) >= 0)
        return error_set(error, HOOK_EXPECTED ": without '#', since what follows it is never sent");
    return (!str_is_empty(authority) && word_host_split(authority, &host)) ||
           error_set(error, HOOK_EXPECTED " with a host and, if need be, a port (1 to 65535)");
}

static bool read_hook(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, void *place)
{
    (void)key;
    struct str url = STR("");
    struct error error;
    if (!schema_scalar(schema, node, HOOK_EXPECTED, &url))
        return false;
    /* Empty, from a variable: no hook. */
    if (!str_is_empty(url) && !is_hook_url(url, &error))
        return schema_bad(schema, node, "%s", error.text);
    *(struct str *)place = url;
    return true;
}

/* ---- steps ---- */

static const struct reader_range HOLD = {1000, 365 * DAY_MS, true};

static const struct schema_key STEP_KEYS[] = {
    {"weight", reader_percentage, PLACE(struct plan_step, weight), NULL, SCHEMA_REQUIRED, NULL},
    {"hold", reader_duration, PLACE(struct plan_step, hold_ms), NULL, SCHEMA_REQUIRED, &HOLD},
    {"before", read_hook, PLACE(struct plan_step, before), "null", SCHEMA_NULLABLE, NULL},
    {"after", read_hook, PLACE(struct plan_step, after), "null", SCHEMA_NULLABLE, NULL},
};
static const struct schema_map STEP_MAP = SCHEMA_MAP(STEP_KEYS, NULL);

/* Both weights are shown as they are written: a variable may stand there. */
static bool check_growth(struct schema *schema, const struct yaml_node *first,
                         const struct yaml_node *second, unsigned index)
{
    struct buf before = BUF_EMPTY;
    struct buf text = BUF_EMPTY;
    config_problem_quote(&before, yaml_child(first, STR("weight"))->text);
    buf_printf(&text, "expected more than \"%.*s\", the weight of steps[%u] before it",
               STR_ARG(buf_str(&before)), index);
    buf_append_char(&text, '\0');
    (void)schema_expected(schema, yaml_child(second, STR("weight")), buf_str(&text).data);
    buf_deinit(&before);
    buf_deinit(&text);
    return false;
}

static bool check_steps(struct schema *schema, const struct yaml_node *node,
                        const struct plan_step *steps, unsigned count)
{
    bool good = true;
    const struct yaml_node *at = node->kind == YAML_SEQUENCE ? node->first : node;
    for (unsigned i = 0; i < count; i++, at = at->next) {
        if (steps[i].weight == 0) {
            good = schema_expected(schema, yaml_child(at, STR("weight")),
                                   "expected more than 0: a step that moves nobody shows nothing");
        }
        if (i + 1 < count && steps[i + 1].weight <= steps[i].weight)
            good = check_growth(schema, at, at->next, i);
    }
    return good;
}

static bool read_steps(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {.name = "",
                                           .read = reader_section,
                                           .width = sizeof(struct plan_step),
                                           .argument = &STEP_MAP};
    struct plan *plan = place;
    void *items = NULL;
    unsigned count = 0;
    if (!schema_list_read(schema, node, &ITEM, "steps", PLAN_STEPS_MAX, &items, &count) ||
        !check_steps(schema, node, items, count))
        return false;
    plan->steps = items;
    plan->step_count = count;
    return true;
}

/* ---- the guard ---- */

static const struct reader_range WINDOW = {1000, DAY_MS, false};
static const struct reader_range WARM_UP = {1, DAY_MS, true};
static const struct reader_range LATENCY = {1, 3600000, true};
static const struct reader_range REQUESTS = {1, 100000000, false};
static const struct reader_range RATIO = {100, 10000, false};
static const struct reader_range STRIKES = {1, 1000, false};
static const struct reader_names ON_FAIL = READER_NAMES("rollback", "hold");

static void check_guard(struct schema *schema, const struct yaml_node *node, void *base)
{
    const struct guard_rules *guard = base;
    const char *key = yaml_child(node, STR("every")) != NULL ? "every" : "window";

    if (guard->every_ms > guard->window_ms) {
        (void)schema_bad_key(schema, node, key,
                             "every is longer than window: each look must fall into the window "
                             "that it looks at");
    }
}

#define RULE(member)  PLACE(struct guard_rules, member)
#define LIMIT(member) PLACE(struct guard_rules, limits.member)
static const struct schema_key GUARD_KEYS[] = {
    {"window", reader_duration, RULE(window_ms), "5m", 0, &WINDOW},
    {"every", reader_duration, RULE(every_ms), "30s", 0, &WINDOW},
    {"min_requests", reader_integer, LIMIT(min_requests), "200", 0, &REQUESTS},
    {"max_error_rate", reader_percentage, LIMIT(max_error_rate), "1%", 0, NULL},
    {"error_rate_over_old", reader_percentage, LIMIT(error_rate_over_old), "0.5%", 0, NULL},
    {"p95_ratio", reader_ratio, LIMIT(p95_ratio), "2.0", 0, &RATIO},
    {"p95_over_old", reader_duration, LIMIT(p95_over_old_ms), "200ms", 0, &LATENCY},
    {"strikes", reader_integer, RULE(strikes), "3", 0, &STRIKES},
    {"on_fail", reader_enum, RULE(on_fail), "rollback", 0, &ON_FAIL},
    {"warm_up", reader_duration, RULE(warm_up_ms), "30s", 0, &WARM_UP},
};
static const struct schema_map GUARD_MAP = SCHEMA_MAP(GUARD_KEYS, check_guard);

/* ---- the plan ---- */

static const struct reader_names ADVANCE = READER_NAMES("manual", "auto");

static const struct schema_key PLAN_KEYS[] = {
    {"advance", reader_enum, PLACE(struct plan, is_auto), "manual", 0, &ADVANCE},
    {"steps", read_steps, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
    {"guard", reader_section, PLACE(struct plan, guard), SCHEMA_NOTHING, 0, &GUARD_MAP},
};
const struct schema_map PLAN_MAP = SCHEMA_MAP(PLAN_KEYS, NULL);
