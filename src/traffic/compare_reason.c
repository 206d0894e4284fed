/*
 * compare_reason.c - the verdict as one sentence with its numbers.
 *
 * It is read beside the buttons of a page, in a log and in an audit, so it is short, and each number
 * has its unit. Rates are in percent, with the limits of 95 % in brackets.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "compare_inside.h"

static void say(struct comparison *comparison, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends; what does not fit is cut. */
static void say(struct comparison *comparison, const char *format, ...)
{
    size_t used = strlen(comparison->reason);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(comparison->reason + used, sizeof(comparison->reason) - used, format, arguments);
    va_end(arguments);
}

/* Two digits after the point below 1 %, where a tenth would hide too much. */
static int digits_of(double percent)
{
    return percent != 0 && percent < 0.995 ? 2 : 1;
}

static void say_rate(struct comparison *comparison, const char *name,
                     struct compare_interval interval)
{
    double value = interval.value * 100, lower = interval.lower * 100, upper = interval.upper * 100;
    int digits = digits_of(value);
    say(comparison, "%s %.*f %% (%.*f to %.*f)", name, digits, value, digits, lower, digits, upper);
}

static void say_errors(const struct compared *compared, struct comparison *comparison)
{
    say(comparison, "errors: ");
    say_rate(comparison, "new", comparison->error_rate[SIDE_NEW]);
    if (compared->question->is_alone)
        return;
    say(comparison, ", ");
    say_rate(comparison, "old", comparison->error_rate[SIDE_OLD]);
}

static double p95_ms(const struct compared_side *side)
{
    return sample_quantile_us(&side->first_byte, 0.95) / 1000;
}

/* Below 10 ms whole ones would hide what differs. */
static int digits_of_ms(double ms)
{
    return ms < 0.995 ? 2 : ms < 9.95 ? 1 : 0;
}

static void say_p95(const struct compared *compared, struct comparison *comparison)
{
    double new_ms = p95_ms(&compared->side[SIDE_NEW]), old_ms = p95_ms(&compared->side[SIDE_OLD]);
    say(comparison, "p95 of the first byte: new %.*f ms, old %.*f ms", digits_of_ms(new_ms), new_ms,
        digits_of_ms(old_ms), old_ms);
    if (comparison->p95_ratio.value > 0)
        say(comparison, ", %.1f times (%.1f to %.1f)", comparison->p95_ratio.value,
            comparison->p95_ratio.lower, comparison->p95_ratio.upper);
}

static void say_fail(const struct compared *compared, struct comparison *comparison)
{
    const struct compare_limits *limits = compared->question->limits;
    switch (comparison->cause) {
    case CAUSE_NEW_DOWN:
        say(comparison, "new has no server that can be used");
        break;
    case CAUSE_ERRORS:
        say_errors(compared, comparison);
        say(comparison, ": more than %g %%", compare_most_errors(compared->question) * 100);
        break;
    case CAUSE_ERRORS_OVER_OLD:
        say_errors(compared, comparison);
        say(comparison, ": more than %g points over old", limits->error_rate_over_old / 100.0);
        break;
    default:
        say_p95(compared, comparison);
        say(comparison, ": more than %g times and %" PRIu64 " ms over old",
            limits->p95_ratio / 100.0, limits->p95_over_old_ms);
        break;
    }
}

static void say_too_few(const struct compared *compared, struct comparison *comparison)
{
    unsigned least = compared->question->limits->min_requests;
    bool is_first = true;
    for (unsigned i = SIDES; i-- > 0;) {
        double requests = compared->side[i].requests;
        if (requests >= least || (i == SIDE_OLD && compared->question->is_alone))
            continue;
        say(comparison, is_first ? "too few requests on %s: %.0f of %u" : ", on %s: %.0f of %u",
            side_name((enum side)i), requests, least);
        is_first = false;
    }
}

static void say_failing_over(const struct compared *compared, struct comparison *comparison)
{
    if (!compared->question->old_is_usable && !compared->question->new_is_usable) {
        say(comparison, "neither side has a server that can be used: going back would help nobody; "
                        "look at the network between here and both");
        return;
    }
    if (!compared->question->old_is_usable) {
        say(comparison, "old has no server that can be used: there is no way back");
        return;
    }
    for (unsigned i = SIDES; i-- > 0;) {
        uint64_t count = compared->side[i].failovers;
        if (count > 0)
            say(comparison, "%s%" PRIu64 " requests left %s for the other side",
                comparison->reason[0] == '\0' ? "" : ", ", count, side_name((enum side)i));
    }
}

/* Which of them it is that is not sure: the one whose interval at 95 % holds its limit. */
static void say_not_sure(const struct compared *compared, struct comparison *comparison)
{
    const struct compare_limits *limits = compared->question->limits;
    bool is_alone = compared->question->is_alone;
    double over = limits->error_rate_over_old / 10000.0;
    double most = compare_most_errors(compared->question);
    bool is_error = is_alone ? comparison->error_rate[SIDE_NEW].upper > most
                             : comparison->error_difference.upper > over ||
                                   comparison->error_rate[SIDE_NEW].value > most;
    say(comparison, "not sure yet: ");
    if (is_error) {
        say_errors(compared, comparison);
        if (is_alone)
            say(comparison, "; allowed are %g %%", most * 100);
        else
            say(comparison, "; allowed are %g points over old, and %g %%",
                limits->error_rate_over_old / 100.0, limits->max_error_rate / 100.0);
        return;
    }
    say_p95(compared, comparison);
    say(comparison, "; allowed are %g times, or %" PRIu64 " ms over old", limits->p95_ratio / 100.0,
        limits->p95_over_old_ms);
}

void compare_explain(const struct compared *compared, struct comparison *comparison)
{
    comparison->reason[0] = '\0';
    if (comparison->verdict == VERDICT_FAIL) {
        say_fail(compared, comparison);
        return;
    }
    switch (comparison->cause) {
    case CAUSE_NO_EVIDENCE:
        say(comparison, "nothing counted yet");
        break;
    case CAUSE_FEW_REQUESTS:
        say_too_few(compared, comparison);
        break;
    case CAUSE_FAILING_OVER:
        say_failing_over(compared, comparison);
        break;
    case CAUSE_BOTH_BAD:
        say_errors(compared, comparison);
        say(comparison, ": both above %g %%, going back would not help",
            compared->question->limits->max_error_rate / 100.0);
        break;
    case CAUSE_NOT_SURE:
        say_not_sure(compared, comparison);
        break;
    default:
        say_errors(compared, comparison);
        if (compared->has_p95) {
            say(comparison, "; ");
            say_p95(compared, comparison);
        }
        say(comparison, ": within the limits");
        break;
    }
}
