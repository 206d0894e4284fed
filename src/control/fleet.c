/*
 * fleet.c - servers of both sides: from the configuration, and what is heard of them.
 *
 *     prober   -> controller_note_check: hysteresis (traffic/health) -> shared.health -> event
 *     resolver -> controller_note_addrs: another set of addresses?   -> snapshot      -> event
 *
 * Health goes straight into the server's atomics, where every worker sees it at once; addresses are
 * part of a snapshot, so that a connection never sees half a list.
 */
#include "control/fleet.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/draft.h"
#include "control/prober.h"
#include "control/resolver.h"

/* From the configuration */

static struct controller_server make_server(enum side side, const struct config_server *config)
{
    struct controller_server made = {
        .server = server_new(side, config->url, config->host, config->port, config->is_name,
                             config->is_tls, config->authority),
    };

    if (!config->is_name) {
        made.addrs[0] = config->address;
        made.addr_count = 1;
    }
    return made;
}

/* Takes the server with this URL out of `backend`; false when there is none. */
static bool carry_over(struct controller_backend *backend, struct str url,
                       struct controller_server *server)
{
    for (unsigned i = 0; i < backend->count; i++) {
        struct controller_server *present = &backend->servers[i];

        if (present->server != NULL && str_eq(str_of(present->server->url), url)) {
            *server = *present;
            present->server = NULL;
            return true;
        }
    }
    return false;
}

static void drop_servers(struct controller_backend *backend)
{
    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].server != NULL)
            server_unref(backend->servers[i].server);
    backend->count = 0;
}

static void adopt_side(struct controller_backend *backend, enum side side,
                       const struct config_backend *config)
{
    struct controller_backend *next = mem_zalloc(1, sizeof(*next));

    CHECK(config->server_count <= SERVERS_MAX);
    next->count = config->server_count;
    for (unsigned i = 0; i < next->count; i++)
        if (!carry_over(backend, config->servers[i].url, &next->servers[i]))
            next->servers[i] = make_server(side, &config->servers[i]);
    drop_servers(backend);
    *backend = *next;
    mem_free(next);
}

void fleet_adopt(struct controller *controller)
{
    for (int side = 0; side < SIDES; side++) {
        adopt_side(&controller->backends[side], (enum side)side,
                   &controller->config->backends[side]);
    }
}

void fleet_release(struct controller *controller)
{
    for (int side = 0; side < SIDES; side++)
        drop_servers(&controller->backends[side]);
}

void fleet_write(const struct controller *controller, struct snapshot *snapshot)
{
    for (int side = 0; side < SIDES; side++) {
        const struct controller_backend *backend = &controller->backends[side];

        for (unsigned i = 0; i < backend->count; i++) {
            const struct controller_server *server = &backend->servers[i];

            snapshot_set_server(snapshot, (enum side)side, i, server->server, server->addrs,
                                server->addr_count);
        }
    }
}

/* Inspect */

static bool some_server_is(const struct controller *controller, enum side side,
                           enum health_state state)
{
    const struct controller_backend *backend = &controller->backends[side];

    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].health.state == state)
            return true;
    return false;
}

static bool is_usable(const struct controller *controller, enum side side)
{
    return controller->state.admin[side] != ADMIN_MAINT &&
           snapshot_side_is_usable(controller->snapshot, side, clock_mono_ms());
}

bool fleet_old_is_usable(const struct controller *controller)
{
    return is_usable(controller, SIDE_OLD);
}

bool fleet_new_is_usable(const struct controller *controller)
{
    return is_usable(controller, SIDE_NEW);
}

bool controller_rollback_ready(const struct controller *controller)
{
    return controller_rollback_trouble(controller) == NULL;
}

const char *controller_rollback_trouble(const struct controller *controller)
{
    const struct controller_backend *old = &controller->backends[SIDE_OLD];
    uint64_t now_ms = clock_mono_ms();

    if (controller->state.admin[SIDE_OLD] == ADMIN_MAINT)
        return "old is in maint: cutover backend old ready";
    for (unsigned i = 0; i < old->count; i++)
        if (old->servers[i].health.state == HEALTH_UP &&
            !server_is_ejected(old->servers[i].server, now_ms))
            return NULL;
    if (some_server_is(controller, SIDE_OLD, HEALTH_UP))
        return "every server of old is ejected after errors";
    return some_server_is(controller, SIDE_OLD, HEALTH_UNKNOWN) ? "old has not been checked yet"
                                                                : "old has no server that is up";
}

bool controller_is_ready(const struct controller *controller)
{
    return !controller->draining && controller->has_been_up;
}

/* Health */

static void fill_event(struct event *event, const char *what, const char *subject,
                       const char *detail)
{
    *event = (struct event){.actor = "cutover", .result = "ok"};
    snprintf(event->what, sizeof(event->what), "%s", what);
    snprintf(event->subject, sizeof(event->subject), "%s", subject);
    snprintf(event->reason, sizeof(event->reason), "%s", detail);
}

static void tell_flip(struct controller *controller, const struct controller_server *server,
                      enum health_state before, const char *detail)
{
    struct event event;

    fill_event(&event, "health", server->server->url, detail);
    snprintf(event.from, sizeof(event.from), "%s", health_name(before));
    snprintf(event.to, sizeof(event.to), "%s", health_name(server->health.state));
    events_add(&controller->events, event);
    if (server->health.state == HEALTH_DOWN && !some_server_is(controller, SIDE_OLD, HEALTH_UP) &&
        !some_server_is(controller, SIDE_NEW, HEALTH_UP) &&
        !some_server_is(controller, SIDE_OLD, HEALTH_UNKNOWN) &&
        !some_server_is(controller, SIDE_NEW, HEALTH_UNKNOWN))
        log_message(LOG_ERROR, "both backends are down: every request is answered 503");
}

static void forget_errors(struct controller_server *server)
{
    atomic_store_explicit(&server->server->shared.errors, 0, memory_order_relaxed);
    atomic_store_explicit(&server->server->shared.ejections, 0, memory_order_relaxed);
    atomic_store_explicit(&server->server->shared.ejected_until_ms, 0, memory_order_relaxed);
}

void controller_note_check(struct controller *controller, enum side side, unsigned index,
                           bool success, const char *detail)
{
    CHECK(index < controller->backends[side].count);
    struct controller_server *server = &controller->backends[side].servers[index];
    enum health_state before = server->health.state;

    if (!success) /* its name may have other addresses by now */
        resolver_hurry(controller->resolver, server->server);
    if (!health_note(&server->health, &controller->config->backends[side].health, success))
        return;
    atomic_store_explicit(&server->server->shared.health, (int)server->health.state,
                          memory_order_relaxed);
    controller->has_been_up = controller->has_been_up || server->health.state == HEALTH_UP;
    if (before == HEALTH_DOWN)
        forget_errors(server); /* those before it went down say nothing about it now */
    tell_flip(controller, server, before, detail);
}

/* Ejection */

static void watch_ejection(struct controller *controller, struct controller_server *server,
                           uint64_t now_ms)
{
    bool is_ejected = server_is_ejected(server->server, now_ms);
    struct event event;

    if (is_ejected == server->is_ejected)
        return;
    server->is_ejected = is_ejected;
    fill_event(&event, "eject", server->server->url, "its time out is over");
    if (is_ejected) {
        snprintf(event.reason, sizeof(event.reason), "%u errors in a row",
                 controller->config->outlier.consecutive_errors);
    }
    snprintf(event.from, sizeof(event.from), "%s", is_ejected ? "in" : "out");
    snprintf(event.to, sizeof(event.to), "%s", is_ejected ? "out" : "in");
    events_add(&controller->events, event);
}

/* Workers eject; what they did shows in the servers' atomics, and is told from here. */
void controller_watch_ejections(struct controller *controller)
{
    uint64_t now_ms = clock_mono_ms();

    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < controller->backends[side].count; i++)
            watch_ejection(controller, &controller->backends[side].servers[i], now_ms);
}

/* Addresses */

bool fleet_has_addr(const struct addr *addrs, unsigned count, const struct addr *addr)
{
    for (unsigned i = 0; i < count; i++)
        if (addr_eq(&addrs[i], addr))
            return true;
    return false;
}

/* As sets: name servers rotate the order with every answer, and that is no news. */
static bool addrs_differ(const struct controller_server *server, const struct addr *addrs,
                         unsigned count)
{
    bool differ = server->addr_count != count;

    for (unsigned i = 0; i < count && !differ; i++)
        differ = !fleet_has_addr(server->addrs, server->addr_count, &addrs[i]);
    return differ;
}

/* None of them is one that it has. */
static bool has_moved(const struct controller_server *server, const struct addr *addrs,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (fleet_has_addr(server->addrs, server->addr_count, &addrs[i]))
            return false;
    return true;
}

/* "10.0.0.1 10.0.0.2 ..." as far as there is room. */
static void list_addrs(const struct addr *addrs, unsigned count, char *text, size_t size)
{
    size_t used = 0;

    for (unsigned i = 0; i < count && used + ADDR_TEXT_BYTES < size; i++) {
        char ip[ADDR_TEXT_BYTES];
        struct str formatted = addr_format_ip(&addrs[i], ip);

        used += (size_t)snprintf(text + used, size - used, "%s%.*s", i == 0 ? "" : " ",
                                 STR_ARG(formatted));
    }
}

static void tell_addrs(struct controller *controller, const struct controller_server *server,
                       unsigned count_before, const char *detail)
{
    struct event event;

    fill_event(&event, "addresses", server->server->url, detail);
    snprintf(event.from, sizeof(event.from), "%u", count_before);
    snprintf(event.to, sizeof(event.to), "%u", server->addr_count);
    if (str_is_empty(str_of(detail)))
        list_addrs(server->addrs, server->addr_count, event.reason, sizeof(event.reason));
    else
        snprintf(event.result, sizeof(event.result), "unresolved");
    events_add(&controller->events, event);
}

void controller_note_addrs(struct controller *controller, enum side side, unsigned index,
                           const struct addr *addrs, unsigned count, const char *detail)
{
    CHECK(index < controller->backends[side].count && count <= SERVER_ADDRS_MAX);
    struct controller_server *server = &controller->backends[side].servers[index];
    unsigned count_before = server->addr_count;
    struct error error;

    if (count == 0) {
        tell_addrs(controller, server, count_before, detail);
        return;
    }
    if (!addrs_differ(server, addrs, count))
        return;
    bool moved = has_moved(server, addrs, count);
    memcpy(server->addrs, addrs, count * sizeof(*addrs));
    server->addr_count = count;
    controller_publish(controller);
    if (moved)
        forget_errors(server); /* what went wrong elsewhere must not keep it ejected here */
    tell_addrs(controller, server, count_before, "");
    prober_sync(controller->prober); /* a check may have waited for the first address */
    if (controller->generation - controller->store.sequence >= DRAFT_GENERATION_GAP / 2)
        state_save(controller, &error); /* so that the gap at the next start suffices */
}
