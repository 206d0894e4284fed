/*
 * steps.c - what is ordered of a plan, by operators and by the pilot.
 *
 *     order_plan  start, advance -> pilot_go -> (hooks) -> order_plan_enter -> one write
 *                 all others     -> place                          -> one write
 *     pilot       order_plan_enter, order_plan_take_back, order_plan_rest
 *
 * May it be, and where does it lead: traffic/plan.h says. Here is what it means for the disk, the
 * weight and the audit trail.
 */
#include "control/steps.h"

#include <stdio.h>

#include "base/clock.h"
#include "control/fleet.h"
#include "control/order.h"
#include "control/pilot.h"

static const char *const verb_names[] = {"start", "pause", "resume", "advance", "abort", "finish"};

/* "start" */
static const char *step_verb_name(enum step_verb verb)
{
    return verb_names[verb];
}

bool step_verb_parse(struct str text, enum step_verb *verb)
{
    for (unsigned i = 0; i < ARRAY_LEN(verb_names); i++) {
        if (str_eq(text, str_of(verb_names[i]))) {
            *verb = (enum step_verb)i;
            return true;
        }
    }
    return false;
}

/* A plan, as an order finds it. */
struct found {
    struct str route; /* "main", or the route's name */
    const struct plan *plan;
    struct plan_place place; /* a copy: the order's to change */
    unsigned weight;         /* in force */
};

static enum control_result explain_no_plan(const struct order *order, struct str route)
{
    const struct config *config = order->controller->config;

    if (str_eq(route, STR(ROUTE_MAIN))) {
        error_set(order->error,
                  "there is no plan: write its steps into the configuration and reload");
        return CONTROL_NO_PLAN;
    }
    if (route_find(config->routes, config->route_count, route) < 0) {
        error_set(order->error, "there is no route \"%.*s\"", STR_ARG(str_slice(route, 0, 64)));
        return CONTROL_UNKNOWN_ROUTE;
    }
    error_set(order->error, "the route \"%.*s\" has no plan of its own", STR_ARG(route));
    return CONTROL_NO_PLAN;
}

static unsigned weight_in_force(const struct controller *controller, struct str route)
{
    return str_eq(route, STR(ROUTE_MAIN)) ? controller->state.weight
                                          : state_route_weight(&controller->state, route, 0);
}

static enum control_result begin(struct order *order, struct controller *controller,
                                 const struct control_request *request, const char *what,
                                 struct str route, struct found *found, struct error *error)
{
    const struct plan_place *place;

    order_init(order, controller, request, what, error);
    found->route = str_is_empty(route) ? STR(ROUTE_MAIN) : route;
    order_set_subject(order, found->route);
    found->plan = config_plan(controller->config, found->route);
    place = state_plan_find(&controller->state, found->route);
    if (found->plan == NULL || place == NULL)
        return explain_no_plan(order, found->route);
    found->place = *place;
    found->weight = weight_in_force(controller, found->route);
    place_format(place, order->event.from);
    return CONTROL_OK;
}

/* On disk and in force: the place, and a weight other than UINT_MAX. Who sets a weight is kept with
 * it, also when it is that already. */
static enum control_result change(struct order *order, const struct found *found, unsigned weight)
{
    bool has_weight = weight != UINT_MAX;
    enum control_result result;
    struct draft draft;

    place_format(&found->place, order->event.to);
    draft_begin(&draft, order->controller);
    *draft_place(&draft, found->route) = found->place;
    if (has_weight) {
        draft_set_weight(&draft, found->route, weight);
        draft_sign(&draft, order->request, "weight",
                   str_eq(found->route, STR(ROUTE_MAIN)) ? STR("") : found->route, found->weight,
                   weight);
    }
    result = order_save_and_apply(order, &draft);
    if (result != CONTROL_OK)
        return result;
    order->has_weight = has_weight;
    order->weight_from = found->weight;
    order->weight_to = weight;
    pilot_note_place(order->controller->pilot, found->route);
    if (has_weight && weight != found->weight)
        pilot_note_weight(order->controller->pilot, found->route);
    return CONTROL_OK;
}

/* Orders of operators */

static enum control_result check_step(const struct order *order, const struct found *found,
                                      unsigned expected)
{
    if (expected == STEP_ANY || expected == found->place.step)
        return CONTROL_OK;
    error_set(order->error, "the plan is in step %u (%s), and not in step %u: look at the status",
              found->place.step, plan_state_name(found->place.state), expected);
    return CONTROL_PLAN_ELSEWHERE;
}

/* Where start and advance lead. */
static bool find_way(const struct order *order, const struct found *found, enum step_verb verb,
                     bool force, unsigned *to)
{
    const struct controller *controller = order->controller;
    bool is_failing_over = pilot_is_failing_over(controller->pilot, found->route);

    if (verb == STEP_START)
        return plan_start(found->plan, &found->place, found->weight,
                          is_failing_over || !fleet_new_is_usable(controller), force, to,
                          order->error);
    return plan_advance(found->plan, &found->place, is_failing_over, force, to, order->error);
}

/* Who, and why: for those who find the plan there. */
static bool sign_place(struct plan_place *place, const char *done,
                       const struct control_request *request)
{
    snprintf(place->note, sizeof(place->note), "%s by %.*s%s%.*s", done,
             STR_ARG(str_slice(request->actor, 0, 64)), str_is_empty(request->reason) ? "" : ": ",
             STR_ARG(request->reason));
    return true;
}

static bool move_place(const struct order *order, struct found *found, enum step_verb verb)
{
    const struct control_request *request = order->request;
    struct plan_place *place = &found->place;
    uint64_t now_ms = clock_boot_ms();

    switch (verb) {
    case STEP_PAUSE:
        return plan_pause(place, now_ms, order->error) && sign_place(place, "paused", request);
    case STEP_RESUME:
        return plan_resume(found->plan, place, now_ms, order->error) &&
               sign_place(place, "resumed", request);
    case STEP_ABORT:
        return plan_abort(place, now_ms, order->error) && sign_place(place, "aborted", request);
    case STEP_FINISH:
        return plan_finish(found->plan, place, now_ms, order->error) &&
               sign_place(place, "finished", request);
    case STEP_START:
    case STEP_ADVANCE:
        break;
    }
    return false;
}

/* All that ask nobody. */
static enum control_result change_place(struct order *order, struct found *found,
                                        enum step_verb verb)
{
    /* It was ordered to start and its hook has not let it yet: nothing was written of that. */
    if (verb == STEP_ABORT && found->place.state == PLAN_IDLE &&
        pilot_drop_order(order->controller->pilot, found->route)) {
        place_format(&found->place, order->event.to);
        order->notes = STR("it was waiting for its hook");
        return CONTROL_OK;
    }
    if (!move_place(order, found, verb))
        return CONTROL_PLAN_REFUSED;
    if (order->request->dry_run)
        return CONTROL_OK;
    return change(order, found,
                  verb == STEP_RESUME ? found->plan->steps[found->place.step - 1].weight
                                      : UINT_MAX);
}

enum control_result order_plan(struct controller *controller, const struct control_request *request,
                               enum step_verb verb, struct str route, unsigned expected, bool force,
                               struct error *error)
{
    bool moves_on = verb == STEP_START || verb == STEP_ADVANCE;
    enum control_result result;
    struct found found;
    struct order order;
    unsigned to = 0;

    result = begin(&order, controller, request, "plan", route, &found, error);
    snprintf(order.event.to, sizeof(order.event.to), "%s", step_verb_name(verb));
    if (result == CONTROL_OK)
        result = check_step(&order, &found, expected);
    if (result == CONTROL_OK)
        result = order_check_generation(&order);
    if (result == CONTROL_OK && moves_on && !find_way(&order, &found, verb, force, &to))
        result = CONTROL_PLAN_REFUSED;
    if (result != CONTROL_OK)
        return order_end(&order, result);
    /* The way on has its own events, as also the pilot goes it. */
    if (moves_on)
        return request->dry_run
                   ? CONTROL_OK
                   : pilot_go(controller->pilot, request, found.route, to, force, error);
    return order_end(&order, change_place(&order, &found, verb));
}

/* Orders of the pilot */

enum control_result order_plan_enter(struct controller *controller,
                                     const struct control_request *request, struct str route,
                                     unsigned to, struct error *error)
{
    enum control_result result;
    struct found found;
    struct order order;

    result = begin(&order, controller, request, "plan", route, &found, error);
    if (result == CONTROL_OK && (to == 0 || to > found.plan->step_count)) {
        error_set(error, "the plan has no step %u any more", to);
        result = CONTROL_PLAN_REFUSED;
    }
    if (result != CONTROL_OK)
        return order_end(&order, result);
    plan_enter(found.plan, &found.place, to, clock_boot_ms());
    found.place.old_rate = pilot_old_rate(controller->pilot, found.route);
    result = change(&order, &found, found.plan->steps[to - 1].weight);
    if (result == CONTROL_OK)
        pilot_note_step(controller->pilot, found.route);
    return order_end(&order, result);
}

enum control_result order_plan_rest(struct controller *controller,
                                    const struct control_request *request, struct str route,
                                    enum plan_state state, bool has_failed, struct error *error)
{
    enum control_result result;
    char note[PLAN_NOTE_BYTES];
    struct found found;
    struct order order;

    result = begin(&order, controller, request, "plan", route, &found, error);
    if (result != CONTROL_OK)
        return order_end(&order, result);
    snprintf(note, sizeof(note), "%.*s", STR_ARG(request->reason));
    if (state == PLAN_FINISHED)
        plan_end(&found.place, clock_boot_ms());
    else
        plan_wait(&found.place, clock_boot_ms(), has_failed, note);
    return order_end(&order, change(&order, &found, UINT_MAX));
}

/* As a rollback: what is wrong with the disk must not keep users on a broken side. */
static void take_back(struct order *order, const struct found *found)
{
    struct controller *controller = order->controller;
    char note[PLAN_NOTE_BYTES];
    struct draft draft;

    snprintf(note, sizeof(note), "the guard: %.*s", STR_ARG(order->request->reason));
    draft_begin(&draft, controller);
    draft_set_weight(&draft, found->route, 0);
    draft_sign(&draft, order->request, "rollback", found->route, found->weight, 0);
    plan_roll_back(draft_place(&draft, found->route), clock_boot_ms(), note);
    draft_place(&draft, found->route)->has_failed = true; /* until somebody starts it again */
    order->is_not_durable = !order_apply_and_save(order, &draft);
    pilot_note_place(controller->pilot, found->route);
    pilot_note_weight(controller->pilot, found->route);
}

enum control_result order_plan_take_back(struct controller *controller,
                                         const struct control_request *request, struct str route,
                                         struct error *error)
{
    enum control_result result;
    struct found found;
    struct order order;

    result = begin(&order, controller, request, "rollback", route, &found, error);
    if (result == CONTROL_OK) {
        order_set_weights(&order, found.weight, 0);
        result = order_check_old(&order, false);
    }
    if (result == CONTROL_OK)
        take_back(&order, &found);
    return order_end(&order, result);
}
