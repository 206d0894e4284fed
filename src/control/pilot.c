/*
 * pilot.c - one tick: look (watch.c), then ask the plan what is to be done, and do it.
 *
 *     watch_tick -> strikes, latch -> events
 *     plan_next(place, verdict, latch, gates) -> take back | stop | ask a hook | go on | wait | end
 *
 * What is to be done is worked out anew each time from what is true at the moment; nothing is
 * queued. An order that was refused (the disk is full, old cannot take the users back) is therefore tried
 * again by itself, but told once. pilot_act.c does it.
 */
#include "control/pilot.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "control/draft.h"
#include "pilot_inside.h"

/* Where a plan stands is written this often: a machine that comes up with a wrong clock goes on from
 * what was written last. */
#define CHECKPOINT_MS (10 * 60 * 1000)

struct pilot {
    struct controller *controller; /* borrowed: it owns this pilot */
    uv_timer_t timer;
    struct piloted *plans[PLANS_MAX]; /* owned; main is the first */
    unsigned count;
    uint64_t checkpoint_ms;
};

static struct piloted *find(const struct pilot *pilot, struct str route)
{
    struct str name = str_is_empty(route) ? STR(ROUTE_MAIN) : route;

    for (unsigned i = 0; i < pilot->count; i++)
        if (str_eq(piloted_route(pilot->plans[i]), name))
            return pilot->plans[i];
    return NULL;
}

/* Events */

/* A fail, and its end, at once; between pass and inconclusive a plan may well go to and fro for
 * weeks, and the trail has better things to keep. */
static void tell_verdict(struct piloted *piloted, uint64_t now_ms)
{
    const struct watch *watch = &piloted->watch;
    bool is_fail = watch->seen.verdict == VERDICT_FAIL || piloted->told == VERDICT_FAIL;

    if (watch->seen.verdict == piloted->told ||
        (!is_fail && now_ms - piloted->told_ms < watch->rules.window_ms))
        return;
    piloted_tell(piloted, "guard", "guard", verdict_name(piloted->told),
                 verdict_name(watch->seen.verdict), watch->seen.reason, "ok");
    piloted->told = watch->seen.verdict;
    piloted->told_ms = now_ms;
}

/* One tick */

static enum plan_move next_move(const struct piloted *piloted, const struct plan *plan,
                                uint64_t now_ms)
{
    const struct watch *watch = &piloted->watch;
    struct plan_view view = {
        .verdict = watch->seen.verdict,
        .has_failed = watch->guard.has_failed,
        .is_failing_over = watch_is_failing_over(watch),
        .after = piloted->consent.after,
        .before = piloted->consent.before,
    };

    return plan_next(plan, watch_place(watch), &view, now_ms);
}

static void follow_plan(struct piloted *piloted, uint64_t now_ms)
{
    const struct plan *plan = watch_plan(&piloted->watch);
    enum plan_move move;
    bool protects;

    consent_tick(&piloted->consent, now_ms);
    if (plan == NULL || (piloted->refused != CONTROL_OK && now_ms < piloted->again_ms))
        return;
    move = next_move(piloted, plan, now_ms);
    protects = move == PLAN_TAKE_BACK || move == PLAN_STOP_HERE;
    if (piloted->order_to != 0 && !protects)
        piloted_follow_order(piloted, now_ms);
    else
        piloted_act(piloted, move, now_ms);
}

static void tick(struct piloted *piloted, uint64_t now_ms)
{
    struct watch *watch = &piloted->watch;
    const struct plan_place *place = watch_place(watch);
    bool has_failed = false;

    if (watch_tick(watch, now_ms, &has_failed) && place != NULL && plan_is_active(place))
        tell_verdict(piloted, now_ms);
    if (has_failed) {
        piloted_tell(piloted, "guard", "guard", verdict_name(VERDICT_FAIL), "failed",
                     watch->guard.reason, "ok");
    }
    follow_plan(piloted, now_ms);
}

static void checkpoint(struct pilot *pilot, uint64_t now_ms)
{
    struct controller *controller = pilot->controller;
    struct error error; /* it is in the log */
    bool runs = false;

    if (now_ms - pilot->checkpoint_ms < CHECKPOINT_MS)
        return;
    pilot->checkpoint_ms = now_ms;
    for (unsigned i = 0; i < controller->state.plan_count; i++)
        runs = runs || plan_is_running(&controller->state.plans[i].place);
    if (runs && controller->durable)
        state_save(controller, &error);
}

static void on_timer(uv_timer_t *timer)
{
    struct pilot *pilot = timer->data;
    uint64_t now_ms = clock_boot_ms();

    for (unsigned i = 0; i < pilot->count; i++)
        tick(pilot->plans[i], now_ms);
    checkpoint(pilot, now_ms);
}

/* Life cycle */

static void forget(struct piloted *piloted)
{
    consent_drop(&piloted->consent);
    watch_deinit(&piloted->watch);
    mem_free(piloted);
}

static void add(struct pilot *pilot, struct str route, uint64_t now_ms)
{
    struct piloted *made;

    if (find(pilot, route) != NULL)
        return;
    CHECK(pilot->count < PLANS_MAX);
    made = mem_zalloc(1, sizeof(*made));
    watch_init(&made->watch, pilot->controller, route, now_ms);
    consent_init(&made->consent, pilot->controller, made->watch.route);
    pilot->plans[pilot->count++] = made;
}

static void drop_unplanned(struct pilot *pilot)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < pilot->count; i++)
        if (controller_plan_index(pilot->controller, piloted_route(pilot->plans[i])) >= 0)
            pilot->plans[kept++] = pilot->plans[i];
        else
            forget(pilot->plans[i]);
    pilot->count = kept;
}

/* Hooks may have other URLs now, and steps other weights: what they have said does not count. */
static void update(struct piloted *piloted, uint64_t now_ms)
{
    const struct plan *plan = watch_plan(&piloted->watch);

    consent_drop(&piloted->consent);
    if (plan == NULL || piloted->order_to > plan->step_count)
        piloted_drop_order(piloted);
    watch_update(&piloted->watch, now_ms);
}

void pilot_sync(struct pilot *pilot)
{
    const struct config *config = pilot->controller->config;
    uint64_t now_ms = clock_boot_ms();

    drop_unplanned(pilot);
    for (unsigned i = 0; i < pilot->count; i++)
        update(pilot->plans[i], now_ms);
    add(pilot, STR(ROUTE_MAIN), now_ms);
    for (unsigned i = 0; i < config->route_plan_count; i++)
        add(pilot, config->routes[config->route_plans[i].route].name, now_ms);
}

struct pilot *pilot_new(struct controller *controller)
{
    struct pilot *pilot = mem_zalloc(1, sizeof(*pilot));

    pilot->controller = controller;
    pilot->checkpoint_ms = clock_boot_ms();
    uv_timer_init(controller->loop, &pilot->timer);
    pilot->timer.data = pilot;
    pilot_sync(pilot);
    return pilot;
}

void pilot_start(struct pilot *pilot)
{
    uv_timer_start(&pilot->timer, on_timer, PILOT_TICK_MS, PILOT_TICK_MS);
}

void pilot_stop(struct pilot *pilot)
{
    for (unsigned i = 0; i < pilot->count; i++)
        consent_drop(&pilot->plans[i]->consent);
    uv_close((uv_handle_t *)&pilot->timer, NULL);
}

void pilot_free(struct pilot *pilot)
{
    if (pilot == NULL)
        return;
    for (unsigned i = 0; i < pilot->count; i++)
        forget(pilot->plans[i]);
    mem_free(pilot);
}

/* What orders have changed */

void pilot_note_weight(struct pilot *pilot, struct str route)
{
    uint64_t now_ms = clock_boot_ms();

    for (unsigned i = 0; i < pilot->count; i++) {
        struct piloted *piloted = pilot->plans[i];

        if (!str_is_empty(route) && !str_eq(piloted_route(piloted), route))
            continue;
        pilot_note_place(pilot, piloted_route(piloted));
        watch_begin(&piloted->watch, now_ms);
    }
}

void pilot_note_place(struct pilot *pilot, struct str route)
{
    struct piloted *piloted = find(pilot, route);
    const struct plan_place *place = piloted == NULL ? NULL : watch_place(&piloted->watch);

    if (place == NULL)
        return;
    piloted_drop_order(piloted);
    consent_drop(&piloted->consent);
    piloted->refused = CONTROL_OK;
    if (!plan_is_active(place)) {
        piloted->told = VERDICT_INCONCLUSIVE;
        if (!place->has_failed)
            guard_reset(&piloted->watch.guard);
    }
}

void pilot_note_step(struct pilot *pilot, struct str route)
{
    struct piloted *piloted = find(pilot, route);

    if (piloted == NULL)
        return;
    guard_reset(&piloted->watch.guard);
    watch_begin(&piloted->watch, clock_boot_ms());
    piloted->told = VERDICT_INCONCLUSIVE;
    piloted->told_ms = 0;
}

bool pilot_drop_order(struct pilot *pilot, struct str route)
{
    struct piloted *piloted = find(pilot, route);

    if (piloted == NULL || piloted->order_to == 0)
        return false;
    piloted_drop_order(piloted);
    consent_drop(&piloted->consent);
    return true;
}

bool pilot_is_failing_over(const struct pilot *pilot, struct str route)
{
    const struct piloted *piloted = find(pilot, route);

    return piloted != NULL && watch_is_failing_over(&piloted->watch);
}

unsigned pilot_old_rate(const struct pilot *pilot, struct str route)
{
    const struct piloted *piloted = find(pilot, route);

    return piloted == NULL ? 0 : watch_old_rate(&piloted->watch);
}

enum control_result pilot_go(struct pilot *pilot, const struct control_request *request,
                             struct str route, unsigned to, bool force, struct error *error)
{
    return piloted_go(find(pilot, route), request, to, force, error);
}

/* Inspect */

bool pilot_report(const struct pilot *pilot, struct str route, struct pilot_report *report)
{
    const struct piloted *piloted = find(pilot, route);
    const struct plan_place *place;
    const struct watch *watch;
    uint64_t now_ms = clock_boot_ms();

    if (piloted == NULL)
        return false;
    watch = &piloted->watch;
    place = watch_place(watch);
    *report = (struct pilot_report){
        .window = watch->seen,
        .span_ms = watch->span_ms,
        .looked_wall_ms = watch->looked_wall_ms,
        .guard = &watch->guard,
        .has_failed = watch->guard.has_failed || (place != NULL && place->has_failed),
        .is_failing_over = watch_is_failing_over(watch),
        .is_warming_up = watch->warm_until_ms > now_ms,
        .gate = consent_gate(&piloted->consent),
    };
    if (report->is_warming_up)
        report->warm_up_left_ms = watch->warm_until_ms - now_ms;
    snprintf(report->gate_detail, sizeof(report->gate_detail), "%s", piloted->consent.detail);
    return true;
}

bool pilot_compare(const struct pilot *pilot, struct str route, uint64_t span_ms,
                   struct comparison *comparison, struct window_sum *span)
{
    const struct piloted *piloted = find(pilot, route);

    if (piloted == NULL)
        return false;
    watch_compare(&piloted->watch, span_ms, comparison, span);
    return true;
}
