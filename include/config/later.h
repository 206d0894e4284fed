/*
 * later.h - keys that the configuration has already and this version does not act on yet.
 *
 * They are checked like all others, so that a typing mistake in them is found, and then refused
 * with one sentence each, unless they say what is true without them.
 */
#ifndef CONFIG_LATER_H
#define CONFIG_LATER_H

#include "config/schema.h"

#define LATER_BACKEND_TLS    "TLS to backends; use http:// over a private network"
#define LATER_LISTEN_TLS     "TLS towards clients; put the platform's load balancer in front"
#define LATER_ADMIN_TLS      "TLS for the admin API; keep it on 127.0.0.1 or a private network"
#define LATER_PROXY_PROTOCOL "the PROXY protocol; use forwarded.trust"
#define LATER_HANDSHAKE      "TLS to backends, so there is no handshake to wait for"
#define LATER_EMF            "CloudWatch lines; scrape /metrics of the admin API"
#define LATER_PLAN           "steps are advanced by hand with \"cutover weight\""

/* backends.*.tls */
extern const struct schema_map LATER_BACKEND_TLS_MAP;

/* {certificate, key}, or a list of such pairs. */
bool later_certificates(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, void *place);

/* The whole section. */
bool later_plan(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                void *place);

#endif
