/*
 * orders_reload.c - the configuration file once more: read, found good, and taken over as a whole.
 *
 *     config_load -> config_can_replace -> certificates -> servers -> draft -> snapshot
 */
#include "control/orders.h"

#include "base/clock.h"
#include "base/log.h"
#include "control/certificates.h"
#include "control/fleet.h"
#include "control/order.h"
#include "control/pilot.h"
#include "control/prober.h"
#include "control/resolver.h"

/* A file that cannot be read has a problem without a line. */
static void tell_problems(const struct order *order, const struct config_problems *problems)
{
    const char *path = order->controller->config_path;
    struct str text = problems->count == 0 ? STR("") : problems->items[0].text;

    if (problems->count == 0 || problems->items[0].line == 0) {
        error_set(order->error, "%s: %.*s, the old configuration goes on", path, STR_ARG(text));
        return;
    }
    error_set(order->error, "%s has %u problem%s, the old configuration goes on: line %u: %.*s",
              path, problems->count, problems->count == 1 ? "" : "s", problems->items[0].line,
              STR_ARG(text));
}

/* The new configuration, or NULL with `problems` or the error set. */
static struct config *load_config(const struct order *order, struct config_problems *problems)
{
    const struct controller *controller = order->controller;
    struct config *next = config_load(controller->config_path, problems);

    if (next == NULL) {
        tell_problems(order, problems);
        return NULL;
    }
    if (!config_can_replace(controller->config, next, order->error) ||
        !certificates_prepare(controller->certificates, next, order->error)) {
        config_unref(next);
        return NULL;
    }
    return next;
}

/* `name` empty: the main weight. */
static void note_not_used(struct buf *notes, struct str name, unsigned in_file, unsigned in_state)
{
    char file[WEIGHT_TEXT_BYTES], state[WEIGHT_TEXT_BYTES];
    bool is_main = str_is_empty(name);

    weight_format(in_file, file);
    buf_printf(notes,
               "%.*s: %s %% in the file is not used, the state says %s %%: cutover weight %s",
               STR_ARG(is_main ? STR("initial_weight") : name), file,
               weight_format(in_state, state), file);
    if (!is_main)
        buf_printf(notes, " --route %.*s", STR_ARG(name));
    buf_append_char(notes, '\n');
}

/* The weight that the present configuration has for a route; WEIGHT_MAX + 1: none. */
static unsigned weight_before(const struct config *config, struct str name)
{
    int index = route_find(config->routes, config->route_count, name);

    return index < 0 || config->routes[index].kind != ROUTE_WEIGHTED
               ? WEIGHT_MAX + 1
               : config->routes[index].initial_weight;
}

static void note_route(const struct controller *controller, const struct route *route,
                       struct buf *notes)
{
    char text[WEIGHT_TEXT_BYTES];
    unsigned kept = state_route_weight(&controller->state, route->name, WEIGHT_MAX + 1);

    if (kept > WEIGHT_MAX) {
        buf_printf(notes, "new route %.*s starts at %s %%\n", STR_ARG(route->name),
                   weight_format(route->initial_weight, text));
    } else if (kept != route->initial_weight &&
               weight_before(controller->config, route->name) != route->initial_weight) {
        note_not_used(notes, route->name, route->initial_weight, kept);
    }
}

/* A route that was frozen by name, and is gone: its requests are not frozen any more. */
static void note_freeze(const struct state *state, const struct config *next, struct buf *notes)
{
    const struct state_freeze *freeze = &state->freeze;

    for (unsigned i = 0; freeze->is_on && i < freeze->route_count; i++) {
        struct str name = freeze->routes[i];

        if (!str_eq(name, STR(ROUTE_MAIN)) && route_find(next->routes, next->route_count, name) < 0)
            buf_printf(notes, "writes are frozen on %.*s, and there is no such route any more\n",
                       STR_ARG(name));
    }
}

/* A weight that was changed in the file looks as if it counted: says where it does not. */
static void note_all(struct controller *controller, const struct config *next)
{
    struct buf *notes = &controller->reload_notes;
    unsigned weight = next->initial_weight;
    struct str rest, line;

    buf_clear(notes);
    if (weight != controller->config->initial_weight && weight != controller->state.weight)
        note_not_used(notes, STR(""), weight, controller->state.weight);
    for (unsigned i = 0; i < next->route_count; i++)
        if (next->routes[i].kind == ROUTE_WEIGHTED)
            note_route(controller, &next->routes[i], notes);
    note_freeze(&controller->state, next, notes);
    rest = buf_str(notes);
    while (str_next_part(&rest, '\n', &line))
        if (!str_is_empty(line))
            log_event(LOG_WARN, "reload", LOG_STR("note", line));
}

/* Takes over the reference to `next`. */
static void adopt_config(struct controller *controller, struct config *next)
{
    unsigned routes_known = controller->state.route_count;
    unsigned plans_known = controller->state.plan_count;
    struct error error; /* when the disk takes nothing it is tried again */
    struct draft draft;
    bool fitted;

    note_all(controller, next);
    controller->reload_trouble.text[0] = '\0';
    config_unref(controller->config);
    controller->config = next;
    certificates_adopt(controller->certificates);
    fleet_adopt(controller);
    draft_begin(&draft, controller);
    fitted = draft_fit(&draft, controller);
    draft_apply(&draft, controller);
    prober_sync(controller->prober);
    resolver_sync(controller->resolver);
    pilot_sync(controller->pilot);
    if (fitted || controller->state.route_count != routes_known ||
        controller->state.plan_count != plans_known)
        state_save(controller, &error);
}

enum control_result order_reload(struct controller *controller,
                                 const struct control_request *request,
                                 struct config_problems *problems, struct error *error)
{
    enum control_result result;
    struct config *next;
    struct order order;

    order_init(&order, controller, request, "reload", error);
    order_set_subject(&order, str_of(controller->config_path));
    order.problems = problems;
    result = order_check_generation(&order);
    if (result != CONTROL_OK)
        return order_end(&order, result);
    next = load_config(&order, problems);
    if (next == NULL) {
        if (!request->dry_run)
            controller->reload_trouble = *error;
        return order_end(&order, CONTROL_CONFIG_INVALID);
    }
    if (request->dry_run)
        config_unref(next);
    else
        adopt_config(controller, next);
    order.notes = buf_str(&controller->reload_notes);
    return order_end(&order, CONTROL_OK);
}
