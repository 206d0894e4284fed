/*
 * guard.c - how often, how surely, and what a fail leads to.
 *
 *     GUARD_FALSE_ALARM = half for windows + half for latest slots
 *     half = steps x (part 1 + part 2 + part 3 + ...), part k = chance / k
 */
#include "traffic/guard.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "traffic/side.h"

#define DAY_MS 86400000

uint64_t guard_slot_ms(const struct guard_rules *rules)
{
    uint64_t least_ms = (rules->window_ms + GUARD_SLOTS_MAX - 1) / GUARD_SLOTS_MAX;
    uint64_t slot_ms = rules->every_ms > least_ms ? rules->every_ms : least_ms;
    return slot_ms > 0 ? slot_ms : 1;
}

/* A plan is taken to last a day at least: a short one should not be judged on a whim. The sum of 1/k
 * up to n is less than 1 + log n. */
void guard_sureness(const struct guard_rules *rules, uint64_t holds_ms, unsigned steps,
                    uint64_t look, double *window, double *latest)
{
    double held_ms = (double)(holds_ms > DAY_MS ? holds_ms : DAY_MS);
    double parts = steps > 0 ? steps : 1;
    double looks = fmax(held_ms / (double)guard_slot_ms(rules) / parts, 1);
    double chance = GUARD_FALSE_ALARM / 2 / parts / (1 + log(looks)) / fmax((double)look, 1);
    double strikes = rules->strikes > 0 ? rules->strikes : 1;
    double slot_chance = fmin(pow(chance, 1 / strikes), GUARD_SLOT_CHANCE);
    *window = compare_z(chance);
    *latest = compare_z(fmax(slot_chance, chance));
}

static bool has_enough(const struct guard_rules *rules, const struct guard_seen *seen)
{
    return sample_requests(&seen->window[SIDE_NEW]) >= rules->limits.min_requests &&
           (seen->is_alone ||
            sample_requests(&seen->window[SIDE_OLD]) >= rules->limits.min_requests);
}

/* The window still has its good past; nobody should be sent on by it. */
static void take_back_pass(struct comparison *window, const struct comparison *latest)
{
    window->verdict = VERDICT_INCONCLUSIVE;
    window->cause = CAUSE_NOT_SURE;
    window->requests_needed = window->seconds_needed = COMPARE_UNKNOWN;
    snprintf(window->reason, sizeof(window->reason), "just now %.240s", latest->reason);
}

bool guard_look(struct guard *guard, const struct guard_rules *rules, uint64_t holds_ms,
                unsigned steps, const struct guard_seen *seen, struct comparison *window,
                struct comparison *latest)
{
    struct compare_limits slot_limits = rules->limits;
    struct compare_question of_window = {
        .limits = &rules->limits,
        .span_ms = seen->window_ms,
        .is_alone = seen->is_alone,
        .old_rate = seen->old_rate,
        .new_is_usable = seen->new_is_usable,
        .old_is_usable = seen->old_is_usable,
    };
    struct compare_question of_latest = of_window;
    guard->looks++;
    guard_sureness(rules, holds_ms, steps, guard->looks, &of_window.sureness, &of_latest.sureness);
    of_latest.limits = &slot_limits;
    of_latest.is_brief = true;
    of_latest.span_ms = seen->latest_ms;
    if (has_enough(rules, seen))
        slot_limits.min_requests = 1;
    compare_sides(&seen->window[SIDE_OLD], &seen->window[SIDE_NEW], &of_window, window);
    memset(latest, 0, sizeof(*latest));
    latest->cause = CAUSE_NO_EVIDENCE;
    if (seen->latest != NULL)
        compare_sides(&seen->latest[SIDE_OLD], &seen->latest[SIDE_NEW], &of_latest, latest);
    if (latest->verdict == VERDICT_FAIL && window->verdict == VERDICT_PASS)
        take_back_pass(window, latest);
    return guard_note(guard, rules, window, latest);
}

bool guard_note(struct guard *guard, const struct guard_rules *rules,
                const struct comparison *window, const struct comparison *latest)
{
    const struct comparison *fail = window->verdict == VERDICT_FAIL   ? window
                                    : latest->verdict == VERDICT_FAIL ? latest
                                                                      : NULL;
    if (fail == NULL) {
        guard->strikes = 0;
        return false;
    }
    if (guard->strikes < UINT_MAX)
        guard->strikes++;
    if (guard->has_failed || guard->strikes < rules->strikes)
        return false;
    guard->has_failed = true;
    guard->cause = fail->cause;
    snprintf(guard->reason, sizeof(guard->reason), "%s", fail->reason);
    return true;
}

uint64_t guard_window_needed_ms(const struct guard_rules *rules, const struct comparison *window,
                                uint64_t span_ms)
{
    uint64_t needed_ms;
    if (window->verdict != VERDICT_INCONCLUSIVE || window->seconds_needed == 0 ||
        window->seconds_needed == COMPARE_UNKNOWN || span_ms < rules->window_ms / 2)
        return 0;
    if (__builtin_mul_overflow(window->seconds_needed, (uint64_t)1000, &needed_ms) ||
        __builtin_add_overflow(needed_ms, span_ms, &needed_ms))
        return UINT64_MAX;
    return needed_ms > rules->window_ms ? needed_ms : 0;
}

void guard_begin(struct guard *guard)
{
    guard->looks = 0;
    guard->strikes = 0;
}

void guard_reset(struct guard *guard)
{
    memset(guard, 0, sizeof(*guard));
}
