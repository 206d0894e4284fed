/*
 * host.h - which Host a backend's requests carry, and whom TLS is then for. The data path, the
 * health checks and doctor all ask here. Pure; results point into the arguments.
 *
 * `authority` is that of the server's own URL; `client_host` is the Host that the client sent.
 */
#ifndef CONFIG_HOST_H
#define CONFIG_HOST_H

#include "config/config.h"

/* By backends.X.host; never empty: a client of HTTP/1.0 may have sent none. */
struct str host_of_request(const struct config_backend *backend, struct str client_host,
                           struct str authority);

/* health.host, or what other requests carry; there is no client here, so with host: client it is
 * the server's own. */
struct str host_of_check(const struct config_backend *backend, struct str authority);

/* SNI, and the name that the certificate must be for, of a request with this `host`: backends.X.sni,
 * or the host without its port; for a request without any, `server_host` (of the URL). */
struct str host_tls_name(const struct config_backend *backend, struct str host,
                         struct str server_host);

/*
 * Whether a request that carries `host` may carry forwarded.secret too. With the client's own Host a
 * stranger may name an application of his own on the same platform: then only hosts that the
 * configuration knows to be ours are told (sni, health.host, secret_hosts). Those that a listener's
 * certificate is for are ours as well: the caller knows them.
 */
bool host_may_have_secret(const struct config *config, const struct config_backend *backend,
                          struct str host);

#endif
