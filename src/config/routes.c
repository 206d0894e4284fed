/*
 * routes.c - each route alone by its table, then all of them against each other: the first match
 * wins, so a route behind one that takes everything of it would never be used, and nobody would
 * notice.
 */
#include "config/routes.h"

#include "config/plan.h"
#include "config/readers.h"

#define METHODS_MAX 32

/* A route as it is written: what decides about requests, and what moves its weight. */
struct written_route {
    struct route route;
    struct plan plan; /* no steps: none */
};

static bool read_method(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, void *place)
{
    (void)key;
    struct str text = STR("");
    struct error error;
    if (!schema_scalar(schema, node, "expected a method such as POST", &text))
        return false;
    if (!word_method(text, &error))
        return schema_expected(schema, node, error.text);
    char *upper = arena_alloc(schema->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    *(struct str *)place = str_from(upper, text.len);
    return true;
}

static bool read_methods(struct schema *schema, const struct yaml_node *node,
                         const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {
        .name = "", .read = read_method, .width = sizeof(struct str)};
    struct written_route *written = place;
    void *items = NULL;
    if (!schema_list_read(schema, node, &ITEM, "methods", METHODS_MAX, &items,
                          &written->route.method_count))
        return false;
    written->route.methods = items;
    return true;
}

static bool is_given(const struct yaml_node *node, struct str key)
{
    const struct yaml_node *child = yaml_child(node, key);
    return child != NULL && !yaml_is_null(child);
}

static void check_kind(struct schema *schema, const struct yaml_node *node, struct route *route)
{
    bool is_pinned = is_given(node, STR("pin"));
    bool is_weighted = is_given(node, STR("weight"));
    if (is_pinned && is_weighted) {
        (void)schema_bad(schema, node,
                         "has both pin and weight: pin sends all of it to one side, weight splits "
                         "it");
    }
    route->kind = is_pinned ? ROUTE_PINNED : is_weighted ? ROUTE_WEIGHTED : ROUTE_FOLLOWS;
}

static void check_skew(struct schema *schema, const struct yaml_node *node,
                       const struct route *route)
{
    bool has_safe = route->method_count == 0;
    for (unsigned i = 0; i < route->method_count; i++)
        has_safe = has_safe || str_eq(route->methods[i], STR("GET")) ||
                   str_eq(route->methods[i], STR("HEAD"));
    if (route->asks_other && !has_safe) {
        (void)schema_bad_key(schema, node, "on_404",
                             "other_side is for GET and HEAD alone, and methods has neither");
    }
}

static void check_plan(struct schema *schema, const struct yaml_node *node,
                       const struct route *route)
{
    if (is_given(node, STR("plan")) && route->kind != ROUTE_WEIGHTED) {
        (void)schema_bad_key(schema, node, "plan",
                             "moves the weight of its route, and this one has none of its own: add "
                             "weight: 0");
    }
}

static void check_route(struct schema *schema, const struct yaml_node *node, void *base)
{
    struct written_route *written = base;

    check_kind(schema, node, &written->route);
    check_skew(schema, node, &written->route);
    check_plan(schema, node, &written->route);
}

static const struct reader_word NAME = {word_route_name};
static const struct reader_word PATH = {word_route_path};
static const struct reader_names SIDE_NAMES = READER_NAMES("old", "new");
static const struct reader_names ON_404 = READER_NAMES("pass", "other_side");

#define OF_ROUTE(member) PLACE(struct written_route, route.member)
static const struct schema_key ROUTE_KEYS[] = {
    {"name", reader_word, OF_ROUTE(name), NULL, SCHEMA_REQUIRED, &NAME},
    {"path", reader_word, OF_ROUTE(path), NULL, SCHEMA_REQUIRED, &PATH},
    {"methods", read_methods, PLACE_WHOLE, SCHEMA_NOTHING, 0, NULL},
    {"pin", reader_enum, OF_ROUTE(pin), "null", SCHEMA_NULLABLE, &SIDE_NAMES},
    {"weight", reader_percentage, OF_ROUTE(initial_weight), "null", SCHEMA_NULLABLE, NULL},
    {"on_404", reader_enum, OF_ROUTE(asks_other), "pass", 0, &ON_404},
    {"plan", reader_section, PLACE(struct written_route, plan), "null", SCHEMA_NULLABLE, &PLAN_MAP},
};
static const struct schema_map ROUTE_MAP = SCHEMA_MAP(ROUTE_KEYS, check_route);

/* The same path again, for no method that the first leaves over. A route that lies within an
 * earlier, wider one is left alone: the order may be meant, and reading it is the reader's
 * business. */
static bool is_repeated(const struct route *first, const struct route *second)
{
    if (!str_eq(first->path, second->path))
        return false;
    if (second->method_count == 0)
        return first->method_count == 0;
    for (unsigned i = 0; i < second->method_count; i++)
        if (route_match(first, 1, second->methods[i], second->path) != 0)
            return false;
    return true;
}

static void check_pair(struct schema *schema, const struct yaml_node *node,
                       const struct route *first, const struct route *second, unsigned index)
{
    if (str_eq(first->name, second->name))
        (void)schema_bad_key(schema, node, "name", "routes[%u] has this name already", index);
    if (is_repeated(first, second)) {
        (void)schema_bad_key(schema, node, "path",
                             "can never match: routes[%u] has the same path and comes first",
                             index);
    }
}

static bool check_routes(struct schema *schema, const struct yaml_node *node,
                         const struct route *routes)
{
    unsigned problems_before = schema_problem_count(schema);
    const struct yaml_node *second = node->first;
    for (unsigned i = 0; second != NULL; i++, second = second->next)
        for (unsigned j = 0; j < i; j++)
            check_pair(schema, second, &routes[j], &routes[i], j);
    return schema_problem_count(schema) == problems_before;
}

/* Routes and plans part here: requests are decided without a look at plans. */
static bool take_routes(struct schema *schema, const struct yaml_node *node,
                        const struct written_route *written, struct config *config)
{
    const struct yaml_node *at = node->kind == YAML_SEQUENCE ? node->first : node;
    config->routes = arena_array(schema->arena, config->route_count, sizeof(struct route));
    config->route_plans =
        arena_array(schema->arena, PLANS_MAX - 1, sizeof(struct config_route_plan));
    for (unsigned i = 0; i < config->route_count; i++, at = at->next) {
        config->routes[i] = written[i].route;
        if (written[i].plan.step_count == 0)
            continue;
        if (config->route_plan_count == PLANS_MAX - 1) {
            return schema_bad_key(schema, at, "plan",
                                  "is one too many: at most %d routes may have a plan",
                                  PLANS_MAX - 1);
        }
        config->route_plans[config->route_plan_count++] =
            (struct config_route_plan){.route = i, .plan = written[i].plan};
    }
    return true;
}

bool routes_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place)
{
    (void)key;
    static const struct schema_key ITEM = {.name = "",
                                           .read = reader_section,
                                           .width = sizeof(struct written_route),
                                           .argument = &ROUTE_MAP};
    struct config *config = place;
    void *items = NULL;
    if (!schema_list_read(schema, node, &ITEM, "routes", ROUTES_MAX, &items, &config->route_count))
        return false;
    bool good = take_routes(schema, node, items, config);
    return node->kind != YAML_SEQUENCE ? good : check_routes(schema, node, config->routes) && good;
}
