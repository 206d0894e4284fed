/*
 * server.c - one address of a backend and its shared knowledge.
 *
 * The outlier fields are read, judged by the pure function in traffic/ and written back without a
 * lock. Two workers that fail at the same moment may lose one count of each other: an ejection then
 * comes one error later, which harms nobody, while a lock would be taken on every request.
 */
#include "state/server.h"

#include "base/check.h"

struct server *server_new(enum side side, struct str url, struct str host, uint16_t port,
                          bool is_name, bool is_tls, struct str authority)
{
    struct server *server = mem_zalloc(1, sizeof(*server));

    atomic_init(&server->refs, 1);
    server->side = side;
    server->url = str_dup(url);
    server->host = str_dup(host);
    server->authority = str_dup(authority);
    server->port = port;
    server->is_name = is_name;
    server->is_tls = is_tls;
    return server;
}

struct server *server_ref(struct server *server)
{
    atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
    return server;
}

void server_unref(struct server *server)
{
    if (atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(server->url);
    mem_free(server->host);
    mem_free(server->authority);
    mem_free(server);
}

enum health_state server_health(const struct server *server)
{
    return (enum health_state)atomic_load_explicit(&server->shared.health, memory_order_relaxed);
}

bool server_is_ejected(const struct server *server, uint64_t now_ms)
{
    return now_ms < atomic_load_explicit(&server->shared.ejected_until_ms, memory_order_relaxed);
}

bool server_is_usable(const struct server *server, uint64_t now_ms)
{
    return server_health(server) != HEALTH_DOWN && !server_is_ejected(server, now_ms);
}

bool server_note_attempt(struct server *server, const struct outlier_policy *policy, bool success,
                         uint64_t now_ms)
{
    struct outlier outlier = {
        .errors = atomic_load_explicit(&server->shared.errors, memory_order_relaxed),
        .ejections = atomic_load_explicit(&server->shared.ejections, memory_order_relaxed),
        .ejected_until_ms =
            atomic_load_explicit(&server->shared.ejected_until_ms, memory_order_relaxed),
    };
    /* The common case writes nothing, so that the line stays shared between all cores. */
    if (success && outlier.errors == 0 && outlier.ejections == 0)
        return false;

    bool ejects = outlier_note(&outlier, policy, success, now_ms);
    atomic_store_explicit(&server->shared.errors, outlier.errors, memory_order_relaxed);
    atomic_store_explicit(&server->shared.ejections, outlier.ejections, memory_order_relaxed);
    atomic_store_explicit(&server->shared.ejected_until_ms, outlier.ejected_until_ms,
                          memory_order_relaxed);
    return ejects;
}
