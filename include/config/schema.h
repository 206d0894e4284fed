/*
 * schema.h - tables that say which keys a mapping has, and the readers that fill a struct by them.
 *
 *     static const struct schema_key RETRY_KEYS[] = {
 *         {"attempts", reader_integer, PLACE(struct config_retry, attempts), .fallback = "1", ...
 *
 * The table is the only place that knows a key's name, type, limits and default. The default is a
 * text and goes through the same reader as a written value. Reading never stops at a mistake: it is
 * added to the problems and the next key is read.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/words.h"
#include "config/yaml.h"

/* One reading of one file. */
struct schema {
    struct arena *arena;              /* borrowed: of the config that is being filled */
    struct config_problems *problems; /* borrowed: the caller's */
};

struct schema_key;

/*
 * Reads `node` into `place`; false when it has added a problem. A node that is null is given to a
 * reader only where the key is not SCHEMA_NULLABLE.
 */
typedef bool (*schema_read_cb)(struct schema *schema, const struct yaml_node *node,
                               const struct schema_key *key, void *place);

enum schema_flag {
    SCHEMA_REQUIRED = 1, /* must be there */
    SCHEMA_NULLABLE = 2, /* null is allowed and leaves zeroes in the place */
};

struct schema_key {
    const char *name;
    schema_read_cb read;
    size_t offset, width; /* of the place in the mapping's struct: PLACE */
    const char *fallback; /* the default as text; NULL: the reader is not called for it */
    unsigned flags;
    const void *argument; /* of the reader: a reader_range, reader_names, schema_map... */
};

#define PLACE(type, member) offsetof(type, member), sizeof(((type *)0)->member)

/* For a reader that is given the whole struct of the mapping. */
#define PLACE_WHOLE 0, 0

/* For the default of a mapping or a list: nothing is written, the keys inside have their own. */
#define SCHEMA_NOTHING "null"

/* A mapping. `check` sees values that depend on each other, once all of them are good alone. */
struct schema_map {
    const struct schema_key *keys;
    unsigned count;
    void (*check)(struct schema *schema, const struct yaml_node *node, void *base);
};
#define SCHEMA_MAP(table, check_cb)           \
    {                                         \
        (table), ARRAY_LEN(table), (check_cb) \
    }

/*
 * Fills the struct at `base`. `node` null counts as an empty mapping. Without `with_defaults` only
 * what is written is read: the rest of the struct stays (a mapping that overrides another one).
 */
bool schema_map_read(struct schema *schema, const struct yaml_node *node,
                     const struct schema_map *map, void *base, bool with_defaults);

/*
 * Reads a list by the reader of `item` into an array of `*count` times item->width bytes in the
 * schema's arena. A single value counts as a list of one, null as none. `kind` names the items in
 * problems ("servers").
 */
bool schema_list_read(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *item, const char *kind, unsigned max, void **items,
                      unsigned *count);

/* ---- problems; all return false ---- */

bool schema_bad(struct schema *schema, const struct yaml_node *node, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "EXPECTED, got "AS WRITTEN"": never the value of a variable. */
bool schema_expected(struct schema *schema, const struct yaml_node *node, const char *expected);

/* About a key that is not written in the mapping `node` (or is: then at its place). */
bool schema_bad_key(struct schema *schema, const struct yaml_node *node, const char *key,
                    const char *format, ...) PRINTF_LIKE(4, 5);

/* Problems so far: the same before and after means that all was well in between. */
unsigned schema_problem_count(const struct schema *schema);

/* The text of a scalar with its variables put in, in the arena; `expected` as "expected a URL". */
bool schema_scalar(struct schema *schema, const struct yaml_node *node, const char *expected,
                   struct str *text);

#endif
