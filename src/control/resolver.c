/*
 * resolver.c - one look-up for each server with a name, over and over:
 *
 *     timer -> uv_getaddrinfo -> addresses -> controller_note_addrs -> timer (15 s)
 *                             -> failure: the first in a row is told  -> timer (2, 4, 8, 15 s)
 *
 * A look-up whose server is gone, or that the resolver has stopped, touches nothing but itself when
 * its answer comes: it frees itself once the timer is closed and no answer is due.
 */
#include "control/resolver.h"

#include <netdb.h>
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "control/fleet.h"

#define EVERY_MS 15000
#define RETRY_MS 2000

struct resolver {
    struct controller *controller; /* borrowed: it owns this resolver */
    struct list lookups;           /* owned */
    bool is_started;
};

struct lookup {
    struct list node;
    struct controller *controller; /* borrowed; not to be touched once is_gone */
    struct server *server;         /* owned: one reference */
    unsigned index;                /* of the server on its side */
    unsigned failures;             /* in a row */
    bool is_gone;
    unsigned open; /* the timer, and a request that is under way */
    uv_timer_t timer;
    uv_getaddrinfo_t request;
};

static void free_when_closed(struct lookup *lookup)
{
    if (--lookup->open == 0) {
        server_unref(lookup->server);
        mem_free(lookup);
    }
}

/* The answer */

/* In the system's order of preference, each once, with the server's port. */
static unsigned collect_addrs(const struct lookup *lookup, const struct addrinfo *found,
                              struct addr addrs[SERVER_ADDRS_MAX])
{
    unsigned count = 0;

    for (; found != NULL && count < SERVER_ADDRS_MAX; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
            continue;
        struct addr addr = addr_from_sockaddr(found->ai_addr);
        addr_set_port(&addr, lookup->server->port);
        if (!fleet_has_addr(addrs, count, &addr))
            addrs[count++] = addr;
    }
    return count;
}

static uint64_t retry_ms(unsigned failures)
{
    uint64_t delay_ms = RETRY_MS;

    for (unsigned i = 1; i < failures && delay_ms < EVERY_MS; i++)
        delay_ms *= 2;
    return delay_ms < EVERY_MS ? delay_ms : EVERY_MS;
}

static void note_failure(struct lookup *lookup, const char *detail)
{
    if (lookup->failures++ == 0) {
        controller_note_addrs(lookup->controller, lookup->server->side, lookup->index, NULL, 0,
                              detail);
    }
}

static void note_addrs(struct lookup *lookup, const struct addr *addrs, unsigned count)
{
    if (lookup->failures > 0)
        log_event(LOG_INFO, "the name resolves again", LOG_TEXT("server", lookup->server->url));
    lookup->failures = 0;
    controller_note_addrs(lookup->controller, lookup->server->side, lookup->index, addrs, count,
                          "");
}

static void on_timer(uv_timer_t *timer);

static void take_answer(struct lookup *lookup, int status, const struct addrinfo *found)
{
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned count = status == 0 ? collect_addrs(lookup, found, addrs) : 0;

    if (count > 0)
        note_addrs(lookup, addrs, count);
    else
        note_failure(lookup, status < 0 ? uv_strerror(status) : "the answer holds no address");
    uv_timer_start(&lookup->timer, on_timer,
                   lookup->failures == 0 ? EVERY_MS : retry_ms(lookup->failures), 0);
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct lookup *lookup = request->data;

    if (!lookup->is_gone)
        take_answer(lookup, status, found);
    uv_freeaddrinfo(found);
    free_when_closed(lookup);
}

/* The question */

static void ask(struct lookup *lookup)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status = uv_getaddrinfo(lookup->controller->loop, &lookup->request, on_answer,
                                lookup->server->host, NULL, &hints);

    if (status == 0)
        lookup->open++;
    else
        take_answer(lookup, status, NULL);
}

static void on_timer(uv_timer_t *timer)
{
    ask(timer->data);
}

static void lookup_start(struct resolver *resolver, enum side side, unsigned index)
{
    struct lookup *lookup = mem_zalloc(1, sizeof(*lookup));

    lookup->controller = resolver->controller;
    lookup->server = server_ref(resolver->controller->backends[side].servers[index].server);
    lookup->index = index;
    lookup->open = 1;
    uv_timer_init(resolver->controller->loop, &lookup->timer);
    lookup->timer.data = lookup;
    lookup->request.data = lookup;
    list_push_back(&resolver->lookups, &lookup->node);
    ask(lookup);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

/* The cancel fails when a thread is busy with it: on_answer then comes when it comes. */
static void lookup_close(struct lookup *lookup)
{
    list_remove(&lookup->node);
    lookup->is_gone = true;
    if (lookup->open > 1)
        uv_cancel((uv_req_t *)&lookup->request);
    uv_close((uv_handle_t *)&lookup->timer, on_timer_closed);
}

/* All look-ups */

struct resolver *resolver_new(struct controller *controller)
{
    struct resolver *resolver = mem_zalloc(1, sizeof(*resolver));

    resolver->controller = controller;
    list_init(&resolver->lookups);
    return resolver;
}

/* Moves the look-up of `server` to `index`; false when there is none. */
static bool move_lookup(struct resolver *resolver, const struct server *server, unsigned index)
{
    LIST_FOREACH (&resolver->lookups, node) {
        struct lookup *lookup = CONTAINER_OF(node, struct lookup, node);

        if (lookup->server == server) {
            lookup->index = index;
            return true;
        }
    }
    return false;
}

static bool is_still_there(const struct controller *controller, const struct server *server)
{
    const struct controller_backend *backend = &controller->backends[server->side];

    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].server == server)
            return true;
    return false;
}

static void sync_side(struct resolver *resolver, enum side side)
{
    const struct controller_backend *backend = &resolver->controller->backends[side];

    for (unsigned i = 0; i < backend->count; i++) {
        const struct server *server = backend->servers[i].server;

        if (server->is_name && !move_lookup(resolver, server, i))
            lookup_start(resolver, side, i);
    }
}

void resolver_sync(struct resolver *resolver)
{
    if (!resolver->is_started)
        return;
    LIST_FOREACH (&resolver->lookups, node) {
        struct lookup *lookup = CONTAINER_OF(node, struct lookup, node);

        if (!is_still_there(resolver->controller, lookup->server))
            lookup_close(lookup);
    }
    sync_side(resolver, SIDE_OLD);
    sync_side(resolver, SIDE_NEW);
}

void resolver_start(struct resolver *resolver)
{
    resolver->is_started = true;
    resolver_sync(resolver);
}

void resolver_stop(struct resolver *resolver)
{
    resolver->is_started = false;
    LIST_FOREACH (&resolver->lookups, node)
        lookup_close(CONTAINER_OF(node, struct lookup, node));
}

void resolver_free(struct resolver *resolver)
{
    CHECK(list_is_empty(&resolver->lookups));
    mem_free(resolver);
}
