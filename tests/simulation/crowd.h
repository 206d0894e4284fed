/*
 * crowd.h - simulated users and their traffic, as the workers would have counted it.
 *
 * Users are not alike: a few make most of the requests (log-normal), each has an error rate of his
 * own (exponential around the side's) and a speed of his own. At any moment a part of them is there;
 * they come and go, so the slots of one window share most of their users.
 */
#ifndef SIMULATION_CROWD_H
#define SIMULATION_CROWD_H

#include "dice.h"
#include "traffic/sample.h"
#include "traffic/side.h"

#define CROWD_TICKETS 8192

struct user {
    unsigned bucket;
    float activity, clumsiness, speed; /* requests, errors, latency beside the mean */
};

struct crowd {
    struct dice dice;
    struct user *there; /* owned; `there_count` of them */
    unsigned there_count;
    uint16_t ticket[CROWD_TICKETS]; /* users, each as often as he is active */
};

/* What a slot of time is like. */
struct weather {
    double error_rate[SIDES];       /* grows with the user's clumsiness */
    double error_rate_fixed[SIDES]; /* the same for everybody */
    double slowness[SIDES];         /* factor on all latencies */
    double broken_clients;          /* share of the users for whom half of all fails, on any side */
};

void crowd_init(struct crowd *crowd, uint64_t seed, unsigned there_count);
void crowd_deinit(struct crowd *crowd);

/* `requests` of them, at `weight`; about `leaving` of the users are exchanged first (0..1). */
void crowd_slot(struct crowd *crowd, const struct weather *weather, unsigned weight,
                unsigned requests, double leaving, struct sample slot[SIDES]);

#endif
