/*
 * snapshot.c - immutable generations of what the data path may know.
 *
 *                 publish               adopt                 pin
 *     controller ---------> inbox(es) ---------> worker --------------> exchange
 *      1 reference           1 each               1 reference            1 reference
 *
 * The last of them to let go frees it, on whichever thread that is.
 */
#include "state/snapshot.h"

#include "base/check.h"

struct snapshot *snapshot_new(struct config *config, uint64_t generation)
{
    struct snapshot *snapshot = mem_zalloc(1, sizeof(*snapshot));

    atomic_init(&snapshot->refs, 1);
    snapshot->generation = generation;
    snapshot->config = config_ref(config);
    snapshot->policy.routes = config->routes;
    snapshot->policy.route_count = config->route_count;
    snapshot->policy.sticky = &config->sticky;
    snapshot->policy.override = &config->override;
    snapshot->policy.failover = config->failover;
    for (int side = 0; side < SIDES; side++) {
        struct snapshot_backend *backend = &snapshot->backends[side];
        backend->count = config->backends[side].server_count;
        backend->servers = mem_zalloc(backend->count, sizeof(*backend->servers));
    }
    return snapshot;
}

void snapshot_set_server(struct snapshot *snapshot, enum side side, unsigned index,
                         struct server *server, const struct addr *addrs, unsigned addr_count)
{
    CHECK(index < snapshot->backends[side].count);
    struct snapshot_server *entry = &snapshot->backends[side].servers[index];

    CHECK(entry->server == NULL);
    entry->server = server_ref(server);
    if (addr_count == 0)
        return;
    struct addr *copy = mem_zalloc(addr_count, sizeof(*copy));
    memcpy(copy, addrs, addr_count * sizeof(*copy));
    entry->addrs = copy;
    entry->addr_count = addr_count;
}

void snapshot_set_keys(struct snapshot *snapshot, unsigned listener, struct tls_keys *keys)
{
    CHECK(listener < LISTEN_MAX && snapshot->keys[listener] == NULL);
    if (keys != NULL)
        snapshot->keys[listener] = tls_keys_ref(keys);
}

void snapshot_set_trust(struct snapshot *snapshot, enum side side, struct tls_trust *trust)
{
    CHECK(snapshot->backends[side].trust == NULL);
    if (trust != NULL)
        snapshot->backends[side].trust = tls_trust_ref(trust);
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
    return snapshot;
}

static void snapshot_free(struct snapshot *snapshot)
{
    for (int side = 0; side < SIDES; side++) {
        struct snapshot_backend *backend = &snapshot->backends[side];
        for (unsigned i = 0; i < backend->count; i++) {
            if (backend->servers[i].server != NULL)
                server_unref(backend->servers[i].server);
            mem_free((void *)backend->servers[i].addrs);
        }
        mem_free(backend->servers);
        tls_trust_unref(backend->trust);
    }
    for (unsigned i = 0; i < LISTEN_MAX; i++)
        tls_keys_unref(snapshot->keys[i]);
    config_unref(snapshot->config);
    mem_free(snapshot);
}

void snapshot_unref(struct snapshot *snapshot)
{
    if (snapshot != NULL &&
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
        snapshot_free(snapshot);
}

bool snapshot_side_is_usable(const struct snapshot *snapshot, enum side side, uint64_t now_ms)
{
    const struct snapshot_backend *backend = &snapshot->backends[side];

    for (unsigned i = 0; i < backend->count; i++)
        if (server_is_usable(backend->servers[i].server, now_ms))
            return true;
    return false;
}

bool snapshot_side_may_be_tried(const struct snapshot *snapshot, enum side side)
{
    const struct snapshot_backend *backend = &snapshot->backends[side];

    for (unsigned i = 0; i < backend->count; i++)
        if (server_health(backend->servers[i].server) != HEALTH_DOWN)
            return snapshot->policy.admin[side] != ADMIN_MAINT;
    return false;
}

void snapshot_usable(const struct snapshot *snapshot, uint64_t now_ms, bool usable[SIDES])
{
    for (int side = 0; side < SIDES; side++)
        usable[side] = snapshot_side_is_usable(snapshot, (enum side)side, now_ms);
    if (usable[SIDE_OLD] || usable[SIDE_NEW])
        return;
    for (int side = 0; side < SIDES; side++)
        usable[side] = snapshot_side_may_be_tried(snapshot, (enum side)side);
}

bool snapshot_settle(const struct snapshot *snapshot, uint64_t now_ms, struct decision *decision)
{
    bool usable[SIDES];

    snapshot_usable(snapshot, now_ms, usable);
    return decide_failover(&snapshot->policy, usable, decision) ||
           snapshot_side_may_be_tried(snapshot, decision->home);
}
