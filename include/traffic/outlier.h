/*
 * outlier.h - passive ejection: a server that fails real requests in a row is left alone for a
 * while.
 *
 * An error is what a server's platform does wrong: a failed connection, a timeout, a cut or
 * malformed answer. Every answer the application gives, a 500 too, is a success here.
 */
#ifndef TRAFFIC_OUTLIER_H
#define TRAFFIC_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

struct outlier_policy {
    unsigned consecutive_errors; /* 0: never eject */
    uint64_t eject_for_ms;       /* the first time; doubled each time in a row */
    uint64_t max_eject_for_ms;
};

struct outlier {
    unsigned errors;           /* in a row */
    unsigned ejections;        /* in a row: reset by a success */
    uint64_t ejected_until_ms; /* monotonic; 0: never ejected */
};

/* Takes in one result at `now_ms`; returns whether this ejects the server. */
bool outlier_note(struct outlier *outlier, const struct outlier_policy *policy, bool success,
                  uint64_t now_ms);

static inline bool outlier_is_ejected(const struct outlier *outlier, uint64_t now_ms)
{
    return now_ms < outlier->ejected_until_ms;
}

#endif
