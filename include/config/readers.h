/*
 * readers.h - the readers that most keys of a schema need: one scalar to one value in its place.
 *
 * All are schema_read_cb. The key's `argument` is what each of them says here. A value that is not
 * good is a problem with what was expected and the text as it was written.
 */
#ifndef CONFIG_READERS_H
#define CONFIG_READERS_H

#include "config/schema.h"

/* Numbers go into an unsigned or uint64_t place (by the key's width), in the range given. */
struct reader_range {
    uint64_t min, max;
    bool or_zero; /* 0 is allowed below min: "none" */
};
bool reader_duration(struct schema *schema, const struct yaml_node *node,
                     const struct schema_key *key, void *place); /* milliseconds */
bool reader_seconds(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place); /* range in milliseconds */
bool reader_size(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place); /* bytes */
bool reader_integer(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place);
bool reader_ratio(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                  void *place); /* hundredths */
bool reader_percentage(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place); /* 0..10000; no argument */
bool reader_bool(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place);

/* An enum (or bool) whose values are the indexes of the names. READER_NAMES: at file scope only. */
struct reader_names {
    const char *const *names;
    unsigned count;
};
#define READER_NAMES(...)                                                                    \
    {                                                                                        \
        (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})), \
    }
bool reader_enum(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place);

/* A struct str that follows a rule. Empty, from a variable, is null where null is allowed. */
struct reader_word {
    word_rule_cb rule;
};
bool reader_word(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place);

/* A mapping inside (argument: its schema_map), with its defaults, or only what is written. */
bool reader_section(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place);
bool reader_overrides(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, void *place);

#endif
