/*
 * resolver.c - one named server, looked up over and over:
 *
 *              +------ 15 s, or 2 4 8 15 s after a failure, or hurried: 2 s after the last ------+
 *              v                                                                                 |
 *     ask -> ASKING -> answer: addresses -> controller_note_addrs ------------------------> WAITING
 *              |               trouble   -> the first in a row is told ------------------------> |
 *              +-> 5 s without an answer: told as a failure, and waited for all the same
 *
 * The one timer is the next look-up in WAITING, and the end of patience in ASKING.
 */
#include "control/resolver.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/fleet.h"
#include "net/lookup.h"

#define EVERY_MS 15000
#define RETRY_MS 2000 /* also: the shortest time between two look-ups of a server */

/* What the system waits for a name server before it asks the next one: worth a word. */
#define SLOW_MS 5000

/* A timer later than this: the machine stood still, and the answer may be here already. */
#define LATE_MS 500

struct resolver {
    struct controller *controller; /* borrowed: it owns this resolver */
    struct lookups *lookups;       /* owned; NULL: not started, or stopped */
    struct list servers;           /* owned */
};

struct named_server {
    struct list node;
    struct resolver *resolver; /* borrowed */
    struct server *server;     /* owned: one reference */
    unsigned index;            /* of the server on its side */
    struct lookup *lookup;     /* owned; NULL: WAITING, else ASKING */
    uint64_t asked_ms;         /* monotonic, as is the next */
    uint64_t due_ms;           /* of the timer */
    unsigned failures;         /* in a row */
    bool is_slow; /* it was told that look-ups take too long; no news until one is in time */
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);

/* libuv counts from its own idea of now, which a long write to disk leaves behind. */
static void arm(struct named_server *named, uint64_t delay_ms)
{
    named->due_ms = clock_mono_ms() + delay_ms;
    uv_update_time(named->resolver->controller->loop);
    uv_timer_start(&named->timer, on_timer, delay_ms, 0);
}

/* The answer */

enum family { FAMILY_V4 = 0, FAMILY_V6, FAMILIES };

/* From an answer that may hold more than there is room for. */
struct choice {
    const struct controller_server *present;
    struct addr found[LOOKUP_ADDRS_MAX]; /* with the server's port */
    unsigned found_count;
    bool is_chosen[LOOKUP_ADDRS_MAX];
    unsigned places[FAMILIES]; /* left */
};

static enum family family_of(const struct addr *addr)
{
    return addr->any.sa_family == AF_INET6 ? FAMILY_V6 : FAMILY_V4;
}

/* Half of the places are each family's if it needs them, so that there is something to fall back to
 * where one of them leads nowhere. */
static void count_places(struct choice *choice)
{
    unsigned counts[FAMILIES] = {0};

    for (unsigned i = 0; i < choice->found_count; i++)
        counts[family_of(&choice->found[i])]++;
    for (int family = 0; family < FAMILIES; family++) {
        unsigned others = counts[family == FAMILY_V4 ? FAMILY_V6 : FAMILY_V4];
        unsigned claimed = others < SERVER_ADDRS_MAX / 2 ? others : SERVER_ADDRS_MAX / 2;
        choice->places[family] = SERVER_ADDRS_MAX - claimed;
    }
}

static void choose(struct choice *choice, bool only_present)
{
    const struct controller_server *present = choice->present;

    for (unsigned i = 0; i < choice->found_count; i++) {
        const struct addr *addr = &choice->found[i];
        unsigned *places = &choice->places[family_of(addr)];

        if (*places == 0 || choice->is_chosen[i])
            continue;
        if (only_present && !fleet_has_addr(present->addrs, present->addr_count, addr))
            continue;
        choice->is_chosen[i] = true;
        --*places;
    }
}

/* In the order of the answer. Those that the server has already come first when there are too many:
 * name servers rotate long answers, and that must not look like new addresses each time. */
static unsigned choose_addrs(const struct named_server *named, const struct lookup_answer *answer,
                             struct addr addrs[SERVER_ADDRS_MAX])
{
    const struct controller *controller = named->resolver->controller;
    struct choice choice = {
        .present = &controller->backends[named->server->side].servers[named->index],
        .found_count = answer->count,
    };
    unsigned count = 0;

    for (unsigned i = 0; i < answer->count; i++) {
        choice.found[i] = answer->addrs[i];
        addr_set_port(&choice.found[i], named->server->port);
    }
    count_places(&choice);
    choose(&choice, true);
    choose(&choice, false);
    for (unsigned i = 0; i < choice.found_count; i++)
        if (choice.is_chosen[i])
            addrs[count++] = choice.found[i];
    return count;
}

static uint64_t retry_ms(unsigned failures)
{
    uint64_t delay_ms = RETRY_MS;

    for (unsigned i = 1; i < failures && delay_ms < EVERY_MS; i++)
        delay_ms *= 2;
    return delay_ms < EVERY_MS ? delay_ms : EVERY_MS;
}

static void note_failure(struct named_server *named, const char *detail)
{
    if (named->failures++ == 0) {
        controller_note_addrs(named->resolver->controller, named->server->side, named->index, NULL,
                              0, detail);
    }
}

static void note_addrs(struct named_server *named, const struct lookup_answer *answer)
{
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned count = choose_addrs(named, answer, addrs);

    if (named->failures > 0)
        log_event(LOG_INFO, "the name resolves again", LOG_TEXT("server", named->server->url));
    named->failures = 0;
    controller_note_addrs(named->resolver->controller, named->server->side, named->index, addrs,
                          count, "");
}

static void on_answer(void *data, const struct lookup_answer *answer)
{
    struct named_server *named = data;

    named->lookup = NULL;
    if (clock_mono_ms() - named->asked_ms < SLOW_MS)
        named->is_slow = false;
    if (answer->count > 0)
        note_addrs(named, answer);
    else
        note_failure(named, answer->trouble);
    arm(named, named->failures == 0 ? EVERY_MS : retry_ms(named->failures));
}

/* The question */

static void ask(struct named_server *named)
{
    named->asked_ms = clock_mono_ms();
    named->lookup = lookup_start(named->resolver->lookups, named->server->host, on_answer, named);
    arm(named, SLOW_MS);
}

static void patience_is_over(struct named_server *named)
{
    char detail[64];

    if (named->is_slow)
        return;
    named->is_slow = true;
    snprintf(detail, sizeof(detail), "the look-up has not ended after %us",
             (unsigned)(SLOW_MS / 1000));
    note_failure(named, detail);
}

static void on_timer(uv_timer_t *timer)
{
    struct named_server *named = timer->data;

    if (named->lookup == NULL)
        ask(named);
    else if (clock_mono_ms() > named->due_ms + LATE_MS)
        arm(named, SLOW_MS);
    else
        patience_is_over(named);
}

static void hurry(struct named_server *named)
{
    uint64_t since_ms = clock_mono_ms() - named->asked_ms;
    uint64_t delay_ms = since_ms < RETRY_MS ? RETRY_MS - since_ms : 0;

    if (named->lookup == NULL && uv_timer_get_due_in(&named->timer) > delay_ms)
        arm(named, delay_ms);
}

static void named_start(struct resolver *resolver, enum side side, unsigned index)
{
    struct named_server *named = mem_zalloc(1, sizeof(*named));

    named->resolver = resolver;
    named->server = server_ref(resolver->controller->backends[side].servers[index].server);
    named->index = index;
    uv_timer_init(resolver->controller->loop, &named->timer);
    named->timer.data = named;
    list_push_back(&resolver->servers, &named->node);
    ask(named);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct named_server *named = handle->data;

    server_unref(named->server);
    mem_free(named);
}

static void named_close(struct named_server *named)
{
    list_remove(&named->node);
    if (named->lookup != NULL)
        lookup_cancel(named->lookup);
    uv_close((uv_handle_t *)&named->timer, on_timer_closed);
}

/* All servers */

struct resolver *resolver_new(struct controller *controller)
{
    struct resolver *resolver = mem_zalloc(1, sizeof(*resolver));

    resolver->controller = controller;
    list_init(&resolver->servers);
    return resolver;
}

static struct named_server *find_named(const struct resolver *resolver, const struct server *server)
{
    LIST_FOREACH (&resolver->servers, node) {
        struct named_server *named = CONTAINER_OF(node, struct named_server, node);

        if (named->server == server)
            return named;
    }
    return NULL;
}

static bool is_still_there(const struct controller *controller, const struct server *server)
{
    const struct controller_backend *backend = &controller->backends[server->side];

    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].server == server)
            return true;
    return false;
}

static void sync_server(struct resolver *resolver, enum side side, unsigned index)
{
    const struct server *server = resolver->controller->backends[side].servers[index].server;
    struct named_server *named = find_named(resolver, server);

    if (named != NULL) {
        named->index = index;
        hurry(named);
    } else if (server->is_name) {
        named_start(resolver, side, index);
    }
}

void resolver_sync(struct resolver *resolver)
{
    if (resolver->lookups == NULL)
        return;
    LIST_FOREACH (&resolver->servers, node) {
        struct named_server *named = CONTAINER_OF(node, struct named_server, node);

        if (!is_still_there(resolver->controller, named->server))
            named_close(named);
    }
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < resolver->controller->backends[side].count; i++)
            sync_server(resolver, (enum side)side, i);
}

void resolver_start(struct resolver *resolver)
{
    resolver->lookups = lookups_new(resolver->controller->loop);
    resolver_sync(resolver);
}

void resolver_hurry(struct resolver *resolver, const struct server *server)
{
    struct named_server *named = find_named(resolver, server);

    if (named != NULL)
        hurry(named);
}

void resolver_stop(struct resolver *resolver)
{
    LIST_FOREACH (&resolver->servers, node)
        named_close(CONTAINER_OF(node, struct named_server, node));
    if (resolver->lookups != NULL)
        lookups_free(resolver->lookups);
    resolver->lookups = NULL;
}

void resolver_free(struct resolver *resolver)
{
    CHECK(list_is_empty(&resolver->servers) && resolver->lookups == NULL);
    mem_free(resolver);
}
