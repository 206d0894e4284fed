/* trust.h - whose X-Forwarded-* are believed: ranges of addresses, and presets for platforms. */
#ifndef CONFIG_TRUST_H
#define CONFIG_TRUST_H

#include "config/config.h"
#include "config/schema.h"

/* Fills trust and trust_count of a struct config_forwarded. */
bool trust_reader(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                  void *place);

/* The entry that makes us believe whoever connects from `address`; NULL: nobody. */
const struct config_trust *trust_of_address(const struct config_forwarded *forwarded,
                                            const struct addr *address);

#endif
