/*
 * yaml.h - bytes to a tree of nodes that know where they stand. The only user of libyaml.
 *
 * A small, boring part of YAML: one document of mappings, lists and scalars. Anchors, aliases and
 * tags are refused, so the tree is never larger than the file, and depth, size and the number of
 * nodes are bounded. Scalars stay text; what a text means is the schema's business.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "config/problem.h"

/* Files larger than this are refused; so are more than this many nested levels, and aliases. */
#define CONFIG_FILE_MAX_BYTES (1024 * 1024)
#define CONFIG_DEPTH_MAX      16
#define CONFIG_NODES_MAX      10000

enum yaml_kind { YAML_SCALAR = 0, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    unsigned line, column;          /* from 1: where the value begins */
    unsigned key_line, key_column;  /* where its key begins; as the value outside a mapping */
    const struct yaml_node *parent; /* borrowed: same arena; NULL at the top */
    struct str key;                 /* in a mapping */
    unsigned index;                 /* in a sequence, from 0 */
    struct yaml_node *next;         /* of the same parent */

    struct yaml_node *first, *last; /* of the children */
    unsigned count;

    struct str text; /* scalars; no NUL inside */
    bool is_plain;   /* written without quotes */
};

/*
 * The top node, a mapping, from `arena`; NULL when the text cannot be read as YAML to its end, and
 * then a problem says why. A duplicate key is a problem too, but the tree is still given (with the
 * first of the two), so that the rest of the file can be checked.
 */
struct yaml_node *yaml_read(struct str text, struct arena *arena, struct config_problems *problems);

/* The value under `key` in a mapping, or NULL. NULL as well when `node` is no mapping. */
const struct yaml_node *yaml_child(const struct yaml_node *node, struct str key);

/* Nothing, null or ~ without quotes. */
bool yaml_is_null(const struct yaml_node *node);

/* Appends "backends.new.servers[1]". */
void yaml_path(const struct yaml_node *node, struct buf *out);

#endif
