/*
 * storm.h - what the parts of the storm share: dice, faults, counts, places, doors.
 *
 *     clients ---> doors ---> workers ---> origins        clients and origins blow all the time;
 *                               ^                         lives of workers begin and end in between
 *             snapshots, orders, reloads, stages
 *
 * What is shared here is relaxed atomics on purpose: a lock of ours would order what the proxy must
 * order by itself, and hide the race that is looked for.
 */
#ifndef STORM_H
#define STORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "net/addr.h"

/* Dice: the same seed throws the same numbers. Each thread has its own. */

struct dice {
    uint64_t state;
};

struct dice dice_of(uint64_t number); /* of the seed, and of who throws */
uint64_t dice_throw(struct dice *dice);
unsigned dice_below(struct dice *dice, unsigned limit);
bool dice_is(struct dice *dice, unsigned percent);

/* Faults: what is wrong is told, counted, and makes the program fail. Any thread. */

void storm_fault(const char *format, ...) PRINTF_LIKE(1, 2);
unsigned storm_faults(void);

void storm_sleep_us(unsigned us);
uint64_t storm_now_ms(void);

/* Whether clients and noise are to end. */
bool storm_is_over(void);

/* A file in the storm's folder; for the caller to mem_free. */
char *storm_file(const char *name);

/* What was done */

#define COUNTS(X)                                    \
    X(asked, "requests asked")                       \
    X(answered, "answered")                          \
    X(own, "  of them by the proxy itself")          \
    X(cut, "connections cut under a request")        \
    X(aborted, "requests aborted by the client")     \
    X(bad, "malformed requests")                     \
    X(tunnels, "tunnels")                            \
    X(tls, "TLS connections of clients")             \
    X(resumed, "  of them resumed")                  \
    X(counted, "requests in the proxy's counters")   \
    X(compared, "attempts in the evidence")          \
    X(snapshots, "snapshots published")              \
    X(configs, "configurations made")                \
    X(servers, "servers made")                       \
    X(views, "snapshots looked at by a reader")      \
    X(orders, "orders to the controller")            \
    X(reloads, "reloads")                            \
    X(admin, "calls of the admin API")               \
    X(lookups, "look-ups")                           \
    X(abandoned, "  of them abandoned")              \
    X(lines, "log lines")                            \
    X(reopened, "log files opened anew")             \
    X(bare, "lives of workers under bare snapshots") \
    X(ruled, "lives of workers under a controller")  \
    X(failed_starts, "lives that failed to start")

struct counts {
#define X(name, text) _Atomic uint64_t name;
    COUNTS(X)
#undef X
};
extern struct counts counts;

static inline void count(_Atomic uint64_t *number)
{
    atomic_fetch_add_explicit(number, 1, memory_order_relaxed);
}

static inline uint64_t counted(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* Places: addresses of 127/8 that are this process's alone, so that nobody else's server is met. */

enum place { PLACE_PROXY = 1, PLACE_ORIGIN, PLACE_ORIGIN_TOO, PLACE_NOBODY };

struct addr storm_addr(enum place place, uint16_t port);
const char *storm_ip(enum place place); /* as text */

/* Doors: where the proxy of the present life listens; port 0: nowhere. */

enum door { DOOR_PLAIN = 0, DOOR_TLS, DOOR_PROXIED, DOOR_ADMIN, DOORS };

struct doors {
    _Atomic uint16_t ports[DOORS];
    _Atomic unsigned season; /* odd: open and at work; changes with each opening and closing */
};
extern struct doors doors;

uint16_t door_port(enum door door);
unsigned doors_season(void);

/* Whether the proxy has been at work without a break since `season` was read. */
bool doors_are_calm_since(unsigned season);

#endif
