/*
 * pilot_act.c - what follows from a look: orders in the name of the plan or the guard, hooks that
 * are asked, and the orders of operators that wait for them.
 */
#include "pilot_inside.h"

#include <stdio.h>

#include "base/clock.h"
#include "control/draft.h"
#include "control/fleet.h"
#include "control/steps.h"

/* A refused order is not tried again sooner than this. */
#define AGAIN_MS 1000

struct str piloted_route(const struct piloted *piloted)
{
    return str_of(piloted->watch.route);
}

void piloted_tell(const struct piloted *piloted, const char *actor, const char *what,
                  const char *from, const char *to, const char *reason, const char *result)
{
    struct event event = {.wall_ms = 0};

    snprintf(event.actor, sizeof(event.actor), "%s", actor);
    snprintf(event.what, sizeof(event.what), "%s", what);
    snprintf(event.subject, sizeof(event.subject), "%s", piloted->watch.route);
    snprintf(event.from, sizeof(event.from), "%s", from);
    snprintf(event.to, sizeof(event.to), "%s", to);
    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    snprintf(event.result, sizeof(event.result), "%s", result);
    events_add(&piloted->watch.controller->events, event);
}

/* Orders that the pilot gives */

static bool note_try(struct piloted *piloted, enum control_result result, uint64_t now_ms)
{
    uint64_t slot_ms = guard_slot_ms(&piloted->watch.rules);

    piloted->refused = result;
    piloted->again_ms = now_ms + (slot_ms < AGAIN_MS ? AGAIN_MS : slot_ms);
    return result == CONTROL_OK;
}

/* The strings must outlive the request. */
static struct control_request request_of(const struct piloted *piloted, const char *actor,
                                         const char *reason)
{
    return (struct control_request){
        .actor = str_of(actor),
        .reason = str_of(reason),
        .is_again = piloted->refused != CONTROL_OK,
    };
}

/* A plan that cannot be taken back stands still at least, and keeps its latch over a restart. */
static void stop_instead(struct piloted *piloted, const char *why)
{
    const struct plan_place *place = watch_place(&piloted->watch);
    char reason[PLAN_NOTE_BYTES];
    struct control_request request = {.actor = STR("guard")};
    struct error error; /* it is in the audit trail */

    if (place->has_failed)
        return;
    snprintf(reason, sizeof(reason), "%.120s; %.130s", piloted->watch.guard.reason, why);
    request.reason = str_of(reason);
    order_plan_rest(piloted->watch.controller, &request, piloted_route(piloted), PLAN_WAITING, true,
                    &error);
}

static void take_back(struct piloted *piloted, uint64_t now_ms)
{
    struct watch *watch = &piloted->watch;
    struct control_request request = request_of(piloted, "guard", watch->guard.reason);
    struct error error;

    if (!note_try(piloted,
                  order_plan_take_back(watch->controller, &request, piloted_route(piloted), &error),
                  now_ms))
        stop_instead(piloted, error.text);
}

static void rest(struct piloted *piloted, enum plan_state state, bool has_failed, const char *actor,
                 const char *reason, uint64_t now_ms)
{
    struct control_request request = request_of(piloted, actor, reason);
    struct error error;

    note_try(piloted,
             order_plan_rest(piloted->watch.controller, &request, piloted_route(piloted), state,
                             has_failed, &error),
             now_ms);
}

static void wait_for_operator(struct piloted *piloted, uint64_t now_ms)
{
    const struct plan *plan = watch_plan(&piloted->watch);
    const struct plan_place *place = watch_place(&piloted->watch);
    bool is_last = place->step == plan->step_count;
    char reason[EVENT_TEXT_BYTES];

    snprintf(reason, sizeof(reason), "the hold of step %u is over: %s", place->step,
             is_last ? "finish the plan" : "advance the plan to its next step");
    rest(piloted, PLAN_WAITING, false, "plan", reason, now_ms);
}

static void go_on(struct piloted *piloted, uint64_t now_ms)
{
    struct watch *watch = &piloted->watch;
    unsigned step = watch_place(watch)->step;
    char reason[EVENT_TEXT_BYTES];
    struct control_request request;
    struct error error;

    snprintf(reason, sizeof(reason), "the hold of step %u is over: %.200s", step,
             watch->seen.reason);
    request = request_of(piloted, "plan", reason);
    note_try(
        piloted,
        order_plan_enter(watch->controller, &request, piloted_route(piloted), step + 1, &error),
        now_ms);
}

/* What an operator has ordered, and hooks are to let */

void piloted_drop_order(struct piloted *piloted)
{
    piloted->order_to = 0;
    piloted->order_actor[0] = '\0';
    piloted->order_reason[0] = '\0';
}

/* The hook that is still to be asked, or has not let it; PLAN_GO_ON: none. */
static enum plan_move next_hook(const struct piloted *piloted, unsigned to)
{
    const struct plan *plan = watch_plan(&piloted->watch);
    const struct plan_place *place = watch_place(&piloted->watch);
    bool leaves = plan_is_active(place) && place->step >= 1 && place->step <= plan->step_count;

    if (leaves && !str_is_empty(plan->steps[place->step - 1].after) &&
        piloted->consent.after != PLAN_GATE_OPEN)
        return PLAN_ASK_AFTER;
    if (!str_is_empty(plan->steps[to - 1].before) && piloted->consent.before != PLAN_GATE_OPEN)
        return PLAN_ASK_BEFORE;
    return PLAN_GO_ON;
}

static void ask(struct piloted *piloted, enum plan_move move, unsigned to)
{
    uint64_t every_ms = piloted->watch.rules.every_ms;

    if (move == PLAN_ASK_AFTER && piloted->consent.after == PLAN_GATE_NONE)
        consent_ask_after(&piloted->consent, watch_place(&piloted->watch)->step, every_ms);
    if (move == PLAN_ASK_BEFORE && piloted->consent.before == PLAN_GATE_NONE)
        consent_ask_before(&piloted->consent, to, every_ms);
}

/* Whether what was ordered may still be: hooks take their time. */
static bool may_still(const struct piloted *piloted, struct error *error)
{
    const struct watch *watch = &piloted->watch;
    const struct plan_place *place = watch_place(watch);
    unsigned to = 0;
    bool may = plan_is_active(place) ? plan_advance(watch_plan(watch), place,
                                                    watch_is_failing_over(watch), false, &to, error)
                                     : plan_start(watch_plan(watch), place, watch_weight(watch),
                                                  watch_is_failing_over(watch) ||
                                                      !fleet_new_is_usable(watch->controller),
                                                  false, &to, error);

    return may && (to == piloted->order_to || error_set(error, "the plan is elsewhere by now"));
}

static void enter_ordered(struct piloted *piloted, uint64_t now_ms)
{
    char actor[sizeof(piloted->order_actor)], reason[sizeof(piloted->order_reason)];
    char from[PLACE_TEXT_BYTES];
    struct control_request request;
    struct error error;

    if (!may_still(piloted, &error)) {
        place_format(watch_place(&piloted->watch), from);
        piloted_tell(piloted, piloted->order_actor, "plan", from, "", error.text,
                     control_result_code(CONTROL_PLAN_REFUSED));
        piloted_drop_order(piloted);
        consent_drop(&piloted->consent);
        return;
    }
    /* Copies: the order is gone when the step has been entered. */
    memcpy(actor, piloted->order_actor, sizeof(actor));
    memcpy(reason, piloted->order_reason, sizeof(reason));
    request = request_of(piloted, actor, reason);
    note_try(piloted,
             order_plan_enter(piloted->watch.controller, &request, piloted_route(piloted),
                              piloted->order_to, &error),
             now_ms);
}

void piloted_follow_order(struct piloted *piloted, uint64_t now_ms)
{
    enum plan_move move = next_hook(piloted, piloted->order_to);

    if (move == PLAN_GO_ON)
        enter_ordered(piloted, now_ms);
    else
        ask(piloted, move, piloted->order_to);
}

/* The move */

void piloted_act(struct piloted *piloted, enum plan_move move, uint64_t now_ms)
{
    switch (move) {
    case PLAN_STAY:
        break;
    case PLAN_TAKE_BACK:
        take_back(piloted, now_ms);
        break;
    case PLAN_STOP_HERE:
        rest(piloted, PLAN_WAITING, true, "guard", piloted->watch.guard.reason, now_ms);
        break;
    case PLAN_ASK_AFTER:
    case PLAN_ASK_BEFORE:
        ask(piloted, move, watch_place(&piloted->watch)->step + 1);
        break;
    case PLAN_GO_ON:
        go_on(piloted, now_ms);
        break;
    case PLAN_WAIT:
        wait_for_operator(piloted, now_ms);
        break;
    case PLAN_END:
        rest(piloted, PLAN_FINISHED, false, "plan", "the last hold is over", now_ms);
        break;
    }
}

/* Orders of operators */

static enum control_result refuse_second(struct piloted *piloted,
                                         const struct control_request *request, const char *from,
                                         struct error *error)
{
    char actor[64];

    error_set(error,
              "step %u is ordered already, and waits for its hook (%s): abort it, or go on without "
              "with force",
              piloted->order_to, piloted->consent.place);
    snprintf(actor, sizeof(actor), "%.*s", STR_ARG(request->actor));
    piloted_tell(piloted, actor, "plan", from,
                 plan_is_active(watch_place(&piloted->watch)) ? "advance" : "start", error->text,
                 control_result_code(CONTROL_PLAN_REFUSED));
    return CONTROL_PLAN_REFUSED;
}

static void take_order(struct piloted *piloted, const struct control_request *request, unsigned to)
{
    piloted->order_to = to;
    snprintf(piloted->order_actor, sizeof(piloted->order_actor), "%.*s", STR_ARG(request->actor));
    snprintf(piloted->order_reason, sizeof(piloted->order_reason), "%.*s",
             STR_ARG(request->reason));
    piloted->refused = CONTROL_OK;
}

enum control_result piloted_go(struct piloted *piloted, const struct control_request *request,
                               unsigned to, bool force, struct error *error)
{
    char from[PLACE_TEXT_BYTES], reason[EVENT_TEXT_BYTES];

    if (force || next_hook(piloted, to) == PLAN_GO_ON)
        return order_plan_enter(piloted->watch.controller, request, piloted_route(piloted), to,
                                error);
    place_format(watch_place(&piloted->watch), from);
    if (piloted->order_to != 0)
        return refuse_second(piloted, request, from, error);
    take_order(piloted, request, to);
    snprintf(reason, sizeof(reason), "%.160s%sbefore the plan enters step %u",
             piloted->order_reason, piloted->order_reason[0] == '\0' ? "" : "; ", to);
    piloted_tell(piloted, piloted->order_actor, "hook", from, "asked", reason, "ok");
    piloted_follow_order(piloted, clock_boot_ms());
    return CONTROL_OK;
}
