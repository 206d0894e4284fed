#include "traffic/compare.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../../src/traffic/compare_inside.h"

static const struct compare_limits LIMITS = {.min_requests = 200,
                                             .max_error_rate = 100,
                                             .error_rate_over_old = 50,
                                             .p95_ratio = 200,
                                             .p95_over_old_ms = 200};

static struct compare_question usual(const struct compare_limits *limits)
{
    return (struct compare_question){.limits = limits,
                                     .sureness = 5,
                                     .span_ms = 300000,
                                     .new_is_usable = true,
                                     .old_is_usable = true};
}

/* `requests` with `failed` among them, dealt out evenly to the groups; all others answer with a first
 * byte that is exponential around `mean_ms`. */
static struct sample dealt(unsigned requests, unsigned failed, double mean_ms)
{
    struct sample sample;
    memset(&sample, 0, sizeof(sample));
    for (unsigned i = 0; i < requests; i++)
        sample.requests[i % SAMPLE_GROUPS]++;
    for (unsigned i = 0; i < failed; i++)
        sample.failed[i * 5 % SAMPLE_GROUPS]++;
    sample.errors[SAMPLE_5XX] = failed;
    unsigned answered = requests - failed;
    for (unsigned i = 0; i < answered && mean_ms > 0; i++) {
        double us = -1000 * mean_ms * log(1 - (i + 0.5) / answered);
        sample.first_byte[i * 7 % SAMPLE_GROUPS].bin[sample_bin((uint64_t)us)]++;
    }
    return sample;
}

static struct comparison ask(const struct sample *old, const struct sample *new,
                             const struct compare_question *question)
{
    struct comparison comparison;
    compare_sides(old, new, question, &comparison);
    return comparison;
}

static struct comparison compared_counts(unsigned old, unsigned old_failed, unsigned new,
                                         unsigned new_failed)
{
    struct sample a = dealt(old, old_failed, 0), b = dealt(new, new_failed, 0);
    struct compare_question question = usual(&LIMITS);
    return ask(&a, &b, &question);
}

#define EXPECT(comparison, wanted_verdict, wanted_cause)                           \
    do {                                                                           \
        cr_assert_eq((comparison).verdict, wanted_verdict, "%s: %s",               \
                     verdict_name((comparison).verdict), (comparison).reason);     \
        cr_assert_eq((comparison).cause, wanted_cause, "%s: %s",                   \
                     compare_cause_name((comparison).cause), (comparison).reason); \
    } while (0)

/* ---- limits of a rate ---- */

/* The chance of x or more of n, summed up exactly. */
static double tail(unsigned x, unsigned n, double p)
{
    double sum = 0;
    for (unsigned k = x; k <= n; k++)
        sum += exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) + k * log(p) +
                   (n - k) * log1p(-p));
    return sum;
}

static double chance_of(double z)
{
    return erfc(z / sqrt(2)) / 2;
}

Test(compare, z_is_the_inverse_of_its_chance)
{
    cr_assert_float_eq(compare_z(0.025), 1.959964, 1e-5);
    for (double z = 0.5; z < 8; z += 0.5)
        cr_assert_float_eq(compare_z(chance_of(z)), z, 1e-6);
}

/* At the lower limit what was seen, or more, has about the chance of z, and never half as much again;
 * also for one or two errors, and as far out as the guard asks. */
Test(compare, a_lower_limit_has_the_chance_of_its_z)
{
    static const unsigned sizes[] = {20, 200, 2000};
    for (double z = 1.96; z < 6; z += 0.9)
        for (unsigned i = 0; i < 3; i++)
            for (unsigned x = 1; x < sizes[i]; x += 1 + x / 8) {
                double p = compare_rate_lower(x, sizes[i], z);
                double chance = tail(x, sizes[i], p);
                cr_assert_lt(chance, 1.5 * chance_of(z), "x %u n %u z %g", x, sizes[i], z);
                if (x >= 30 && x <= sizes[i] / 2)
                    cr_assert_gt(chance, 0.5 * chance_of(z), "x %u n %u z %g", x, sizes[i], z);
            }
}

Test(compare, limits_at_the_ends_are_0_and_1)
{
    cr_assert_eq(compare_rate_lower(0, 100, 5), 0);
    cr_assert_eq(compare_rate_upper(100, 100, 5), 1);
    cr_assert_eq(compare_rate_lower(0, 0, 5), 0);
    cr_assert_eq(compare_rate_upper(0, 0, 5), 1);
    /* none of 10000: about 3 of them may be true at 95 % one-sided and less */
    cr_assert_float_eq(compare_rate_upper(0, 10000, 1.96), 0.00034, 0.00002);
    cr_assert_float_eq(compare_rate_upper(3, 10, 1.96), 1 - compare_rate_lower(7, 10, 1.96), 1e-12);
}

/* Every outcome of n throws, weighed by its chance: how often the limits hold the true rate. */
Test(compare, limits_at_95_percent_hold_the_truth_as_often)
{
    static const double rates[] = {0.01, 0.05, 0.2, 0.5};
    for (unsigned n = 10; n <= 80; n += 35)
        for (unsigned i = 0; i < 4; i++) {
            double p = rates[i], held = 0;
            for (unsigned x = 0; x <= n; x++)
                if (compare_rate_lower(x, n, 1.96) <= p && p <= compare_rate_upper(x, n, 1.96))
                    held += tail(x, n, p) - (x < n ? tail(x + 1, n, p) : 0);
            cr_assert_gt(held, 0.94, "n %u p %g: %g", n, p, held);
        }
}

/* Both sides at once: how often a difference of exactly the limit is taken for more. */
Test(compare, the_limit_itself_is_rarely_taken_for_more)
{
    enum { N = 60 };
    double p = 0.02, q = 0.10, z = 3, wrong = 0;
    for (unsigned a = 0; a <= N; a++)
        for (unsigned b = 0; b <= N; b++) {
            double old = a / (double)N, new = b / (double)N;
            double lower =
                new - old -
                hypot(new - compare_rate_lower(b, N, z), compare_rate_upper(a, N, z) - old);
            if (lower > q - p)
                wrong += (tail(a, N, p) - (a < N ? tail(a + 1, N, p) : 0)) *
                         (tail(b, N, q) - (b < N ? tail(b + 1, N, q) : 0));
        }
    cr_assert_lt(wrong, 1.5 * chance_of(z), "%g", wrong);
}

Test(compare, t_is_that_of_the_tables)
{
    cr_assert_float_eq(compare_t(1.959964, 10), 2.228, 0.005);
    cr_assert_float_eq(compare_t(1.959964, 31), 2.040, 0.002);
    cr_assert_float_eq(compare_t(3.090232, 31), 3.375, 0.01); /* 0.001 */
    cr_assert_float_eq(compare_t(4.264891, 30), 5.054, 0.03); /* 0.00001 */
    cr_assert_eq(compare_t(5, 0), INFINITY);
    cr_assert_float_eq(compare_t(5.6, 1e9), 5.6, 1e-6);
}

/* The rank of a true p95 in a sample, against the exact binomial. */
Test(compare, the_levels_of_a_quantile_have_the_chance_of_their_z)
{
    for (double z = 1.96; z < 6; z += 1.2) {
        double lower, upper;
        compare_levels(0.95, 2000, z, &lower, &upper);
        unsigned most = (unsigned)floor(lower * 2000), least = (unsigned)ceil(upper * 2000);
        cr_assert_lt(1 - tail(most, 2000, 0.95), 1.5 * chance_of(z) + 1e-9, "z %g", z);
        cr_assert_lt(tail(least, 2000, 0.95), 1.5 * chance_of(z), "z %g", z);
        cr_assert(lower > 0.91 && upper < 0.98);
    }
    double lower, upper;
    compare_levels(0.95, 50, 5, &lower, &upper);
    cr_assert_geq(upper, 1, "all of 50 may lie below the p95");
}

/* ---- verdicts ---- */

Test(compare, words)
{
    cr_assert_str_eq(verdict_name(VERDICT_PASS), "pass");
    cr_assert_str_eq(verdict_name(VERDICT_FAIL), "fail");
    cr_assert_str_eq(verdict_name(VERDICT_INCONCLUSIVE), "inconclusive");
    cr_assert_str_eq(compare_cause_name(CAUSE_ERRORS_OVER_OLD), "errors_over_old");
    cr_assert_str_eq(compare_cause_name(CAUSE_NONE), "");
}

Test(compare, equal_sides_with_enough_requests_pass)
{
    struct sample old = dealt(9000, 9, 100), new = dealt(5000, 5, 100);
    struct compare_question question = usual(&LIMITS);
    struct comparison comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_PASS, CAUSE_NONE);
    cr_assert_eq(comparison.requests_needed, 0);
    cr_assert_float_eq(comparison.error_rate[1].value, 0.001, 1e-9);
    cr_assert(comparison.error_rate[1].lower < 0.001 && comparison.error_rate[1].upper > 0.001);
    cr_assert(strstr(comparison.reason, "within the limits") != NULL, "%s", comparison.reason);
}

Test(compare, a_baseline_without_errors_never_lets_a_broken_side_pass)
{
    struct comparison comparison = compared_counts(10000, 0, 10000, 500);
    EXPECT(comparison, VERDICT_FAIL, CAUSE_ERRORS);
    struct compare_limits limits = LIMITS;
    limits.max_error_rate = 10000;
    struct sample old = dealt(10000, 0, 0), new = dealt(10000, 500, 0);
    struct compare_question question = usual(&limits);
    comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_FAIL, CAUSE_ERRORS_OVER_OLD);
    cr_assert(strstr(comparison.reason, "errors: new 5.0 % (") != NULL, "%s", comparison.reason);
    cr_assert(strstr(comparison.reason, "more than 0.5 points over old") != NULL, "%s",
              comparison.reason);
    cr_assert_gt(comparison.error_difference.lower, 0.04);
}

Test(compare, a_fail_needs_enough_requests_on_both_sides)
{
    struct comparison comparison = compared_counts(9000, 9, 199, 199);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_FEW_REQUESTS);
    cr_assert_str_eq(comparison.reason, "too few requests on new: 199 of 200");
    cr_assert_eq(comparison.requests_needed, 1);
    comparison = compared_counts(150, 0, 900, 900);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_FEW_REQUESTS);
    cr_assert_str_eq(comparison.reason, "too few requests on old: 150 of 200");
    comparison = compared_counts(9000, 9, 200, 200);
    EXPECT(comparison, VERDICT_FAIL, CAUSE_ERRORS);
}

Test(compare, nothing_counted_is_no_evidence)
{
    struct comparison comparison = compared_counts(0, 0, 0, 0);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NO_EVIDENCE);
    cr_assert_eq(comparison.requests_needed, COMPARE_UNKNOWN);
    comparison = compared_counts(500, 0, 0, 0);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_FEW_REQUESTS);
    cr_assert_eq(comparison.requests_needed, 200);
    cr_assert_eq(comparison.seconds_needed, COMPARE_UNKNOWN);
}

Test(compare, a_side_that_is_down_fails_whatever_was_counted)
{
    struct sample old = dealt(5000, 5, 100), none = dealt(0, 0, 0);
    struct compare_question question = usual(&LIMITS);
    question.new_is_usable = false;
    EXPECT(ask(&old, &none, &question), VERDICT_FAIL, CAUSE_NEW_DOWN);
    EXPECT(ask(&old, &old, &question), VERDICT_FAIL, CAUSE_NEW_DOWN);
}

Test(compare, both_sides_down_is_nobodys_fault)
{
    struct sample good = dealt(5000, 5, 100), bad = dealt(5000, 4000, 100), none = dealt(0, 0, 0);
    const struct sample *const new[] = {&good, &bad, &none};
    for (size_t i = 0; i < ARRAY_LEN(new); i++) {
        struct compare_question question = usual(&LIMITS);
        question.new_is_usable = question.old_is_usable = false;
        EXPECT(ask(&good, new[i], &question), VERDICT_INCONCLUSIVE, CAUSE_FAILING_OVER);
        question.is_alone = true;
        struct comparison comparison = ask(&good, new[i], &question);
        EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_FAILING_OVER);
        cr_assert(strstr(comparison.reason, "neither side has a server") != NULL, "%s",
                  comparison.reason);
        cr_assert_eq(comparison.requests_needed, COMPARE_UNKNOWN);
    }
}

Test(compare, a_verdict_is_a_number_for_metrics)
{
    cr_assert_eq(verdict_number(VERDICT_PASS), 1);
    cr_assert_eq(verdict_number(VERDICT_INCONCLUSIVE), 0);
    cr_assert_eq(verdict_number(VERDICT_FAIL), -1);
}

Test(compare, alone_it_is_judged_by_what_old_had_last)
{
    struct sample none = dealt(0, 0, 0), new = dealt(20000, 400, 100);
    struct compare_question question = usual(&LIMITS);
    question.is_alone = true;
    EXPECT(ask(&none, &new, &question), VERDICT_FAIL, CAUSE_ERRORS);
    question.old_rate = 220; /* 2.2 %: with error_rate_over_old more than the 2 % of new */
    EXPECT(ask(&none, &new, &question), VERDICT_PASS, CAUSE_NONE);
    question.old_rate = 40; /* less than max_error_rate, which stays the limit */
    EXPECT(ask(&none, &new, &question), VERDICT_FAIL, CAUSE_ERRORS);
    question.is_alone = false; /* both are seen: it is of no meaning */
    question.old_rate = 9000;
    struct sample old = dealt(20000, 0, 100);
    cr_assert_eq(ask(&old, &new, &question).verdict, VERDICT_FAIL);
}

Test(compare, milliseconds_have_the_digits_that_tell_them_apart)
{
    struct sample fast = dealt(9000, 9, 0.2), slower = dealt(9000, 9, 2);
    struct compare_question question = usual(&LIMITS);
    struct comparison comparison = ask(&fast, &slower, &question);
    unsigned hundredths, tenths, whole;
    const char *p95 = strstr(comparison.reason, "p95");
    cr_assert_eq(sscanf(p95, "p95 of the first byte: new %u.%1u ms, old 0.%2u ms,", &whole, &tenths,
                        &hundredths),
                 3, "%s", comparison.reason);
    cr_assert(whole >= 5 && whole < 8 && hundredths >= 50, "%s", comparison.reason);
}

Test(compare, an_incident_on_both_sides_is_nobodys_fault)
{
    struct comparison comparison = compared_counts(5000, 1000, 5000, 1010);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_BOTH_BAD);
    cr_assert_eq(comparison.requests_needed, COMPARE_UNKNOWN);
    comparison = compared_counts(5000, 1000, 5000, 2000);
    EXPECT(comparison, VERDICT_FAIL, CAUSE_ERRORS);
}

Test(compare, failing_over_takes_a_pass_but_not_a_fail)
{
    struct compare_question question = usual(&LIMITS);
    for (unsigned i = 0; i < 2; i++) {
        struct sample side[2] = {dealt(9000, 9, 100), dealt(9000, 9, 100)};
        side[i].failovers = 3;
        EXPECT(ask(&side[0], &side[1], &question), VERDICT_INCONCLUSIVE, CAUSE_FAILING_OVER);
        side[1] = dealt(9000, 900, 100);
        EXPECT(ask(&side[0], &side[1], &question), VERDICT_FAIL, CAUSE_ERRORS);
    }
    struct sample good = dealt(9000, 9, 100);
    question.old_is_usable = false;
    EXPECT(ask(&good, &good, &question), VERDICT_INCONCLUSIVE, CAUSE_FAILING_OVER);
}

Test(compare, alone_only_the_absolute_limit_judges)
{
    struct sample none = dealt(0, 0, 0), good = dealt(9000, 9, 900), bad = dealt(9000, 450, 900);
    struct compare_question question = usual(&LIMITS);
    question.is_alone = true;
    EXPECT(ask(&none, &good, &question), VERDICT_PASS, CAUSE_NONE);
    EXPECT(ask(&none, &bad, &question), VERDICT_FAIL, CAUSE_ERRORS);
    struct sample some = dealt(3000, 3, 100); /* testers and stragglers are no baseline */
    EXPECT(ask(&some, &good, &question), VERDICT_PASS, CAUSE_NONE);
    struct sample few = dealt(250, 0, 900);
    struct comparison comparison = ask(&none, &few, &question);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    cr_assert(comparison.requests_needed > 50 && comparison.requests_needed < 400);
}

/* 300 errors that all come from the users of one group, or from all of them. */
Test(compare, one_noisy_user_does_not_convict)
{
    struct sample old = dealt(9000, 9, 0), spread = dealt(6400, 300, 0), noisy = dealt(6400, 0, 0);
    struct compare_question question = usual(&LIMITS);
    noisy.requests[7] += 300;
    noisy.failed[7] = 300;
    EXPECT(ask(&old, &spread, &question), VERDICT_FAIL, CAUSE_ERRORS);
    struct comparison comparison = ask(&old, &noisy, &question);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    cr_assert_gt(comparison.error_deff[1], 50);
    cr_assert_float_eq(comparison.error_deff[0], 1, 0.1);
}

Test(compare, one_group_alone_proves_nothing)
{
    struct sample old = dealt(9000, 9, 0), new = dealt(0, 0, 0);
    struct compare_question question = usual(&LIMITS);
    new.requests[5] = 5000;
    new.failed[5] = 2500;
    EXPECT(ask(&old, &new, &question), VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
}

/* ---- latency ---- */

Test(compare, the_p95_of_known_distributions)
{
    struct sample old = dealt(20000, 0, 100), new = dealt(20000, 0, 300);
    struct compare_question question = usual(&LIMITS);
    struct comparison comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_FAIL, CAUSE_P95);
    cr_assert_float_eq(comparison.p95_ratio.value, 3, 0.05);
    cr_assert_float_eq(comparison.p95_difference_ms.value, 200 * log(20), 12);
    cr_assert(comparison.p95_ratio.lower > 2.8 && comparison.p95_ratio.upper < 3.2);
    cr_assert(strstr(comparison.reason, "p95 of the first byte: new 9") != NULL, "%s",
              comparison.reason);
}

Test(compare, a_slow_side_fails_only_beyond_both_limits)
{
    /* p95 is 3 times the mean: 30 and 90 ms, which is 3 times but no 200 ms; 900 and 1500. */
    struct sample old = dealt(20000, 0, 10), new = dealt(20000, 0, 30);
    struct compare_question question = usual(&LIMITS);
    EXPECT(ask(&old, &new, &question), VERDICT_PASS, CAUSE_NONE);
    old = dealt(20000, 0, 300);
    new = dealt(20000, 0, 500);
    EXPECT(ask(&old, &new, &question), VERDICT_PASS, CAUSE_NONE);
    new = dealt(20000, 0, 600); /* on the limit */
    struct comparison comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
}

Test(compare, without_latencies_only_errors_are_judged)
{
    EXPECT(compared_counts(9000, 9, 9000, 9), VERDICT_PASS, CAUSE_NONE);
    struct sample old = dealt(9000, 9, 0), new = dealt(9000, 9, 100);
    struct compare_question question = usual(&LIMITS);
    struct comparison comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    cr_assert_eq(comparison.p95_ratio.value, 0);
    cr_assert(isfinite(comparison.p95_difference_ms.upper));
}

/* ---- limits of zero, and how far it is ---- */

Test(compare, a_limit_of_zero_tolerates_no_error)
{
    struct compare_limits limits = LIMITS;
    struct compare_question question = usual(&limits);
    struct sample old = dealt(9000, 0, 0), clean = dealt(9000, 0, 0), bad = dealt(9000, 40, 0);
    limits.max_error_rate = limits.error_rate_over_old = 0;
    EXPECT(ask(&old, &clean, &question), VERDICT_PASS, CAUSE_NONE);
    EXPECT(ask(&old, &bad, &question), VERDICT_FAIL, CAUSE_ERRORS);
    struct sample one = dealt(9000, 1, 0);
    EXPECT(ask(&old, &one, &question), VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
}

Test(compare, fewer_requests_are_needed_as_they_come)
{
    uint64_t before = UINT64_MAX, before_s = UINT64_MAX;
    for (unsigned n = 100; n < 600; n += 100) {
        struct comparison comparison = compared_counts(10 * n, n / 100, n, 0);
        cr_assert_eq(comparison.verdict, VERDICT_INCONCLUSIVE, "%s", comparison.reason);
        cr_assert_lt(comparison.requests_needed, before);
        cr_assert_lt(comparison.seconds_needed, before_s);
        before = comparison.requests_needed;
        before_s = comparison.seconds_needed;
    }
    /* and what it says is about true: with as many more, and a few, it is a pass */
    struct comparison early = compared_counts(4000, 4, 400, 0);
    unsigned all = 450 + (unsigned)early.requests_needed;
    EXPECT(compared_counts(10 * all, all / 100, all, 0), VERDICT_PASS, CAUSE_NONE);
}

Test(compare, a_bad_side_says_when_it_will_be_sure)
{
    struct comparison comparison = compared_counts(4000, 8, 400, 9);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    unsigned times = (unsigned)(comparison.requests_needed / 400) + 2;
    comparison = compared_counts(4000 * times, 8 * times, 400 * times, 9 * times);
    cr_assert_eq(comparison.verdict, VERDICT_FAIL, "%s", comparison.reason);
}

Test(compare, on_the_limit_nobody_can_say_how_long)
{
    struct comparison comparison = compared_counts(8000, 0, 8000, 40);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    cr_assert_eq(comparison.requests_needed, COMPARE_UNKNOWN);
    cr_assert_eq(comparison.seconds_needed, COMPARE_UNKNOWN);
}

Test(compare, a_brief_answer_has_no_outlook)
{
    struct sample old = dealt(4000, 4, 0), new = dealt(400, 0, 0);
    struct compare_question question = usual(&LIMITS);
    question.is_brief = true;
    struct comparison comparison = ask(&old, &new, &question);
    EXPECT(comparison, VERDICT_INCONCLUSIVE, CAUSE_NOT_SURE);
    cr_assert_eq(comparison.requests_needed, 0);
}
