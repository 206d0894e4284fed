/*
 * prober.c - one probe for each server of both sides: makes and ends them as servers come and go.
 */
#include "control/prober.h"

#include "base/check.h"
#include "control/probe.h"

struct prober {
    struct controller *controller; /* borrowed: it owns this prober */
    struct list probes;            /* owned */
    bool is_started;
};

struct prober *prober_new(struct controller *controller)
{
    struct prober *prober = mem_zalloc(1, sizeof(*prober));

    prober->controller = controller;
    list_init(&prober->probes);
    return prober;
}

static struct probe *find_probe(struct prober *prober, const struct server *server)
{
    LIST_FOREACH (&prober->probes, node)
        if (probe_server(probe_of_node(node)) == server)
            return probe_of_node(node);
    return NULL;
}

/* The index of a server on its side now, or -1. */
static int index_of(const struct controller *controller, const struct server *server)
{
    const struct controller_backend *backend = &controller->backends[server->side];

    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].server == server)
            return (int)i;
    return -1;
}

static void start_missing(struct prober *prober, enum side side)
{
    const struct controller_backend *backend = &prober->controller->backends[side];

    for (unsigned i = 0; i < backend->count; i++)
        if (find_probe(prober, backend->servers[i].server) == NULL)
            probe_start(probe_new(prober->controller, side, i, &prober->probes));
}

void prober_sync(struct prober *prober)
{
    if (!prober->is_started)
        return;
    LIST_FOREACH (&prober->probes, node) {
        struct probe *probe = probe_of_node(node);
        int index = index_of(prober->controller, probe_server(probe));

        if (index < 0)
            probe_close(probe);
        else
            probe_update(probe, (unsigned)index);
    }
    start_missing(prober, SIDE_OLD);
    start_missing(prober, SIDE_NEW);
}

void prober_start(struct prober *prober)
{
    prober->is_started = true;
    prober_sync(prober);
}

void prober_stop(struct prober *prober)
{
    prober->is_started = false;
    LIST_FOREACH (&prober->probes, node)
        probe_close(probe_of_node(node));
}

void prober_free(struct prober *prober)
{
    CHECK(list_is_empty(&prober->probes));
    mem_free(prober);
}
