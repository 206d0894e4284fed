/*
 * compare.c - both sides next to each other: intervals, verdict, and how much more it takes.
 *
 *     sample -> compared_side (sums, design effects)            once
 *            -> intervals_at(z of 95 %), intervals_at(sureness) what is shown, what convicts
 *            -> judge -> how far it is -> compare_reason.c: the sentence
 *
 * How far it is from an answer is found by asking what would be said if everything that was seen had
 * been seen `scale` times.
 */
#include "traffic/compare.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "compare_inside.h"

/* The rank that is compared. */
#define LEVEL 0.95

/* As many times more (its logarithm) are tried before it is called unknown. */
#define SCALE_MAX_LOG2 20

static const char *const verdict_names[] = {
    [VERDICT_INCONCLUSIVE] = "inconclusive", [VERDICT_PASS] = "pass", [VERDICT_FAIL] = "fail"};

static const char *const cause_names[] = {
#define X(id, name) [id] = name,
    COMPARE_CAUSES(X)
#undef X
};

const char *verdict_name(enum verdict verdict)
{
    CHECK((unsigned)verdict <= VERDICT_FAIL);
    return verdict_names[verdict];
}

int verdict_number(enum verdict verdict)
{
    return verdict == VERDICT_PASS ? 1 : verdict == VERDICT_FAIL ? -1 : 0;
}

const char *compare_cause_name(enum compare_cause cause)
{
    CHECK((unsigned)cause < COMPARE_CAUSE_COUNT);
    return cause_names[cause];
}

/* ---- what a sample says ---- */

/*
 * How many times more the rate varies than it would if every request were a coin of its own: the
 * variance of a ratio of group sums over the binomial one. Groups without requests do not count.
 */
static double design_effect(const double n[SAMPLE_GROUPS], const double x[SAMPLE_GROUPS],
                            unsigned *groups)
{
    double n_all = 0, x_all = 0, squares = 0;
    *groups = 0;
    for (unsigned i = 0; i < SAMPLE_GROUPS; i++) {
        n_all += n[i];
        x_all += x[i];
        *groups += n[i] > 0;
    }
    if (*groups < 2 || x_all <= 0 || x_all >= n_all)
        return 1;
    double rate = x_all / n_all;
    for (unsigned i = 0; i < SAMPLE_GROUPS; i++) {
        double off = x[i] - rate * n[i];
        squares += off * off;
    }
    double effect = squares * *groups / (*groups - 1) / (n_all * rate * (1 - rate));
    return effect > 1 ? effect : 1;
}

/* The edge of a bin below which the share is nearest to LEVEL, but neither 0 nor 1. */
static unsigned edge_near_level(const struct sample_latency *all, double count)
{
    unsigned best = 0;
    double below = 0, nearest = 2;
    for (unsigned bin = 0; bin < SAMPLE_BINS; bin++) {
        double distance = fabs(below / count - LEVEL);
        if (below > 0 && distance < nearest) {
            nearest = distance;
            best = bin;
        }
        below += all->bin[bin];
    }
    return best;
}

static void measure_errors(const struct sample *sample, struct compared_side *side)
{
    double n[SAMPLE_GROUPS], x[SAMPLE_GROUPS];
    for (unsigned i = 0; i < SAMPLE_GROUPS; i++) {
        n[i] = sample->requests[i];
        x[i] = sample->failed[i];
        side->requests += n[i];
        side->failed += x[i];
    }
    side->error_deff = design_effect(n, x, &side->groups);
    side->failovers = sample->failovers;
}

/* The design effect is that of "slower than the p95 of both sides together". */
static void measure_latency(const struct sample *sample, unsigned edge, struct compared_side *side)
{
    double n[SAMPLE_GROUPS], x[SAMPLE_GROUPS];
    for (unsigned i = 0; i < SAMPLE_GROUPS; i++) {
        const uint32_t *bins = sample->first_byte[i].bin;
        uint64_t below = 0, above = 0;
        for (unsigned bin = 0; bin < edge; bin++)
            below += bins[bin];
        for (unsigned bin = edge; bin < SAMPLE_BINS; bin++)
            above += bins[bin];
        n[i] = (double)(below + above);
        x[i] = (double)above;
    }
    side->latency_deff = design_effect(n, x, &side->latency_groups);
}

static void measure(const struct sample *const samples[SIDES],
                    const struct compare_question *question, struct compared *compared)
{
    struct sample_latency all;
    memset(compared, 0, sizeof(*compared));
    memset(&all, 0, sizeof(all));
    compared->question = question;
    for (unsigned i = 0; i < SIDES; i++) {
        struct compared_side *side = &compared->side[i];
        measure_errors(samples[i], side);
        sample_first_byte(samples[i], &side->first_byte);
        side->latencies = (double)sample_latency_count(&side->first_byte);
        for (unsigned bin = 0; bin < SAMPLE_BINS; bin++)
            all.bin[bin] += side->first_byte.bin[bin];
    }
    double count = compared->side[0].latencies + compared->side[1].latencies;
    unsigned edge = count > 0 ? edge_near_level(&all, count) : 0;
    for (unsigned i = 0; i < SIDES; i++)
        measure_latency(samples[i], edge, &compared->side[i]);
    compared->has_p95 = !question->is_alone && count > 0;
}

/* ---- intervals ---- */

struct intervals {
    struct compare_interval rate[SIDES], rate_difference;
    struct compare_interval p95_us[SIDES], p95_ratio, p95_difference_ms;
};

/*
 * As how many requests `n` of them count. The design effect is an estimate itself, from `groups` of
 * them, and may be too small by chance: hence t in the place of z. The binomial variance is known,
 * so it stays the least.
 */
static double effective(double n, double effect, unsigned groups, double z)
{
    double t = compare_t(z, (double)groups - 1);
    double spread = effect * (t / z) * (t / z);
    return n / (spread > 1 ? spread : 1);
}

/* b - a: each end is as far from the middle as the two that make it are, put together at a right
 * angle (MOVER, as in Newcombe's tenth method). */
static struct compare_interval minus(struct compare_interval b, struct compare_interval a)
{
    double value = b.value - a.value;
    return (struct compare_interval){
        value - hypot(b.value - b.lower, a.upper - a.value),
        value,
        value + hypot(b.upper - b.value, a.value - a.lower),
    };
}

static struct compare_interval mapped(struct compare_interval of, double map(double))
{
    return (struct compare_interval){map(of.lower), map(of.value), map(of.upper)};
}

static struct compare_interval rate_of(const struct compared_side *side, double z, double scale)
{
    double n = effective(side->requests * scale, side->error_deff, side->groups, z);
    double rate = side->requests > 0 ? side->failed / side->requests : 0;
    return (struct compare_interval){compare_rate_lower(rate * n, n, z), rate,
                                     compare_rate_upper(rate * n, n, z)};
}

/* Microseconds; no less than 1, for the logarithm; infinite where the sample holds no limit. */
static struct compare_interval p95_of(const struct compared_side *side, double z, double scale)
{
    double n = effective(side->latencies * scale, side->latency_deff, side->latency_groups, z);
    double lower, upper;
    compare_levels(LEVEL, n, z, &lower, &upper);
    const struct sample_latency *seen = &side->first_byte;
    return (struct compare_interval){
        lower > 0 ? fmax(sample_quantile_us(seen, lower), 1) : 1,
        fmax(sample_quantile_us(seen, LEVEL), 1),
        upper < 1 ? fmax(sample_quantile_us(seen, upper), 1) : INFINITY,
    };
}

static void rates_at(const struct compared *compared, double z, double scale, struct intervals *at)
{
    for (unsigned i = 0; i < SIDES; i++)
        at->rate[i] = rate_of(&compared->side[i], z, scale);
    at->rate_difference = minus(at->rate[SIDE_NEW], at->rate[SIDE_OLD]);
}

static void p95_at(const struct compared *compared, double z, double scale, struct intervals *at)
{
    for (unsigned i = 0; i < SIDES; i++)
        at->p95_us[i] = p95_of(&compared->side[i], z, scale);
    at->p95_ratio =
        mapped(minus(mapped(at->p95_us[SIDE_NEW], log), mapped(at->p95_us[SIDE_OLD], log)), exp);
    struct compare_interval us = minus(at->p95_us[SIDE_NEW], at->p95_us[SIDE_OLD]);
    at->p95_difference_ms =
        (struct compare_interval){us.lower / 1000, us.value / 1000, us.upper / 1000};
}

static void intervals_at(const struct compared *compared, double z, double scale,
                         struct intervals *at)
{
    rates_at(compared, z, scale, at);
    p95_at(compared, z, scale, at);
}

/* ---- the verdict ---- */

static double share(unsigned hundredths_of_percent)
{
    return hundredths_of_percent / 10000.0;
}

double compare_most_errors(const struct compare_question *question)
{
    unsigned most = question->limits->max_error_rate;
    unsigned of_old = question->old_rate + question->limits->error_rate_over_old;

    return share(question->is_alone && question->old_rate > 0 && of_old > most ? of_old : most);
}

/* CAUSE_NONE: nothing is surely beyond a limit. `sure`: the intervals at the sureness asked for. */
static enum compare_cause fault_in(const struct compared *compared, const struct intervals *sure)
{
    const struct compare_limits *limits = compared->question->limits;
    bool is_alone = compared->question->is_alone;
    if (sure->rate[SIDE_NEW].lower > compare_most_errors(compared->question) &&
        (is_alone || sure->rate_difference.lower > 0))
        return CAUSE_ERRORS;
    if (!is_alone && sure->rate_difference.lower > share(limits->error_rate_over_old))
        return CAUSE_ERRORS_OVER_OLD;
    if (compared->has_p95 && sure->p95_ratio.lower > limits->p95_ratio / 100.0 &&
        sure->p95_difference_ms.lower > (double)limits->p95_over_old_ms)
        return CAUSE_P95;
    return CAUSE_NONE;
}

/* No upper limit of anything is ever 0, so "none is tolerated" is taken as it was counted. */
static bool is_within(struct compare_interval interval, double limit)
{
    return (limit > 0 ? interval.upper : interval.value) <= limit;
}

static bool are_errors_within(const struct compared *compared, const struct intervals *shown)
{
    const struct compare_limits *limits = compared->question->limits;
    if (compared->question->is_alone)
        return is_within(shown->rate[SIDE_NEW], compare_most_errors(compared->question));
    return shown->rate[SIDE_NEW].value <= share(limits->max_error_rate) &&
           is_within(shown->rate_difference, share(limits->error_rate_over_old));
}

static bool is_p95_within(const struct compared *compared, const struct intervals *shown)
{
    const struct compare_limits *limits = compared->question->limits;
    return !compared->has_p95 || shown->p95_ratio.upper <= limits->p95_ratio / 100.0 ||
           shown->p95_difference_ms.upper <= (double)limits->p95_over_old_ms;
}

static bool has_too_few(const struct compared *compared)
{
    double least = compared->question->limits->min_requests;
    return compared->side[SIDE_NEW].requests < least ||
           (!compared->question->is_alone && compared->side[SIDE_OLD].requests < least);
}

static bool is_failing_over(const struct compared *compared)
{
    return compared->side[SIDE_OLD].failovers > 0 || compared->side[SIDE_NEW].failovers > 0 ||
           !compared->question->old_is_usable;
}

static bool are_both_bad(const struct compared *compared, const struct intervals *shown)
{
    double most = share(compared->question->limits->max_error_rate);
    return !compared->question->is_alone && shown->rate[SIDE_OLD].value > most &&
           shown->rate[SIDE_NEW].value > most;
}

static enum verdict judge(const struct compared *compared, const struct intervals *shown,
                          const struct intervals *sure, enum compare_cause *cause)
{
    if (!compared->question->new_is_usable) {
        /* Both down is no proof against new: it may be our own network. */
        bool is_new_alone = compared->question->old_is_usable;
        *cause = is_new_alone ? CAUSE_NEW_DOWN : CAUSE_FAILING_OVER;
        return is_new_alone ? VERDICT_FAIL : VERDICT_INCONCLUSIVE;
    }
    bool has_enough = !has_too_few(compared);
    *cause = has_enough ? fault_in(compared, sure) : CAUSE_NONE;
    if (*cause != CAUSE_NONE)
        return VERDICT_FAIL;
    if (compared->side[SIDE_OLD].requests + compared->side[SIDE_NEW].requests == 0)
        *cause = CAUSE_NO_EVIDENCE;
    else if (!has_enough)
        *cause = CAUSE_FEW_REQUESTS;
    else if (is_failing_over(compared))
        *cause = CAUSE_FAILING_OVER;
    else if (are_both_bad(compared, shown))
        *cause = CAUSE_BOTH_BAD;
    else if (!are_errors_within(compared, shown) || !is_p95_within(compared, shown))
        *cause = CAUSE_NOT_SURE;
    return *cause == CAUSE_NONE ? VERDICT_PASS : VERDICT_INCONCLUSIVE;
}

/* ---- how far it is ---- */

/* Whether the numbers alone would be a fail, or a pass, had they been seen `scale` times. */
static bool would_fail(const struct compared *compared, double scale)
{
    struct intervals sure;
    intervals_at(compared, compared->question->sureness, scale, &sure);
    return fault_in(compared, &sure) != CAUSE_NONE;
}

static bool would_pass(const struct compared *compared, double scale)
{
    struct intervals shown;
    rates_at(compared, COMPARE_SHOWN_Z, scale, &shown);
    if (!are_errors_within(compared, &shown))
        return false;
    p95_at(compared, COMPARE_SHOWN_Z, scale, &shown);
    return is_p95_within(compared, &shown);
}

/* The least scale that decides, to a percent or so; 0: none does. What the largest one would say is
 * what it is waited for. */
static double deciding_scale(const struct compared *compared)
{
    double low = 0, high = SCALE_MAX_LOG2;
    bool (*is_decided)(const struct compared *, double) =
        would_fail(compared, exp2(high)) ? would_fail : would_pass;
    if (!is_decided(compared, exp2(high)))
        return 0;
    if (is_decided(compared, 1)) /* it lacks min_requests alone */
        return 1;
    while (high - low > 0.01) {
        double middle = (low + high) / 2;
        if (is_decided(compared, exp2(middle)))
            high = middle;
        else
            low = middle;
    }
    return exp2(high);
}

/* Both sides go on at their rates, so it is the one with fewer requests that is waited for. */
static void look_ahead(const struct compared *compared, struct comparison *comparison)
{
    comparison->requests_needed = comparison->seconds_needed = COMPARE_UNKNOWN;
    if (comparison->cause != CAUSE_NOT_SURE && comparison->cause != CAUSE_FEW_REQUESTS)
        return;
    double count = compared->side[SIDE_NEW].requests;
    if (!compared->question->is_alone)
        count = fmin(count, compared->side[SIDE_OLD].requests);
    double least = compared->question->limits->min_requests;
    if (count == 0) {
        comparison->requests_needed = (uint64_t)least;
        return;
    }
    double scale = deciding_scale(compared);
    if (scale == 0 && count >= least)
        return;
    double needed = fmax(ceil(scale * count), least) - count;
    comparison->requests_needed = (uint64_t)fmax(needed, 1);
    comparison->seconds_needed =
        (uint64_t)ceil(needed / count * (double)compared->question->span_ms / 1000);
}

/* ---- all together ---- */

static bool is_known(struct compare_interval interval)
{
    return isfinite(interval.lower) && isfinite(interval.upper);
}

static void show(const struct compared *compared, const struct intervals *shown,
                 struct comparison *comparison)
{
    for (unsigned i = 0; i < SIDES; i++) {
        comparison->error_rate[i] = shown->rate[i];
        comparison->error_deff[i] = compared->side[i].error_deff;
        comparison->latency_deff[i] = compared->side[i].latency_deff;
    }
    comparison->error_difference = shown->rate_difference;
    if (is_known(shown->p95_us[SIDE_OLD]) && is_known(shown->p95_us[SIDE_NEW])) {
        comparison->p95_ratio = shown->p95_ratio;
        comparison->p95_difference_ms = shown->p95_difference_ms;
    }
}

void compare_sides(const struct sample *old, const struct sample *new,
                   const struct compare_question *question, struct comparison *comparison)
{
    const struct sample *const samples[SIDES] = {[SIDE_OLD] = old, [SIDE_NEW] = new};
    struct compared compared;
    struct intervals shown, sure;
    memset(comparison, 0, sizeof(*comparison));
    measure(samples, question, &compared);
    intervals_at(&compared, COMPARE_SHOWN_Z, 1, &shown);
    intervals_at(&compared, question->sureness, 1, &sure);
    comparison->verdict = judge(&compared, &shown, &sure, &comparison->cause);
    if (comparison->verdict == VERDICT_INCONCLUSIVE && !question->is_brief)
        look_ahead(&compared, comparison);
    show(&compared, &shown, comparison);
    compare_explain(&compared, comparison);
}
