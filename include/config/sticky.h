/* sticky.h - how users are recognised and kept: the affinity cookie and the identity chain. */
#ifndef CONFIG_STICKY_H
#define CONFIG_STICKY_H

#include "config/config.h"
#include "config/schema.h"

/* Reads into a struct sticky. */
extern const struct schema_map STICKY_MAP;

#endif
