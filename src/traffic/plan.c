/*
 * plan.c - the plan as a state machine without a clock, a disk or a weight of its own.
 *
 *     control/steps: orders  --> may it? --> to which step --> plan_enter
 *     control/pilot: a view  --> plan_next --> a move --> plan_enter, _wait, _end, _roll_back
 *
 * Held time is kept as a sum and the moment that it was summed up at (held_ms, since_ms): `settle`
 * brings the two to now, and is the first thing that every change does. A clock that went backwards
 * counts as one that stands.
 */
#include "traffic/plan.h"

#include <stdio.h>

#include "base/check.h"
#include "traffic/bucket.h"

/* ---- names ---- */

static const char *const state_names[] = {
#define X(id, name) [id] = name,
    PLAN_STATES(X)
#undef X
};

const char *plan_state_name(enum plan_state state)
{
    CHECK((unsigned)state < PLAN_STATE_COUNT);
    return state_names[state];
}

bool plan_state_parse(struct str text, enum plan_state *state)
{
    for (unsigned i = 0; i < PLAN_STATE_COUNT; i++) {
        if (str_eq(text, str_of(state_names[i]))) {
            *state = (enum plan_state)i;
            return true;
        }
    }
    return false;
}

/* ---- what follows from a place ---- */

bool plan_is_active(const struct plan_place *place)
{
    return plan_is_running(place) || place->state == PLAN_PAUSED || place->state == PLAN_WAITING;
}

bool plan_is_running(const struct plan_place *place)
{
    return place->state == PLAN_HOLDING || place->state == PLAN_SOAKING;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

uint64_t plan_held_ms(const struct plan_place *place, uint64_t now_ms)
{
    if (!plan_is_running(place) || now_ms < place->since_ms)
        return place->held_ms;
    return add(place->held_ms, now_ms - place->since_ms);
}

/* NULL: the plan is in no step, or in one that the configuration has no more. */
static const struct plan_step *step_of(const struct plan *plan, const struct plan_place *place)
{
    bool exists = place->step >= 1 && place->step <= plan->step_count;
    return exists ? &plan->steps[place->step - 1] : NULL;
}

uint64_t plan_left_ms(const struct plan *plan, const struct plan_place *place, uint64_t now_ms)
{
    const struct plan_step *step = step_of(plan, place);
    uint64_t held_ms = plan_held_ms(place, now_ms);
    return step == NULL || held_ms >= step->hold_ms ? 0 : step->hold_ms - held_ms;
}

uint64_t plan_holds_ms(const struct plan *plan)
{
    uint64_t holds_ms = 0;
    for (unsigned i = 0; i < plan->step_count; i++)
        holds_ms = add(holds_ms, plan->steps[i].hold_ms);
    return holds_ms;
}

/* ---- changes ---- */

static void settle(struct plan_place *place, uint64_t now_ms)
{
    place->held_ms = plan_held_ms(place, now_ms);
    place->since_ms = now_ms;
}

static void set_note(struct plan_place *place, const char *note)
{
    (void)snprintf(place->note, sizeof(place->note), "%s", note);
}

static void rest(struct plan_place *place, enum plan_state state, uint64_t now_ms, const char *note)
{
    settle(place, now_ms);
    place->state = state;
    set_note(place, note);
}

static enum plan_state running_state(const struct plan_step *step)
{
    return step->weight >= WEIGHT_MAX ? PLAN_SOAKING : PLAN_HOLDING;
}

void plan_enter(const struct plan *plan, struct plan_place *place, unsigned to, uint64_t now_ms)
{
    CHECK(to >= 1 && to <= plan->step_count);
    *place = (struct plan_place){
        .state = running_state(&plan->steps[to - 1]),
        .step = to,
        .since_ms = now_ms,
    };
}

void plan_roll_back(struct plan_place *place, uint64_t now_ms, const char *note)
{
    /* One that was rolled back already keeps its note: that is why it stands there. */
    if (plan_is_active(place) || place->state == PLAN_FINISHED)
        rest(place, PLAN_ROLLED_BACK, now_ms, note);
}

void plan_interrupt(struct plan_place *place, uint64_t now_ms, const char *note)
{
    if (plan_is_active(place))
        rest(place, PLAN_PAUSED, now_ms, note);
}

void plan_wait(struct plan_place *place, uint64_t now_ms, bool has_failed, const char *note)
{
    if (!plan_is_active(place))
        return;
    rest(place, PLAN_WAITING, now_ms, note);
    place->has_failed = place->has_failed || has_failed;
}

void plan_end(struct plan_place *place, uint64_t now_ms)
{
    if (!plan_is_active(place))
        return;
    rest(place, PLAN_FINISHED, now_ms, "");
    place->has_failed = false;
}

/* ---- another configuration ---- */

static bool lose_plan(struct plan_place *place, uint64_t now_ms)
{
    if (place->state == PLAN_IDLE)
        return false;
    struct plan_place lost = {.state = PLAN_IDLE, .since_ms = now_ms};
    (void)snprintf(lost.note, sizeof(lost.note),
                   "the configuration has no plan any more (it was %s, step %u)",
                   plan_state_name(place->state), place->step);
    *place = lost;
    return true;
}

static bool lose_step(const struct plan *plan, struct plan_place *place, uint64_t now_ms)
{
    char note[PLAN_NOTE_BYTES];
    if (!plan_is_active(place)) { /* over: the number only tells how far it came */
        place->step = plan->step_count;
        return true;
    }
    (void)snprintf(note, sizeof(note),
                   "the configuration has no step %u any more, only %u: abort the plan, then start "
                   "it again",
                   place->step, plan->step_count);
    if (place->state == PLAN_PAUSED && strcmp(place->note, note) == 0)
        return false;
    rest(place, PLAN_PAUSED, now_ms, note);
    return true;
}

bool plan_fit(const struct plan *plan, struct plan_place *place, uint64_t now_ms)
{
    if (plan->step_count == 0)
        return lose_plan(place, now_ms);
    if (place->step > plan->step_count)
        return lose_step(plan, place, now_ms);
    const struct plan_step *step = step_of(plan, place);
    if (step == NULL || !plan_is_running(place) || place->state == running_state(step))
        return false;
    /* It was at 100 % and is not, or the other way round: the weight in force is another one. */
    rest(place, PLAN_PAUSED, now_ms,
         "the configuration has another weight for this step now: resume sets it");
    return true;
}

/* ---- orders ---- */

/* "the plan is holding in step 2: it can be paused, advanced or aborted" */
static bool refuse(const struct plan *plan, const struct plan_place *place, struct error *error)
{
    bool is_last = plan != NULL && place->step == plan->step_count;
    switch (place->state) {
    case PLAN_IDLE:
    case PLAN_STATE_COUNT:
        break;
    case PLAN_HOLDING:
    case PLAN_SOAKING:
        return error_set(error, "the plan is %s in step %u: it can be paused, %s or aborted",
                         plan_state_name(place->state), place->step,
                         is_last ? "finished" : "advanced");
    case PLAN_PAUSED:
        return error_set(error, "the plan is paused in step %u: resume it first, or abort it",
                         place->step);
    case PLAN_WAITING:
        return error_set(error, "the plan is waiting in step %u: %s%s or abort it", place->step,
                         place->has_failed ? "take the users back, " : "",
                         is_last             ? "finish"
                         : place->has_failed ? "advance it with force,"
                                             : "advance");
    case PLAN_ROLLED_BACK:
        return error_set(error, "the plan was rolled back in step %u: start it again first",
                         place->step);
    case PLAN_FINISHED:
        return error_set(error, "the plan is finished: it can only be started again, or aborted");
    }
    return error_set(error, "the plan is idle: start it first");
}

static bool needs_steps(const struct plan *plan, struct error *error)
{
    return plan->step_count > 0 ||
           error_set(error, "there is no plan: write its steps into the configuration and reload");
}

static bool needs_step(const struct plan *plan, const struct plan_place *place, struct error *error)
{
    return step_of(plan, place) != NULL ||
           error_set(error,
                     "the plan is in step %u, and the configuration has only %u: abort it, then "
                     "start it again",
                     place->step, plan->step_count);
}

/* What an operator may overrule by force. */
static bool needs_guard(const struct plan_place *place, struct error *error)
{
    if (!place->has_failed)
        return true;
    return error_set(error,
                     "the guard has failed in step %u (%s): take the users back, or go on in spite "
                     "of it with force",
                     place->step, place->note);
}

bool plan_start(const struct plan *plan, const struct plan_place *place, unsigned weight,
                bool is_failing_over, bool force, unsigned *to, struct error *error)
{
    if (!needs_steps(plan, error))
        return false;
    if (plan_is_active(place))
        return refuse(plan, place, error);
    if (!force && is_failing_over) {
        return error_set(
            error, "a side cannot take its users now (no server of it can be used, or requests "
                   "fail over): look at the status and mend that first, or start in spite of "
                   "it with force");
    }
    for (unsigned i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].weight >= weight) {
            *to = i + 1;
            return true;
        }
    }
    unsigned last = plan->steps[plan->step_count - 1].weight;
    return error_set(error,
                     "the weight is %g %%, above that of every step (the last has %g %%): lower "
                     "it first, or add a step",
                     weight / 100.0, last / 100.0);
}

bool plan_advance(const struct plan *plan, const struct plan_place *place, bool is_failing_over,
                  bool force, unsigned *to, struct error *error)
{
    if (!needs_steps(plan, error))
        return false;
    if (!plan_is_active(place))
        return refuse(plan, place, error);
    if (!needs_step(plan, place, error))
        return false;
    if (place->step == plan->step_count)
        return error_set(error, "step %u is the last one: finish the plan", place->step);
    if (!force && !needs_guard(place, error))
        return false;
    if (!force && is_failing_over) {
        return error_set(error, "requests are failing over to the other side: wait until that is "
                                "over, or go on in spite of it with force");
    }
    *to = place->step + 1;
    return true;
}

bool plan_pause(struct plan_place *place, uint64_t now_ms, struct error *error)
{
    if (place->state == PLAN_PAUSED || place->state == PLAN_WAITING) {
        return error_set(error, "the plan is %s in step %u: its clock stands already",
                         plan_state_name(place->state), place->step);
    }
    if (!plan_is_active(place))
        return refuse(NULL, place, error);
    rest(place, PLAN_PAUSED, now_ms, "paused by an operator");
    return true;
}

bool plan_resume(const struct plan *plan, struct plan_place *place, uint64_t now_ms,
                 struct error *error)
{
    if (!needs_steps(plan, error))
        return false;
    if (place->state != PLAN_PAUSED)
        return refuse(plan, place, error);
    if (!needs_step(plan, place, error))
        return false;
    if (place->has_failed) {
        return error_set(error,
                         "the guard has failed in step %u: take the users back; or %s; or abort "
                         "and start, which begins the step anew",
                         place->step,
                         place->step == plan->step_count ? "finish" : "advance with force");
    }
    rest(place, running_state(step_of(plan, place)), now_ms, "");
    return true;
}

bool plan_abort(struct plan_place *place, uint64_t now_ms, struct error *error)
{
    if (place->state == PLAN_IDLE)
        return error_set(error, "the plan is idle: there is nothing to abort");
    *place = (struct plan_place){.state = PLAN_IDLE, .since_ms = now_ms};
    return true;
}

bool plan_finish(const struct plan *plan, struct plan_place *place, uint64_t now_ms,
                 struct error *error)
{
    if (!needs_steps(plan, error))
        return false;
    if (!plan_is_active(place))
        return refuse(plan, place, error);
    if (!needs_step(plan, place, error))
        return false;
    if (place->step < plan->step_count) {
        return error_set(error,
                         "the plan is in step %u of %u: advance it to the last one first, or abort "
                         "it, which leaves the weight as it is",
                         place->step, plan->step_count);
    }
    plan_end(place, now_ms);
    return true;
}

/* ---- what comes next ---- */

/* The guard protects in every active state. PLAN_STAY: it has nothing to say. */
static enum plan_move next_by_guard(const struct plan *plan, const struct plan_place *place,
                                    const struct plan_view *view)
{
    if (!view->has_failed)
        return PLAN_STAY;
    if (plan->guard.on_fail == GUARD_ROLLBACK)
        return PLAN_TAKE_BACK;
    return place->has_failed ? PLAN_STAY : PLAN_STOP_HERE;
}

/* A hook that was asked, or said no, keeps the plan where it is: asking again is the caller's. */
static bool is_open(struct str url, enum plan_gate gate)
{
    return str_is_empty(url) || gate == PLAN_GATE_OPEN;
}

static enum plan_move ask_or_stay(enum plan_gate gate, enum plan_move ask)
{
    return gate == PLAN_GATE_NONE ? ask : PLAN_STAY;
}

/* The hold of an automatic plan is over. */
static enum plan_move next_by_itself(const struct plan *plan, const struct plan_place *place,
                                     const struct plan_view *view)
{
    const struct plan_step *step = &plan->steps[place->step - 1];
    if (view->verdict != VERDICT_PASS || view->is_failing_over)
        return PLAN_STAY;
    if (!is_open(step->after, view->after))
        return ask_or_stay(view->after, PLAN_ASK_AFTER);
    if (place->step == plan->step_count)
        return PLAN_END;
    if (!is_open(step[1].before, view->before))
        return ask_or_stay(view->before, PLAN_ASK_BEFORE);
    return PLAN_GO_ON;
}

enum plan_move plan_next(const struct plan *plan, const struct plan_place *place,
                         const struct plan_view *view, uint64_t now_ms)
{
    if (!plan_is_active(place))
        return PLAN_STAY;
    enum plan_move move = next_by_guard(plan, place, view);
    if (move != PLAN_STAY || view->has_failed || place->has_failed)
        return move;
    if (!plan_is_running(place) || step_of(plan, place) == NULL ||
        plan_left_ms(plan, place, now_ms) > 0)
        return PLAN_STAY;
    return plan->is_auto ? next_by_itself(plan, place, view) : PLAN_WAIT;
}
