/*
 * certificates.h - TLS: the certificates that clients are shown, and how those of servers are
 * checked.
 */
#ifndef CONFIG_CERTIFICATES_H
#define CONFIG_CERTIFICATES_H

#include "config/config.h"
#include "config/schema.h"

/*
 * {certificate, key}, or a list of such pairs. Every pair has been read and found good when this is
 * true; the array is in the schema's arena.
 */
bool certificates_read(struct schema *schema, const struct yaml_node *node, struct tls_pair **pairs,
                       unsigned *count);

/* Reads into a struct config_backend_tls. */
extern const struct schema_map BACKEND_TLS_MAP;

/* Whether a backend can be checked against the authorities of this system: false when there are
 * none, and `error` says what to do. Takes some 20 ms. */
bool certificates_has_authorities(struct error *error) MUST_CHECK;

#endif
