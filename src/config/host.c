/* host.c - one rule for all who talk to servers. */
#include "config/host.h"

#include "http/rewrite.h"

struct str host_of_request(const struct config_backend *backend, struct str client_host,
                           struct str authority)
{
    switch (backend->host) {
    case HOST_CLIENT:
        return str_is_empty(client_host) ? authority : client_host;
    case HOST_LITERAL:
        return backend->host_literal;
    default:
        return authority;
    }
}

struct str host_of_check(const struct config_backend *backend, struct str authority)
{
    return str_is_empty(backend->health.host) ? host_of_request(backend, authority, authority)
                                              : backend->health.host;
}

struct str host_tls_name(const struct config_backend *backend, struct str host,
                         struct str server_host)
{
    struct str bare = rewrite_bare_host(host);

    if (!str_is_empty(backend->sni))
        return backend->sni;
    return str_is_empty(bare) ? server_host : bare;
}

bool host_may_have_secret(const struct config *config, const struct config_backend *backend,
                          struct str host)
{
    const struct config_forwarded *forwarded = &config->forwarded;
    struct str bare = rewrite_bare_host(host);

    if (backend->host != HOST_CLIENT)
        return true;
    if (str_is_empty(bare))
        return false;
    for (unsigned i = 0; i < forwarded->secret_host_count; i++)
        if (str_eq_nocase(bare, forwarded->secret_hosts[i]))
            return true;
    return str_eq_nocase(bare, backend->sni) ||
           str_eq_nocase(bare, rewrite_bare_host(backend->health.host));
}
