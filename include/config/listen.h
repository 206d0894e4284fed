/* listen.h - where connections come in: clients' (listen) and operators' (admin). */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include "config/config.h"
#include "config/schema.h"

/* Fills listen and listen_count of a struct config. Null: the environment variable PORT says. */
bool listen_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place);

/* Reads into a struct config_admin. */
extern const struct schema_map ADMIN_MAP;

/* Port 0 takes any free port, so two of those are different places. */
bool listen_is_same_place(const struct addr *a, const struct addr *b);

#endif
