/*
 * orders.c - what operators order of weights and sides: weights, rollback, administrative states.
 *
 * The form that all orders have is order.h's. Both kinds of a change of weights also reach plans: a
 * weight that is set by hand pauses its plan, a rollback takes every plan back.
 */
#include "control/orders.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/order.h"
#include "control/pilot.h"

static enum control_result check_weight(const struct order *order, unsigned weight)
{
    if (weight <= WEIGHT_MAX)
        return CONTROL_OK;
    error_set(order->error, "a weight is a percentage from 0 to 100");
    return CONTROL_WEIGHT_OUT_OF_RANGE;
}

/* Weight */

static enum control_result find_weight(const struct order *order, struct str name, unsigned *weight)
{
    const struct controller *controller = order->controller;
    const struct config *config = controller->config;
    int index = route_find(config->routes, config->route_count, name);
    const struct route *route = index < 0 ? NULL : &config->routes[index];

    if (route == NULL) {
        error_set(order->error, "there is no route \"%.*s\"", STR_ARG(str_slice(name, 0, 64)));
        return CONTROL_UNKNOWN_ROUTE;
    }
    if (route->kind == ROUTE_PINNED) {
        error_set(order->error, "the route \"%.*s\" is pinned to %s", STR_ARG(name),
                  side_name(route->pin));
        return CONTROL_ROUTE_PINNED;
    }
    if (route->kind == ROUTE_FOLLOWS) {
        error_set(order->error, "the route \"%.*s\" has no weight of its own, it follows the main",
                  STR_ARG(name));
        return CONTROL_ROUTE_FOLLOWS;
    }
    *weight = state_route_weight(&controller->state, name, route->initial_weight);
    return CONTROL_OK;
}

/* A plan that is under way does not take somebody's weight for its own. */
static void interrupt_plan(struct draft *draft, const struct order *order, unsigned weight)
{
    struct plan_place *place = state_plan_find(&draft->state, str_of(order->event.subject));
    char text[WEIGHT_TEXT_BYTES], note[PLAN_NOTE_BYTES];

    if (place == NULL || !plan_is_active(place))
        return;
    snprintf(note, sizeof(note), "the weight was set to %s %% by %.64s",
             weight_format(weight, text), order->event.actor);
    plan_interrupt(place, clock_boot_ms(), note);
}

static enum control_result change_weight(struct order *order, unsigned from, unsigned to)
{
    struct str subject = str_of(order->event.subject);
    bool is_main = str_eq(subject, STR(ROUTE_MAIN));
    enum control_result result;
    struct draft draft;

    draft_begin(&draft, order->controller);
    draft_set_weight(&draft, subject, to);
    draft_sign(&draft, order->request, "weight", is_main ? STR("") : subject, from, to);
    if (from != to)
        interrupt_plan(&draft, order, to);
    result = order_save_and_apply(order, &draft);
    if (result == CONTROL_OK && from != to)
        pilot_note_weight(order->controller->pilot, subject);
    return result;
}

enum control_result order_weight(struct controller *controller,
                                 const struct control_request *request, struct str route,
                                 unsigned weight, struct error *error)
{
    bool is_main = str_is_empty(route) || str_eq(route, STR(ROUTE_MAIN));
    unsigned now = controller->state.weight;
    enum control_result result;
    struct order order;

    order_init(&order, controller, request, "weight", error);
    order_set_subject(&order, is_main ? STR(ROUTE_MAIN) : route);
    result = is_main ? CONTROL_OK : find_weight(&order, route, &now);
    if (result == CONTROL_OK) {
        order_set_weights(&order, now, weight);
        result = check_weight(&order, weight);
    }
    if (result == CONTROL_OK)
        result = order_check_generation(&order);
    if (result == CONTROL_OK && !request->dry_run && (weight != now || !controller->durable))
        result = change_weight(&order, now, weight);
    return order_end(&order, result);
}

/* Rollback */

/* A rollback never raises a weight. */
static unsigned lowered(unsigned weight, unsigned to)
{
    return weight < to ? weight : to;
}

static bool is_to_go_back(const struct plan_place *place)
{
    return plan_is_active(place) || place->state == PLAN_FINISHED;
}

/* Whether there is anything to take back: a higher weight, or a plan. */
static bool has_more(const struct state *state, unsigned weight)
{
    bool more = state->weight > weight;

    for (unsigned i = 0; i < state->route_count; i++)
        more = more || state->routes[i].weight > weight;
    for (unsigned i = 0; i < state->plan_count; i++)
        more = more || is_to_go_back(&state->plans[i].place);
    return more;
}

/* Who and why, for the place of each plan. */
static void take_plans_back(struct state *state, const struct order *order)
{
    struct str reason = order->request->reason;
    uint64_t now_ms = clock_boot_ms();
    char note[PLAN_NOTE_BYTES];

    snprintf(note, sizeof(note), "rolled back by %.64s%s%.*s", order->event.actor,
             str_is_empty(reason) ? "" : ": ", STR_ARG(reason));
    for (unsigned i = 0; i < state->plan_count; i++)
        if (is_to_go_back(&state->plans[i].place))
            plan_roll_back(&state->plans[i].place, now_ms, note);
}

/* Traffic first, disk second: what is wrong with the disk must not keep users on a broken side. */
static bool apply_rollback(struct order *order, unsigned to)
{
    struct controller *controller = order->controller;
    struct error save_error;
    struct draft draft;
    bool durable;

    /* Asked again while the disk does not take it: only the disk is tried again. */
    if (!has_more(&controller->state, to))
        return state_save(controller, &save_error);
    draft_begin(&draft, controller);
    draft_sign(&draft, order->request, "rollback", STR(""), draft.state.weight,
               lowered(draft.state.weight, to));
    draft.state.weight = lowered(draft.state.weight, to);
    for (unsigned i = 0; i < draft.state.route_count; i++)
        draft.state.routes[i].weight = lowered(draft.state.routes[i].weight, to);
    take_plans_back(&draft.state, order);
    durable = order_apply_and_save(order, &draft);
    pilot_note_weight(controller->pilot, STR(""));
    return durable;
}

enum control_result order_rollback(struct controller *controller,
                                   const struct control_request *request, unsigned to, bool force,
                                   bool *durable, struct error *error)
{
    enum control_result result;
    struct order order;

    order_init(&order, controller, request, "rollback", error);
    order_set_subject(&order, STR("all weights"));
    order_set_weights(&order, controller->state.weight, lowered(controller->state.weight, to));
    result = check_weight(&order, to);
    if (result == CONTROL_OK)
        result = order_check_generation(&order);
    if (result == CONTROL_OK)
        result = order_check_old(&order, force);
    *durable = controller->durable;
    if (result == CONTROL_OK && !request->dry_run &&
        (has_more(&controller->state, to) || !controller->durable))
        *durable = apply_rollback(&order, to);
    order.is_not_durable = result == CONTROL_OK && !*durable;
    return order_end(&order, result);
}

/* Administrative state */

static enum control_result change_admin(struct order *order, enum side side, enum admin_state state)
{
    enum control_result result;
    struct draft draft;

    draft_begin(&draft, order->controller);
    draft.state.admin[side] = state;
    result = order_save_and_apply(order, &draft);
    if (result == CONTROL_OK && state == ADMIN_MAINT &&
        order->controller->state.admin[side_other(side)] == ADMIN_MAINT)
        log_message(LOG_WARN, "both backends are in maint: every request is answered 503");
    return result;
}

enum control_result order_admin(struct controller *controller,
                                const struct control_request *request, enum side side,
                                enum admin_state state, struct error *error)
{
    enum admin_state now = controller->state.admin[side];
    enum control_result result;
    struct order order;

    order_init(&order, controller, request, "backend", error);
    order_set_subject(&order, str_of(side_name(side)));
    snprintf(order.event.from, sizeof(order.event.from), "%s", admin_state_name(now));
    snprintf(order.event.to, sizeof(order.event.to), "%s", admin_state_name(state));
    result = order_check_generation(&order);
    if (result == CONTROL_OK && !request->dry_run && (state != now || !controller->durable))
        result = change_admin(&order, side, state);
    return order_end(&order, result);
}
