/*
 * later.h - keys that the configuration has already and this version does not act on yet.
 *
 * They are checked like all others, so that a typing mistake in them is found, and then refused
 * with one sentence each, unless they say what is true without them.
 */
#ifndef CONFIG_LATER_H
#define CONFIG_LATER_H

#include "config/schema.h"

#define LATER_EMF  "CloudWatch lines; scrape /metrics of the admin API"
#define LATER_PLAN "steps are advanced by hand with \"cutover weight\""

/* The whole section. */
bool later_plan(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                void *place);

#endif
