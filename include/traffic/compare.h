/*
 * compare.h - both sides next to each other: intervals, and a verdict with its reason.
 *
 * Pure functions of two samples of one span of time, and of the limits that were set. How it is
 * reckoned, and why so:
 *
 *   errors   rate of new minus rate of old, each with likelihood-ratio limits (continuity corrected,
 *            so they hold for a handful of errors and for none), put together as in Newcombe's hybrid.
 *   latency  p95 of the first byte: an interval for each side's quantile from the ranks around it,
 *            put together likewise, as a ratio (on logarithms) and as a difference.
 *   users    one user's requests are alike: each side counts as n / deff requests, deff being how
 *            much more the bucket groups differ than they would by chance. As it is an estimate from
 *            a few groups itself, it is widened by (t / z)^2 (about 1.2 for all groups at z = 5), and
 *            is at least 1 after that.
 *
 * fail:          surely beyond a limit. "Surely" is the caller's `sureness`, far stricter than the
 *                95 % that people are shown, since the guard asks thousands of times in a plan.
 * pass:          enough requests, and with 95 % within every limit.
 * inconclusive:  all else; `requests_needed` says how far it is from an answer.
 *
 * The limits:
 *   error_rate_over_old   new - old is above it -> fail.
 *   max_error_rate        new is above it, and surely worse than old -> fail. Both sides above it and
 *                         alike: inconclusive, since going back would help nobody; so it has to be set
 *                         above what old has anyway, or a plan never goes on by itself.
 *   p95_ratio, p95_over_old   both exceeded -> fail. The bins of a sample are up to 25 % wide: ratios
 *                         below 1.25 are finer than what is measured.
 *   min_requests          on each side; fewer: inconclusive. Old is not asked for any when everybody
 *                         is on new (is_alone): then max_error_rate alone judges, or what old had when
 *                         it was seen last (old_rate) with error_rate_over_old, whichever is more; and
 *                         p95 not at all.
 * 0 is a limit like any other: no error is tolerated, not no limit. Since no interval ends at 0, a
 * pass then asks for what was counted: no error on new (max_error_rate), no more than on old
 * (error_rate_over_old).
 *
 * A side without a single latency (all of it tunnels, or errors) leaves p95 open: inconclusive when the
 * other side has some, not judged when none has. Users who all fall into one bucket group prove
 * nothing: how alike one user's requests are cannot be told from one.
 */
#ifndef TRAFFIC_COMPARE_H
#define TRAFFIC_COMPARE_H

#include <stdbool.h>

#include "traffic/sample.h"

enum verdict { VERDICT_INCONCLUSIVE = 0, VERDICT_PASS, VERDICT_FAIL };

const char *verdict_name(enum verdict verdict); /* "inconclusive", "pass", "fail" */
int verdict_number(enum verdict verdict);       /* for metrics: 0, 1, -1 */

/* What plan.guard sets of it. */
struct compare_limits {
    unsigned min_requests;
    unsigned max_error_rate;      /* 0..10000: hundredths of a percent */
    unsigned error_rate_over_old; /* likewise */
    unsigned p95_ratio;           /* hundredths: 200 is 2.0 */
    uint64_t p95_over_old_ms;
};

/* z of the intervals that people are shown, and that a pass needs: 95 %, two-sided. */
#define COMPARE_SHOWN_Z 1.96

struct compare_question {
    const struct compare_limits *limits;
    double sureness;    /* z that a fail needs: 5 is one in 3.5 million */
    uint64_t span_ms;   /* of the samples */
    bool is_alone;      /* everybody is on new: there is no baseline */
    unsigned old_rate;  /* is_alone: what old's error rate may have been when it was seen last, in
                           hundredths of a percent; 0: not known */
    bool new_is_usable; /* else fail: new has no server that could be used */
    bool old_is_usable; /* else no pass; and if new is not usable either, no fail: going back would
                           help nobody, and it may well be the proxy's own network */
    bool is_brief; /* requests_needed and seconds_needed are not asked for: they cost the most */
};

/* Why, in one word for programs. */
#define COMPARE_CAUSES(X)                                                            \
    X(CAUSE_NONE, "")             /* pass */                                         \
    X(CAUSE_NEW_DOWN, "new_down") /* fail */                                         \
    X(CAUSE_ERRORS, "errors")     /* fail: max_error_rate */                         \
    X(CAUSE_ERRORS_OVER_OLD, "errors_over_old")                                      \
    X(CAUSE_P95, "p95")                                                              \
    X(CAUSE_FAILING_OVER, "failing_over") /* inconclusive: requests left a side */   \
    X(CAUSE_FEW_REQUESTS, "few_requests") /* below min_requests */                   \
    X(CAUSE_BOTH_BAD, "both_bad")         /* both above max_error_rate, and alike */ \
    X(CAUSE_NOT_SURE, "not_sure")         /* intervals that still hold a limit */    \
    X(CAUSE_NO_EVIDENCE, "no_evidence")   /* nothing counted yet: warm-up, or just started */

enum compare_cause {
#define X(id, name) id,
    COMPARE_CAUSES(X)
#undef X
        COMPARE_CAUSE_COUNT
};

const char *compare_cause_name(enum compare_cause cause);

/* An estimate between its limits (95 %). */
struct compare_interval {
    double lower, value, upper;
};

#define COMPARE_REASON_BYTES 256

/* requests_needed, seconds_needed: it cannot be said (no traffic, or both sides lie on the limit). */
#define COMPARE_UNKNOWN UINT64_MAX

struct comparison {
    enum verdict verdict;
    enum compare_cause cause;
    char reason[COMPARE_REASON_BYTES];         /* one sentence with the numbers, for people */
    struct compare_interval error_rate[2];     /* by side: 0 old, 1 new; 0..1 */
    struct compare_interval error_difference;  /* new - old; 0..1 */
    struct compare_interval p95_ratio;         /* new / old; 0: not known */
    struct compare_interval p95_difference_ms; /* new - old */
    double error_deff[2], latency_deff[2];     /* design effects, at least 1 */
    uint64_t requests_needed; /* more, on the side that has too few, until pass or fail is likely;
                                 0: none */
    uint64_t seconds_needed;  /* the same at the rate of this span */
};

void compare_sides(const struct sample *old, const struct sample *new,
                   const struct compare_question *question, struct comparison *comparison);

/* Limits at z of a rate of which `x` of `n` were seen; both may be fractions. 0..1. */
double compare_rate_lower(double x, double n, double z);
double compare_rate_upper(double x, double n, double z);

/* z with that one-sided chance beyond it: 0.025 -> 1.96. chance 0 < .. < 0.5. */
double compare_z(double chance);

#endif
