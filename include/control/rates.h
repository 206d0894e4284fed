/*
 * rates.h - requests of the last minute, per side, for status: a ring of the counters' sums, one
 * for each second. The counters themselves only ever grow.
 */
#ifndef CONTROL_RATES_H
#define CONTROL_RATES_H

#include "telemetry/counters.h"

#define RATES_SECONDS 60

struct rates {
    uint64_t ring[RATES_SECONDS][SIDES];
    unsigned next; /* where the next sample goes; the oldest one once the ring is full */
    unsigned count;
};

/* Requests that were decided for a side, ever, from the summed counters. */
uint64_t rates_requests(const struct counters *sum, enum side side);

/* Takes in the sums; once a second. */
void rates_sample(struct rates *rates, const struct counters *sum);

/* Requests of the last 60 s (of the time since the start when that is shorter). */
uint64_t rates_last_minute(const struct rates *rates, const struct counters *sum, enum side side);

#endif
