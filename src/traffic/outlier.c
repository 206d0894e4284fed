/*
 * outlier.c - what real requests say about a server, between two health checks.
 *
 * Requests that were already under way when a server is ejected go on failing for a while. They
 * tell nothing new, so errors during an ejection are not counted: else one incident would count as
 * several in a row and double the time again and again. A success always counts.
 */
#include "traffic/outlier.h"

/* eject_for_ms x 2^ejections, up to the maximum; written so that nothing can overflow. */
static uint64_t ejection_ms(const struct outlier_policy *policy, unsigned ejections)
{
    uint64_t time_ms = policy->eject_for_ms;
    for (unsigned i = 0; i < ejections && time_ms < policy->max_eject_for_ms; i++)
        time_ms = time_ms > UINT64_MAX / 2 ? UINT64_MAX : time_ms * 2;
    return time_ms < policy->max_eject_for_ms ? time_ms : policy->max_eject_for_ms;
}

bool outlier_note(struct outlier *outlier, const struct outlier_policy *policy, bool success,
                  uint64_t now_ms)
{
    if (success) {
        outlier->errors = 0;
        outlier->ejections = 0;
        return false;
    }
    if (policy->consecutive_errors == 0 || outlier_is_ejected(outlier, now_ms))
        return false;
    outlier->errors++;
    if (outlier->errors < policy->consecutive_errors)
        return false;
    outlier->ejected_until_ms = now_ms + ejection_ms(policy, outlier->ejections);
    outlier->ejections++;
    outlier->errors = 0;
    return outlier_is_ejected(outlier, now_ms);
}
