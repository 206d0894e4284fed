/*
 * counters.h - what one worker counts. The worker alone writes (a plain load and store, no locked
 * instruction); the control thread reads at any time and sums over the workers.
 */
#ifndef TELEMETRY_COUNTERS_H
#define TELEMETRY_COUNTERS_H

#include "telemetry/histogram.h"
#include "telemetry/outcome.h"
#include "traffic/decide.h"

typedef _Atomic uint64_t counter;

/* Status classes: 1xx..5xx, and 0 for requests that got no final response. */
#define STATUS_CLASSES 6

/* Slot 0 is the main weight; the others are given to route names by the controller and kept. */
#define ROUTE_SLOTS (ROUTES_MAX + 1)

/* How a client's TLS handshake ended. */
#define HANDSHAKES(X)               \
    X(HANDSHAKE_FULL, "full")       \
    X(HANDSHAKE_RESUMED, "resumed") \
    X(HANDSHAKE_FAILED, "failed")

enum handshake {
#define X(id, name) id,
    HANDSHAKES(X)
#undef X
        HANDSHAKE_COUNT
};

/* Nothing but counters in here, also inside of its structs: counters_sum walks it as one array. */
struct counters {
    counter requests[SIDES][ROUTE_SLOTS][REASON_COUNT][STATUS_CLASSES];
    counter refused[STATUS_CLASSES]; /* answered here before a side was decided */
    counter attempts[SIDES][OUTCOME_COUNT];
    counter failovers[SIDES]; /* from this side */
    counter retries[SIDES];   /* attempts after the first */
    counter connections;      /* of clients, open now */
    counter connections_total;
    counter handshakes[HANDSHAKE_COUNT]; /* TLS, of clients */
    counter tunnels[SIDES];              /* open now */
    counter writes_open;      /* requests with an unsafe method: let through and not ended */
    counter upstreams[SIDES]; /* connections to servers, open now */
    counter bytes_in[SIDES], bytes_out[SIDES]; /* of bodies, from and to clients */
    struct histogram duration[SIDES];          /* whole request, tunnels left out */
    struct histogram first_byte[SIDES]; /* from decision to the first byte of the response head */
};

/* By the owning worker only. */
static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void counter_sub(counter *c, uint64_t n)
{
    counter_add(c, (uint64_t)0 - n);
}

static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* Zeroed; freed with counters_free once no thread uses them. */
struct counters *counters_new(void);
void counters_free(struct counters *counters);

/* Adds everything in `from` to `sum`, which belongs to the calling thread. */
void counters_sum(struct counters *sum, const struct counters *from);

/* The class of an HTTP status: 204 is 2; 0 for anything outside 100..599. */
unsigned status_class(unsigned status);

#endif
