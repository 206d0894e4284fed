/* backends.h - the two sides: servers, Host, health. Reads into struct config_backend[SIDES]. */
#ifndef CONFIG_BACKENDS_H
#define CONFIG_BACKENDS_H

#include "config/config.h"
#include "config/schema.h"

extern const struct schema_map BACKENDS_MAP;

/* The keys of a struct health_policy: the common section, and what a backend overrides. */
extern const struct schema_map HEALTH_MAP;

#endif
