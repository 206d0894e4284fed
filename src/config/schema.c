/*
 * schema.c - the walk over a mapping by its table. What single values look like: readers.c.
 *
 *     schema_map_read:  each key of the file  -> is it in the table? else "did you mean"
 *                       each key of the table -> written: read_key; not written: read_default
 *                       all good              -> check
 *
 * A default is read from a node made up for it that stands where the mapping stands, so that
 * readers know no difference.
 */
#include "config/schema.h"

#include <stdarg.h>

#include "config/expand.h"

/* Words farther apart than this are not taken for a slip of the fingers. */
#define DISTANCE_MAX 3

/* ---- problems ---- */

unsigned schema_problem_count(const struct schema *schema)
{
    return schema->problems->count + schema->problems->left_out;
}

static void add_problem(struct schema *schema, const struct yaml_node *node, unsigned line,
                        unsigned column, const char *format, va_list arguments) PRINTF_LIKE(5, 0);
static void add_problem(struct schema *schema, const struct yaml_node *node, unsigned line,
                        unsigned column, const char *format, va_list arguments)
{
    struct buf path = BUF_EMPTY;
    struct buf text = BUF_EMPTY;
    yaml_path(node, &path);
    buf_vprintf(&text, format, arguments);
    config_problems_add(schema->problems, line, column, buf_str(&path), "%.*s",
                        STR_ARG(buf_str(&text)));
    buf_deinit(&path);
    buf_deinit(&text);
}

bool schema_bad(struct schema *schema, const struct yaml_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(schema, node, node->line, node->column, format, arguments);
    va_end(arguments);
    return false;
}

/* For what is wrong with the key itself, whatever its value says. */
static bool bad_at_key(struct schema *schema, const struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool bad_at_key(struct schema *schema, const struct yaml_node *node, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(schema, node, node->key_line, node->key_column, format, arguments);
    va_end(arguments);
    return false;
}

bool schema_expected(struct schema *schema, const struct yaml_node *node, const char *expected)
{
    struct buf got = BUF_EMPTY;
    if (node->kind != YAML_SCALAR) {
        buf_append_str(&got, node->kind == YAML_SEQUENCE ? STR("a list") : STR("keys and values"));
    } else if (yaml_is_null(node)) {
        buf_append_str(&got, STR("nothing"));
    } else {
        buf_append_char(&got, '"');
        config_problem_quote(&got, node->text);
        buf_append_char(&got, '"');
    }
    (void)schema_bad(schema, node, "%s, got %.*s", expected, STR_ARG(buf_str(&got)));
    buf_deinit(&got);
    return false;
}

bool schema_scalar(struct schema *schema, const struct yaml_node *node, const char *expected,
                   struct str *text)
{
    struct error error;
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return schema_expected(schema, node, expected);
    return expand(node->text, schema->arena, text, &error) ||
           schema_bad(schema, node, "%s", error.text);
}

/* A node for a key that is not written: it stands where its mapping stands. */
static struct yaml_node made_up(const struct yaml_node *mapping, const char *key, const char *text)
{
    return (struct yaml_node){
        .kind = YAML_SCALAR,
        .line = mapping->key_line,
        .column = mapping->key_column,
        .key_line = mapping->key_line,
        .key_column = mapping->key_column,
        .parent = mapping,
        .key = str_of(key),
        .text = str_of(text),
        .is_plain = true,
    };
}

bool schema_bad_key(struct schema *schema, const struct yaml_node *node, const char *key,
                    const char *format, ...)
{
    struct yaml_node absent = made_up(node, key, "");
    const struct yaml_node *written = yaml_child(node, str_of(key));
    const struct yaml_node *at = written == NULL ? &absent : written;
    va_list arguments;
    va_start(arguments, format);
    add_problem(schema, at, at->line, at->column, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- unknown keys ---- */

static const struct schema_key *find_key(const struct schema_map *map, struct str name)
{
    for (unsigned i = 0; i < map->count; i++)
        if (str_eq(str_of(map->keys[i].name), name))
            return &map->keys[i];
    return NULL;
}

/* The key that was meant, or NULL when nothing is near. */
static const char *nearest_key(const struct schema_map *map, struct str name)
{
    const char *nearest = NULL;
    unsigned best = DISTANCE_MAX + 1;
    for (unsigned i = 0; i < map->count; i++) {
        struct str known = str_of(map->keys[i].name);
        unsigned distance = str_distance(known, name);
        /* Half of a short word is another word. */
        if (distance < best && distance * 2 < known.len + 1) {
            best = distance;
            nearest = map->keys[i].name;
        }
    }
    return nearest;
}

static void report_unknown(struct schema *schema, const struct yaml_node *node,
                           const struct schema_map *map)
{
    struct buf text = BUF_EMPTY;
    const char *nearest = nearest_key(map, node->key);
    if (nearest != NULL) {
        buf_printf(&text, "unknown key (did you mean \"%s\"?)", nearest);
    } else {
        buf_append_str(&text, STR("unknown key (known here: "));
        for (unsigned i = 0; i < map->count; i++)
            buf_printf(&text, "%s%s", i == 0 ? "" : ", ", map->keys[i].name);
        buf_append_char(&text, ')');
    }
    (void)bad_at_key(schema, node, "%.*s", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

/* ---- keys ---- */

static bool read_plainly(struct schema *schema, const struct yaml_node *node,
                         const struct schema_key *key, void *place)
{
    if (yaml_is_null(node) && (key->flags & SCHEMA_NULLABLE) != 0) {
        memset(place, 0, key->width);
        return true;
    }
    return key->read(schema, node, key, place);
}

static void read_default(struct schema *schema, const struct yaml_node *mapping,
                         const struct schema_key *key, void *place)
{
    if (key->fallback != NULL) {
        struct yaml_node node = made_up(mapping, key->name, key->fallback);
        (void)read_plainly(schema, &node, key, place);
    } else if ((key->flags & SCHEMA_REQUIRED) != 0) {
        (void)schema_bad_key(schema, mapping, key->name, "missing: it has no default");
    }
}

static void read_key(struct schema *schema, const struct yaml_node *mapping,
                     const struct schema_key *key, void *base, bool with_defaults)
{
    const struct yaml_node *node = yaml_child(mapping, str_of(key->name));
    void *place = (char *)base + key->offset;

    if (node == NULL) {
        if (with_defaults)
            read_default(schema, mapping, key, place);
    } else {
        (void)read_plainly(schema, node, key, place);
    }
}

bool schema_map_read(struct schema *schema, const struct yaml_node *node,
                     const struct schema_map *map, void *base, bool with_defaults)
{
    unsigned problems_before = schema_problem_count(schema);
    if (node->kind != YAML_MAPPING && !yaml_is_null(node))
        return schema_expected(schema, node, "expected keys and values");
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next)
        if (find_key(map, child->key) == NULL)
            report_unknown(schema, child, map);
    for (unsigned i = 0; i < map->count; i++)
        read_key(schema, node, &map->keys[i], base, with_defaults);
    bool good = schema_problem_count(schema) == problems_before;
    if (good && map->check != NULL)
        map->check(schema, node, base);
    return schema_problem_count(schema) == problems_before;
}

/* ---- lists ---- */

bool schema_list_read(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *item, const char *kind, unsigned max, void **items,
                      unsigned *count)
{
    unsigned problems_before = schema_problem_count(schema);
    *items = NULL;
    *count = 0;
    if (yaml_is_null(node))
        return true;
    bool is_list = node->kind == YAML_SEQUENCE;
    unsigned wanted = is_list ? node->count : 1;
    if (wanted > max)
        return schema_bad(schema, node, "%u %s are too many: at most %u", wanted, kind, max);
    char *places = arena_array(schema->arena, wanted, item->width);
    const struct yaml_node *from = is_list ? node->first : node;
    for (unsigned i = 0; i < wanted; i++, from = from->next)
        (void)item->read(schema, from, item, places + (size_t)i * item->width);
    *items = places;
    *count = wanted;
    return schema_problem_count(schema) == problems_before;
}
