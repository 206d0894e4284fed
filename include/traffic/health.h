/*
 * health.h - a server's health from its check results, with hysteresis.
 *
 * The very first result decides at once; after that a server goes down after unhealthy_threshold
 * failures in a row and comes up after healthy_threshold successes in a row.
 */
#ifndef TRAFFIC_HEALTH_H
#define TRAFFIC_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum health_state { HEALTH_UNKNOWN = 0, HEALTH_UP, HEALTH_DOWN };

/* "unknown", "up", "down" */
const char *health_name(enum health_state state);

/* Field names and defaults follow Lightsail's container health checks. */
struct health_policy {
    struct str path;
    struct str host; /* empty: as for requests */
    uint64_t interval_ms;
    uint64_t timeout_ms;
    unsigned healthy_threshold;
    unsigned unhealthy_threshold;
    unsigned success_min; /* status codes min..max count as success */
    unsigned success_max;
};

struct health {
    enum health_state state;
    unsigned successes; /* in a row */
    unsigned failures;  /* in a row */
};

/* Takes in one result; returns whether the state changed. */
bool health_note(struct health *health, const struct health_policy *policy, bool success);

#endif
