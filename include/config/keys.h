/* keys.h - the top of the configuration: every section and key, with its default. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"
#include "config/schema.h"

/* Reads into a struct config. */
extern const struct schema_map CONFIG_MAP;

#endif
