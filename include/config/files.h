/*
 * files.h - the readers for keys that name a file or a folder, which must be there already.
 *
 * A problem with a file names it as it is written, which may be by a variable: whoever puts a key
 * itself into a variable instead of its path must not find it in a log.
 */
#ifndef CONFIG_FILES_H
#define CONFIG_FILES_H

#include "config/readers.h"

/* A struct str: the path of a plain file that we may read. Empty, from a variable, is null where
 * null is allowed. */
bool file_reader(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place);

/* A struct str: the path of a folder in which we may open files. Empty as above. */
bool folder_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place);

/* For readers that want what is in the file: a descriptor, which is the caller's, or -1 and a
 * problem. */
int file_open(struct schema *schema, const struct yaml_node *node, struct str path);

/* Adds the problem: the file "AS WRITTEN": WHY. Returns false. */
bool file_bad(struct schema *schema, const struct yaml_node *node, const char *why);

#endif
