/*
 * walk.h - one plan from its start to its end, over a crowd: what the pilot does, without a clock.
 *
 *     crowd -> slot -> window -> guard_look -> plan_next -> weight
 */
#ifndef SIMULATION_WALK_H
#define SIMULATION_WALK_H

#include "crowd.h"
#include "traffic/plan.h"

struct walk;

/* What the weather is in slot `slot` (0..) of step `step` (1..). */
typedef void weather_cb(const struct walk *walk, struct weather *weather);

struct walk {
    /* set by the caller */
    const struct plan *plan;
    weather_cb *weather;
    uint64_t seed;
    unsigned users;           /* there at a time */
    unsigned requests_a_slot; /* both sides together */
    double leaving;           /* part of the users, each slot */
    uint64_t slots_max;       /* then it is over */

    /* where it is */
    uint64_t slot;         /* of the whole walk */
    uint64_t slot_in_step; /* since the weight changed */
    struct plan_place place;

    /* what became of it */
    uint64_t looks, verdicts[3], strikes;
    uint64_t failed_at; /* slot_in_step + 1 of the look that failed; 0: none */
    unsigned failed_step;
    char reason[COMPARE_REASON_BYTES];
    double error_deff, latency_deff; /* sums over the looks: new's */
};

void walk_go(struct walk *walk);

#endif
