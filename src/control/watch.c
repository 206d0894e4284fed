/*
 * watch.c - evidence of all workers -> sum -> span -> compare -> guard, at the end of each slot.
 *
 * The sums of all workers are taken at the ends of slots only: they are some hundred KiB to walk.
 */
#include "control/watch.h"

#include <math.h>

#include "base/check.h"
#include "base/clock.h"

static struct str route_of(const struct watch *watch)
{
    return str_of(watch->route);
}

const struct plan *watch_plan(const struct watch *watch)
{
    return config_plan(watch->controller->config, route_of(watch));
}

const struct plan_place *watch_place(const struct watch *watch)
{
    return state_plan_find(&watch->controller->state, route_of(watch));
}

unsigned watch_weight(const struct watch *watch)
{
    const struct state *state = &watch->controller->state;

    return str_eq(route_of(watch), STR(ROUTE_MAIN)) ? state->weight
                                                    : state_route_weight(state, route_of(watch), 0);
}

static const struct guard_rules *present_rules(const struct watch *watch)
{
    const struct plan *plan = watch_plan(watch);

    return plan == NULL ? &watch->controller->config->plan.guard : &plan->guard;
}

/* Life cycle */

static unsigned slots_of(const struct guard_rules *rules)
{
    uint64_t slots = rules->window_ms / guard_slot_ms(rules);

    return slots < 1 ? 1 : (unsigned)slots;
}

void watch_init(struct watch *watch, struct controller *controller, struct str route,
                uint64_t now_ms)
{
    const struct plan_place *place;

    *watch = (struct watch){.controller = controller, .route = str_dup(route)};
    watch->index = (unsigned)controller_plan_index(controller, route);
    watch->rules = *present_rules(watch);
    window_init(&watch->window, slots_of(&watch->rules));
    place = watch_place(watch);
    if (place != NULL && place->has_failed) {
        watch->guard.has_failed = true;
        snprintf(watch->guard.reason, sizeof(watch->guard.reason), "%s", place->note);
    }
    watch_begin(watch, now_ms);
}

void watch_deinit(struct watch *watch)
{
    window_deinit(&watch->window);
    mem_free(watch->route);
}

void watch_update(struct watch *watch, uint64_t now_ms)
{
    struct guard_rules before = watch->rules;

    watch->rules = *present_rules(watch);
    if (before.window_ms == watch->rules.window_ms && before.every_ms == watch->rules.every_ms)
        return;
    window_deinit(&watch->window);
    window_init(&watch->window, slots_of(&watch->rules));
    watch_begin(watch, now_ms);
}

/* Sums */

static void sum_up(const struct watch *watch, uint64_t now_ms, struct window_sum *sum)
{
    controller_sum_evidence(watch->controller, watch->index, sum->side);
    sum->at_ms = now_ms;
}

static void begin_window(struct watch *watch, uint64_t now_ms)
{
    struct window_sum sum;

    sum_up(watch, now_ms, &sum);
    window_begin(&watch->window, &sum);
    watch->warm_until_ms = 0;
    watch->slot_end_ms = now_ms + guard_slot_ms(&watch->rules);
}

/* Between a boundary at most `span_ms` ago and `now`; nothing at all when there is none. Slots end
 * with a tick, so they are a little longer than they should be. */
static void cut_span(const struct watch *watch, const struct window_sum *now, uint64_t span_ms,
                     struct window_sum *span)
{
    uint64_t slack_ms = guard_slot_ms(&watch->rules) / 2;

    if (watch->warm_until_ms != 0 || !window_span(&watch->window, now, span_ms + slack_ms, span))
        memset(span, 0, sizeof(*span));
}

/* What is seen of the sides themselves */

/* An operator's maint is no failure of the side. */
static bool is_usable(const struct watch *watch, enum side side)
{
    const struct snapshot *snapshot = watch->controller->snapshot;
    bool usable[SIDES];

    snapshot_usable(snapshot, clock_mono_ms(), usable);
    return usable[side] || snapshot->policy.admin[side] == ADMIN_MAINT;
}

static bool has_no_server(const struct watch *watch, enum side side)
{
    return !is_usable(watch, side) ||
           watch->controller->snapshot->policy.admin[side] == ADMIN_MAINT;
}

bool watch_is_failing_over(const struct watch *watch)
{
    unsigned weight = watch_weight(watch);

    return watch->has_left || (weight > 0 && has_no_server(watch, SIDE_NEW)) ||
           (weight < WEIGHT_MAX && has_no_server(watch, SIDE_OLD));
}

static bool new_is_usable(const struct watch *watch)
{
    return watch_weight(watch) == 0 || is_usable(watch, SIDE_NEW);
}

/* Look */

static bool is_under_way(const struct watch *watch)
{
    const struct plan_place *place = watch_place(watch);

    return watch_plan(watch) != NULL && place != NULL && plan_is_active(place);
}

/* A fail of the latest slot is what is to be told, whatever the window says. */
static void keep_look(struct watch *watch, const struct comparison *window,
                      const struct comparison *latest, uint64_t span_ms)
{
    watch->seen = *window;
    if (latest->verdict == VERDICT_FAIL && window->verdict != VERDICT_FAIL) {
        watch->seen.verdict = VERDICT_FAIL;
        watch->seen.cause = latest->cause;
        memcpy(watch->seen.reason, latest->reason, sizeof(watch->seen.reason));
    }
    watch->span_ms = span_ms;
    watch->looked_wall_ms = clock_wall_ms();
}

static void describe(const struct watch *watch, const struct window_sum *span,
                     struct guard_seen *seen)
{
    const struct plan_place *place = watch_place(watch);

    *seen = (struct guard_seen){
        .window = span->side,
        .window_ms = span->at_ms,
        .is_alone = watch_weight(watch) >= WEIGHT_MAX,
        .old_rate = place == NULL ? 0 : place->old_rate,
        .new_is_usable = new_is_usable(watch),
        .old_is_usable = is_usable(watch, SIDE_OLD),
    };
}

static bool look(struct watch *watch, const struct window_sum *now)
{
    const struct plan *plan = watch_plan(watch);
    struct window_sum span, slot;
    struct comparison window, latest;
    struct guard unasked = {.looks = 0}; /* nobody is to be protected: no strikes, no latch */
    struct guard *guard = is_under_way(watch) ? &watch->guard : &unasked;
    struct guard_seen seen;
    bool has_failed;

    cut_span(watch, now, watch->rules.window_ms, &span);
    describe(watch, &span, &seen);
    watch->has_left = false;
    if (window_latest(&watch->window, now, &slot)) {
        seen.latest = slot.side;
        seen.latest_ms = slot.at_ms;
        watch->has_left = slot.side[SIDE_OLD].failovers > 0 || slot.side[SIDE_NEW].failovers > 0;
    }
    has_failed = guard_look(guard, &watch->rules, plan == NULL ? 0 : plan_holds_ms(plan),
                            plan == NULL ? 1 : plan->step_count, &seen, &window, &latest);
    keep_look(watch, &window, &latest, span.at_ms);
    return has_failed && guard == &watch->guard;
}

void watch_compare(const struct watch *watch, uint64_t span_ms, struct comparison *comparison,
                   struct window_sum *span)
{
    const struct plan *plan = watch_plan(watch);
    struct compare_question question = {.limits = &watch->rules.limits};
    struct window_sum now;
    struct guard_seen seen;
    double latest_sureness;

    sum_up(watch, clock_boot_ms(), &now);
    cut_span(watch, &now, span_ms == 0 ? watch->rules.window_ms : span_ms, span);
    describe(watch, span, &seen);
    guard_sureness(&watch->rules, plan == NULL ? 0 : plan_holds_ms(plan),
                   plan == NULL ? 1 : plan->step_count, watch->guard.looks + 1, &question.sureness,
                   &latest_sureness);
    question.span_ms = span->at_ms;
    question.is_alone = seen.is_alone;
    question.old_rate = seen.old_rate;
    question.new_is_usable = seen.new_is_usable;
    question.old_is_usable = seen.old_is_usable;
    compare_sides(&span->side[SIDE_OLD], &span->side[SIDE_NEW], &question, comparison);
}

unsigned watch_old_rate(const struct watch *watch)
{
    struct comparison now;
    struct window_sum span;

    watch_compare(watch, 0, &now, &span);
    if (sample_requests(&span.side[SIDE_OLD]) < watch->rules.limits.min_requests)
        return 0;
    return (unsigned)ceil(now.error_rate[SIDE_OLD].upper * WEIGHT_MAX);
}

void watch_begin(struct watch *watch, uint64_t now_ms)
{
    struct window_sum nothing;

    guard_begin(&watch->guard);
    watch->has_left = false;
    watch->looked_wall_ms = 0;
    watch->warm_until_ms = now_ms + watch->rules.warm_up_ms;
    watch->span_ms = 0;
    watch_compare(watch, 0, &watch->seen, &nothing);
    if (watch->rules.warm_up_ms == 0)
        begin_window(watch, now_ms);
}

bool watch_tick(struct watch *watch, uint64_t now_ms, bool *has_failed)
{
    uint64_t slot_ms = guard_slot_ms(&watch->rules);
    struct window_sum now;

    if (watch->warm_until_ms != 0) {
        if (now_ms >= watch->warm_until_ms)
            begin_window(watch, now_ms);
        return false;
    }
    if (now_ms < watch->slot_end_ms)
        return false;
    sum_up(watch, now_ms, &now);
    *has_failed = look(watch, &now);
    window_push(&watch->window, &now);
    /* A machine that stood still is not made up for by many short slots. */
    watch->slot_end_ms += slot_ms;
    if (watch->slot_end_ms <= now_ms)
        watch->slot_end_ms = now_ms + slot_ms;
    return true;
}
