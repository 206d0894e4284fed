/*
 * steps_freeze.c - the write freeze: which routes answer unsafe methods with 503.
 *
 * Kept in the state by name, so that it outlives a restart and a reload; the policy has it by index
 * (controller.c).
 */
#include "control/steps.h"

#include <stdio.h>

#include "base/clock.h"
#include "control/order.h"

/* "off", "on", "on products" or "on 3 routes" */
static void format(bool is_on, const struct str *routes, unsigned count, char *text, size_t size)
{
    if (!is_on)
        snprintf(text, size, "off");
    else if (count == 0)
        snprintf(text, size, "on");
    else if (count == 1)
        snprintf(text, size, "on %.*s", STR_ARG(str_slice(routes[0], 0, 24)));
    else
        snprintf(text, size, "on %u routes", count);
}

static bool is_among(const struct str *names, unsigned count, struct str name)
{
    for (unsigned i = 0; i < count; i++)
        if (str_eq(names[i], name))
            return true;
    return false;
}

static enum control_result check(const struct order *order, const struct freeze_request *freeze)
{
    const struct config *config = order->controller->config;

    if (!freeze->on)
        return CONTROL_OK;
    if (freeze->retry_after_s < 1 || freeze->retry_after_s > FREEZE_RETRY_MAX_S) {
        error_set(order->error, "retry_after_s: expected 1 to %d seconds", FREEZE_RETRY_MAX_S);
        return CONTROL_BAD_VALUE;
    }
    for (unsigned i = 0; i < freeze->route_count; i++) {
        struct str name = freeze->routes[i];

        if (!str_eq(name, STR(ROUTE_MAIN)) &&
            route_find(config->routes, config->route_count, name) < 0) {
            error_set(order->error, "there is no route \"%.*s\"", STR_ARG(str_slice(name, 0, 64)));
            return CONTROL_UNKNOWN_ROUTE;
        }
    }
    return CONTROL_OK;
}

static enum control_result change(struct order *order, const struct freeze_request *asked)
{
    struct draft draft;
    struct state_freeze *freeze = &draft.state.freeze;
    uint64_t since_ms;

    draft_begin(&draft, order->controller);
    since_ms = freeze->is_on ? freeze->since_ms : clock_wall_ms();
    *freeze = (struct state_freeze){.is_on = asked->on};
    if (asked->on) {
        freeze->since_ms = since_ms;
        freeze->retry_after_s = asked->retry_after_s;
        for (unsigned i = 0; i < asked->route_count; i++)
            if (!is_among(freeze->routes, freeze->route_count, asked->routes[i]))
                freeze->routes[freeze->route_count++] = arena_str(&draft.arena, asked->routes[i]);
    }
    return order_save_and_apply(order, &draft);
}

enum control_result order_freeze(struct controller *controller,
                                 const struct control_request *request,
                                 const struct freeze_request *freeze, struct error *error)
{
    const struct state_freeze *present = &controller->state.freeze;
    enum control_result result;
    struct order order;

    order_init(&order, controller, request, "freeze", error);
    order_set_subject(&order, STR("writes"));
    format(present->is_on, present->routes, present->route_count, order.event.from,
           sizeof(order.event.from));
    format(freeze->on, freeze->routes, freeze->route_count, order.event.to, sizeof(order.event.to));
    result = check(&order, freeze);
    if (result == CONTROL_OK)
        result = order_check_generation(&order);
    if (result == CONTROL_OK && !request->dry_run)
        result = change(&order, freeze);
    return order_end(&order, result);
}
