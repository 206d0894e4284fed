/* witness.c - two short lists; what nobody else holds any more leaves them on the way. */
#include "witness.h"

#include "base/check.h"
#include "storm.h"

#define HELD_MAX 4096

static struct {
    bool is_watching;
    struct server *servers[HELD_MAX]; /* owned: one reference each, as all below */
    unsigned server_count;
    struct config *configs[HELD_MAX];
    unsigned config_count;
} held;

static unsigned refs_of(const _Atomic unsigned *refs)
{
    return atomic_load_explicit(refs, memory_order_acquire);
}

static void drop_lonely(void)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < held.server_count; i++)
        if (refs_of(&held.servers[i]->refs) == 1)
            server_unref(held.servers[i]);
        else
            held.servers[kept++] = held.servers[i];
    held.server_count = kept;
    kept = 0;
    for (unsigned i = 0; i < held.config_count; i++)
        if (refs_of(&held.configs[i]->refs) == 1)
            config_unref(held.configs[i]);
        else
            held.configs[kept++] = held.configs[i];
    held.config_count = kept;
}

static void note_server(struct server *server)
{
    for (unsigned i = held.server_count; i > 0; i--)
        if (held.servers[i - 1] == server)
            return;
    CHECK(held.server_count < HELD_MAX);
    held.servers[held.server_count++] = server_ref(server);
}

static void note_config(struct config *config)
{
    for (unsigned i = held.config_count; i > 0; i--)
        if (held.configs[i - 1] == config)
            return;
    CHECK(held.config_count < HELD_MAX);
    held.configs[held.config_count++] = config_ref(config);
}

void witness_begin(bool watches)
{
    held.is_watching = watches;
}

void witness_note(struct snapshot *snapshot)
{
    count(&counts.snapshots);
    if (!held.is_watching)
        return;
    note_config(snapshot->config);
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < snapshot->backends[side].count; i++)
            note_server(snapshot->backends[side].servers[i].server);
    if (held.server_count > HELD_MAX - 2 * SERVERS_MAX || held.config_count > HELD_MAX - 2)
        drop_lonely();
}

static void judge_gauges(const struct server *server, const char *life)
{
    unsigned upstreams = refs_of(&server->shared.upstreams);
    unsigned active = refs_of(&server->shared.active);
    unsigned waiting = refs_of(&server->shared.waiting);

    if (upstreams != 0 || active != 0 || waiting != 0) {
        storm_fault("%s: a server's gauges are left at upstreams %u, active %u, waiting %u", life,
                    upstreams, active, waiting);
    }
}

void witness_judge(const char *life)
{
    for (unsigned i = 0; i < held.server_count; i++) {
        unsigned left = refs_of(&held.servers[i]->refs) - 1;
        if (left != 0)
            storm_fault("%s: a server has %u references left", life, left);
        judge_gauges(held.servers[i], life);
        server_unref(held.servers[i]);
    }
    for (unsigned i = 0; i < held.config_count; i++) {
        unsigned left = refs_of(&held.configs[i]->refs) - 1;
        if (left != 0)
            storm_fault("%s: a configuration has %u references left", life, left);
        config_unref(held.configs[i]);
    }
    held.server_count = held.config_count = 0;
}
