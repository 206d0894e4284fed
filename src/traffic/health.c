/* health.c - turns the prober's results into up and down, one result at a time. */
#include "traffic/health.h"

#include <limits.h>

#include "base/check.h"

const char *health_name(enum health_state state)
{
    static const char *const names[] = {
        [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"};
    CHECK((unsigned)state < ARRAY_LEN(names));
    return names[state];
}

/* Counts a result into the run it belongs to and ends the other run. */
static void count(struct health *health, bool success)
{
    unsigned *run = success ? &health->successes : &health->failures;
    *(success ? &health->failures : &health->successes) = 0;
    *run += *run < UINT_MAX ? 1 : 0;
}

bool health_note(struct health *health, const struct health_policy *policy, bool success)
{
    enum health_state before = health->state;
    count(health, success);

    bool is_first = before == HEALTH_UNKNOWN;
    if (success && (is_first || health->successes >= policy->healthy_threshold))
        health->state = HEALTH_UP;
    if (!success && (is_first || health->failures >= policy->unhealthy_threshold))
        health->state = HEALTH_DOWN;
    return health->state != before;
}
