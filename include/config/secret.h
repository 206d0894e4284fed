/* secret.h - the reader for keys that name a file with a secret in it. */
#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

#include "config/readers.h"

/* The longest secret; its file may have some blank lines around it. */
#define SECRET_MAX_BYTES 512

/*
 * A struct str: the content of the file that is named, without white space at its ends, `min` (of
 * the key's reader_range; max is ignored) to SECRET_MAX_BYTES bytes of visible ASCII.
 */
bool secret_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place);

#endif
