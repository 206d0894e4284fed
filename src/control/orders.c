/*
 * orders.c - what operators order: weights, rollback, administrative states, reload.
 *
 *     order_init -> checks (the first that fails ends it) -> draft -> disk -> snapshot -> order_end
 *
 * Every order ends in order_end, and so in the audit trail, also when it was refused.
 */
#include "control/orders.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/certificates.h"
#include "control/draft.h"
#include "control/fleet.h"
#include "control/prober.h"
#include "control/resolver.h"

struct order {
    struct controller *controller;
    bool is_not_durable;                    /* done, but not on disk yet */
    const struct config_problems *problems; /* of the file; NULL: no reload */
    const struct control_request *request;
    struct error *error;
    struct event event;
};

static void order_init(struct order *order, struct controller *controller,
                       const struct control_request *request, const char *what, struct error *error)
{
    *order = (struct order){.controller = controller, .request = request, .error = error};
    snprintf(order->event.actor, sizeof(order->event.actor), "%.*s", STR_ARG(request->actor));
    snprintf(order->event.what, sizeof(order->event.what), "%s", what);
}

static void set_subject(struct order *order, struct str subject)
{
    snprintf(order->event.subject, sizeof(order->event.subject), "%.*s", STR_ARG(subject));
}

static void set_weights(struct order *order, unsigned from, unsigned to)
{
    char text[WEIGHT_TEXT_BYTES];

    snprintf(order->event.from, sizeof(order->event.from), "%s", weight_format(from, text));
    snprintf(order->event.to, sizeof(order->event.to), "%s", weight_format(to, text));
}

/* The reason that was given, and behind it what the order itself has to say. */
static void set_reason(struct event *event, struct str given, struct str notes)
{
    struct str line;
    int used = snprintf(event->reason, sizeof(event->reason), "%.*s", STR_ARG(given));

    while (str_next_part(&notes, '\n', &line)) {
        if (str_is_empty(line) || used >= (int)sizeof(event->reason))
            continue;
        used += snprintf(event->reason + used, sizeof(event->reason) - (size_t)used, "%s%.*s",
                         used > 0 ? "; " : "", STR_ARG(line));
    }
}

/* One line with all that is wrong with the file; the event has room for the first problem. */
static void add_refused_reload(struct order *order)
{
    struct buf all = BUF_EMPTY, lines = BUF_EMPTY;
    struct str rest, line;

    config_problems_format(order->problems, &lines);
    rest = buf_str(&lines);
    buf_append_str(&all, str_of(order->error->text));
    for (unsigned i = 0; order->problems->count > 1 && str_next_part(&rest, '\n', &line); i++)
        if (!str_is_empty(line))
            buf_printf(&all, "%s%.*s", i == 0 ? ". All: " : "; ", STR_ARG(line));
    events_add_with(&order->controller->events, order->event, buf_str(&all));
    buf_deinit(&lines);
    buf_deinit(&all);
}

static enum control_result order_end(struct order *order, enum control_result result)
{
    struct event *event = &order->event;
    bool is_reload = strcmp(event->what, "reload") == 0;

    if (order->request->dry_run)
        return result;
    snprintf(event->result, sizeof(event->result), "%s",
             order->is_not_durable ? "not_durable" : control_result_code(result));
    if (result == CONTROL_OK) {
        set_reason(event, order->request->reason,
                   is_reload ? buf_str(&order->controller->reload_notes) : STR(""));
    } else {
        snprintf(event->reason, sizeof(event->reason), "%.*s", (int)sizeof(event->reason) - 1,
                 order->error->text);
    }
    if (result == CONTROL_CONFIG_INVALID)
        add_refused_reload(order);
    else
        events_add(&order->controller->events, *event);
    return result;
}

static enum control_result check_generation(const struct order *order)
{
    const struct control_request *request = order->request;

    if (!request->has_if_match || request->if_match == order->controller->generation)
        return CONTROL_OK;
    error_set(order->error,
              "If-Match names generation %" PRIu64 ", and it is generation %" PRIu64 " now",
              request->if_match, order->controller->generation);
    return CONTROL_GENERATION_STALE;
}

static enum control_result check_weight(const struct order *order, unsigned weight)
{
    if (weight <= WEIGHT_MAX)
        return CONTROL_OK;
    error_set(order->error, "a weight is a percentage from 0 to 100");
    return CONTROL_WEIGHT_OUT_OF_RANGE;
}

/* What the disk said, with what it means for the one who asked. */
static void explain_not_saved(const struct order *order)
{
    const struct event *event = &order->event;
    struct error cause = *order->error;

    if (strcmp(event->what, "backend") == 0) {
        error_set(order->error, "nothing was changed, %s is still %s: %.300s", event->subject,
                  event->from, cause.text);
    } else if (strcmp(event->subject, ROUTE_MAIN) == 0) {
        error_set(order->error, "nothing was changed, the weight is still %s %%: %.300s",
                  event->from, cause.text);
    } else {
        error_set(order->error, "nothing was changed, the weight of %s is still %s %%: %.300s",
                  event->subject, event->from, cause.text);
    }
}

/* Disk, then traffic. */
static enum control_result save_and_apply(struct order *order, struct draft *draft)
{
    if (!draft_save(draft, order->controller, order->error)) {
        draft_drop(draft);
        explain_not_saved(order);
        return CONTROL_STATE_NOT_SAVED;
    }
    draft_apply(draft, order->controller);
    return CONTROL_OK;
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

static enum control_result change_route(struct order *order, struct str route, unsigned from,
                                        unsigned to)
{
    struct draft draft;

    draft_begin(&draft, order->controller);
    if (str_is_empty(route))
        draft.state.weight = to;
    else
        draft_set_route(&draft, route, to);
    draft_sign(&draft, order->request, "weight", route, from, to);
    return save_and_apply(order, &draft);
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
    set_subject(&order, is_main ? STR(ROUTE_MAIN) : route);
    result = is_main ? CONTROL_OK : find_weight(&order, route, &now);
    if (result == CONTROL_OK) {
        set_weights(&order, now, weight);
        result = check_weight(&order, weight);
    }
    if (result == CONTROL_OK)
        result = check_generation(&order);
    if (result == CONTROL_OK && !request->dry_run && (weight != now || !controller->durable))
        result = change_route(&order, is_main ? STR("") : route, now, weight);
    return order_end(&order, result);
}

/* Rollback */

/* A rollback never raises a weight. */
static unsigned lowered(unsigned weight, unsigned to)
{
    return weight < to ? weight : to;
}

static bool has_higher_weight(const struct state *state, unsigned weight)
{
    bool higher = state->weight > weight;

    for (unsigned i = 0; i < state->route_count; i++)
        higher = higher || state->routes[i].weight > weight;
    return higher;
}

/* Traffic first, disk second: what is wrong with the disk must not keep users on a broken side. */
static bool apply_rollback(struct order *order, unsigned to)
{
    struct controller *controller = order->controller;
    struct error save_error;
    struct draft draft;

    /* Asked again while the disk does not take it: only the disk is tried again. */
    if (!has_higher_weight(&controller->state, to))
        return state_save(controller, &save_error);
    draft_begin(&draft, controller);
    draft_sign(&draft, order->request, "rollback", STR(""), draft.state.weight,
               lowered(draft.state.weight, to));
    draft.state.weight = lowered(draft.state.weight, to);
    for (unsigned i = 0; i < draft.state.route_count; i++)
        draft.state.routes[i].weight = lowered(draft.state.routes[i].weight, to);
    draft_apply(&draft, controller);
    return state_save(controller, &save_error);
}

static enum control_result check_old(const struct order *order, bool force)
{
    if (force || fleet_old_is_usable(order->controller))
        return CONTROL_OK;
    error_set(order->error, "old cannot take the users back now (%s), and it was not forced",
              controller_rollback_trouble(order->controller));
    return CONTROL_OLD_NOT_USABLE;
}

enum control_result order_rollback(struct controller *controller,
                                   const struct control_request *request, unsigned to, bool force,
                                   bool *durable, struct error *error)
{
    enum control_result result;
    struct order order;

    order_init(&order, controller, request, "rollback", error);
    set_subject(&order, STR("all weights"));
    set_weights(&order, controller->state.weight, lowered(controller->state.weight, to));
    result = check_weight(&order, to);
    if (result == CONTROL_OK)
        result = check_generation(&order);
    if (result == CONTROL_OK)
        result = check_old(&order, force);
    *durable = controller->durable;
    if (result == CONTROL_OK && !request->dry_run &&
        (has_higher_weight(&controller->state, to) || !controller->durable))
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
    result = save_and_apply(order, &draft);
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
    set_subject(&order, str_of(side_name(side)));
    snprintf(order.event.from, sizeof(order.event.from), "%s", admin_state_name(now));
    snprintf(order.event.to, sizeof(order.event.to), "%s", admin_state_name(state));
    result = check_generation(&order);
    if (result == CONTROL_OK && !request->dry_run && (state != now || !controller->durable))
        result = change_admin(&order, side, state);
    return order_end(&order, result);
}

/* Reload */

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

/* A weight that was changed in the file looks as if it counted: says where it does not. */
static void note_weights(struct controller *controller, const struct config *next)
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
    rest = buf_str(notes);
    while (str_next_part(&rest, '\n', &line))
        if (!str_is_empty(line))
            log_event(LOG_WARN, "reload", LOG_STR("note", line));
}

/* Takes over the reference to `next`. */
static void adopt_config(struct controller *controller, struct config *next)
{
    unsigned routes_known = controller->state.route_count;
    struct error error;
    struct draft draft;

    note_weights(controller, next);
    controller->reload_trouble.text[0] = '\0';
    config_unref(controller->config);
    controller->config = next;
    certificates_adopt(controller->certificates);
    fleet_adopt(controller);
    draft_begin(&draft, controller);
    draft_apply(&draft, controller);
    prober_sync(controller->prober);
    resolver_sync(controller->resolver);
    if (controller->state.route_count != routes_known)
        state_save(controller, &error); /* new routes; when it fails it is tried again */
}

enum control_result order_reload(struct controller *controller,
                                 const struct control_request *request,
                                 struct config_problems *problems, struct error *error)
{
    enum control_result result;
    struct config *next;
    struct order order;

    order_init(&order, controller, request, "reload", error);
    set_subject(&order, str_of(controller->config_path));
    order.problems = problems;
    result = check_generation(&order);
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
    return order_end(&order, CONTROL_OK);
}
