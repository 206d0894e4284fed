/* routes.h - the list of routes. */
#ifndef CONFIG_ROUTES_H
#define CONFIG_ROUTES_H

#include "config/config.h"
#include "config/schema.h"

/* Fills routes and route_plans of a struct config. */
bool routes_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place);

#endif
