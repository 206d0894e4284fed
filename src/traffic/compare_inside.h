/* compare_inside.h - what the parts of compare.c share: see there. */
#ifndef TRAFFIC_COMPARE_INSIDE_H
#define TRAFFIC_COMPARE_INSIDE_H

#include "traffic/compare.h"
#include "traffic/side.h"

/* ---- compare_rate.c: limits of one rate, one level, one mean ---- */

/* The t that is as unlikely as `z` is for a normal variable, with `freedom` degrees of freedom;
 * infinite for none. */
double compare_t(double z, double freedom);

/* Between which levels of a sample of `n` its true quantile at `level` lies, at z. *upper is 1 or
 * more when the sample is too small to hold it. */
void compare_levels(double level, double n, double z, double *lower, double *upper);

/* ---- compare.c to compare_reason.c ---- */

/* One side, as far as the comparison needs it. */
struct compared_side {
    double requests, failed;
    unsigned groups; /* that had requests */
    double error_deff;
    uint64_t failovers;
    struct sample_latency first_byte; /* of all groups */
    double latencies;
    unsigned latency_groups;
    double latency_deff;
};

struct compared {
    const struct compare_question *question;
    struct compared_side side[SIDES];
    bool has_p95; /* at least one answer on each side, and there is a baseline */
};

/* The share of errors on new that is allowed, whatever old has: 0..1. */
double compare_most_errors(const struct compare_question *question);

void compare_explain(const struct compared *compared, struct comparison *comparison);

#endif
