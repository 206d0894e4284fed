/*
 * history.h - the last 24 hours in minutes, for GET /v1/history: the main weight, and what each side
 * was asked and how often that ended badly. In memory alone: a restart begins anew.
 *
 *     admin, each second:  counters -> history_sample -> the running minute, and the ring behind it
 */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include "base/json.h"
#include "telemetry/counters.h"

#define HISTORY_EVERY_S 60
#define HISTORY_POINTS  (24 * 60)

/* What was counted in one minute. 24 bytes, so that a day takes 34 KiB. */
struct history_point {
    uint32_t at_s; /* when it began, by the wall clock */
    uint32_t requests[SIDES];
    uint32_t errors[SIDES]; /* of them: 5xx, or no answer at all */
    uint16_t weight;        /* the main one at its end */
};

struct history {
    struct history_point ring[HISTORY_POINTS];
    unsigned first, count;           /* the newest is the minute that runs */
    uint64_t begun_ms;               /* the running minute; monotonic */
    uint64_t requests_before[SIDES]; /* sums when it began */
    uint64_t errors_before[SIDES];
};

/* Takes in the sums, once a second or so; starts a new minute when the present one is over. Zeroed
 * memory is a history without points. */
void history_sample(struct history *history, const struct counters *sum, unsigned weight,
                    uint64_t mono_ms, uint64_t wall_ms);

/* The members "every_s" and "points", oldest first and the newest `last` of them, into an object
 * that the caller has begun. NULL: no points. */
void history_write(const struct history *history, uint64_t last, struct json *json);

#endif
