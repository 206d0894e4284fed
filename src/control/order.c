/*
 * order.c - what all orders have in common: the checks, the way onto the disk, and the audit trail.
 *
 * An order may move more than it was given for: a weight that is set by hand pauses the plan, a
 * rollback takes plans back, a step of a plan sets a weight. Each of these is an event as well,
 * right behind the order's own.
 */
#include "control/order.h"

#include <inttypes.h>
#include <stdio.h>

#include "control/fleet.h"

void order_init(struct order *order, struct controller *controller,
                const struct control_request *request, const char *what, struct error *error)
{
    *order = (struct order){.controller = controller, .request = request, .error = error};
    snprintf(order->event.actor, sizeof(order->event.actor), "%.*s", STR_ARG(request->actor));
    snprintf(order->event.what, sizeof(order->event.what), "%s", what);
    for (unsigned i = 0; i < controller->state.plan_count; i++)
        order->places[i] = controller->state.plans[i].place;
}

void order_set_subject(struct order *order, struct str subject)
{
    snprintf(order->event.subject, sizeof(order->event.subject), "%.*s", STR_ARG(subject));
}

static void set_weights(struct event *event, unsigned from, unsigned to)
{
    char text[WEIGHT_TEXT_BYTES];

    snprintf(event->from, sizeof(event->from), "%s", weight_format(from, text));
    snprintf(event->to, sizeof(event->to), "%s", weight_format(to, text));
}

void order_set_weights(struct order *order, unsigned from, unsigned to)
{
    set_weights(&order->event, from, to);
}

/* Checks */

enum control_result order_check_generation(const struct order *order)
{
    const struct control_request *request = order->request;

    if (!request->has_if_match || request->if_match == order->controller->generation)
        return CONTROL_OK;
    error_set(order->error,
              "If-Match names generation %" PRIu64 ", and it is generation %" PRIu64 " now",
              request->if_match, order->controller->generation);
    return CONTROL_GENERATION_STALE;
}

enum control_result order_check_old(const struct order *order, bool force)
{
    if (force || fleet_old_is_usable(order->controller))
        return CONTROL_OK;
    error_set(order->error, "old cannot take the users back now (%s), and it was not forced",
              controller_rollback_trouble(order->controller));
    return CONTROL_OLD_NOT_USABLE;
}

/* Disk */

/* What the disk said, with what it means for the one who asked. */
static void explain_not_saved(const struct order *order)
{
    const struct event *event = &order->event;
    struct error cause = *order->error;
    bool is_main = strcmp(event->subject, ROUTE_MAIN) == 0;
    const char *of = is_main ? "" : " of ";
    const char *subject = is_main ? "" : event->subject;

    if (strcmp(event->what, "backend") == 0) {
        error_set(order->error, "nothing was changed, %s is still %s: %.300s", event->subject,
                  event->from, cause.text);
    } else if (strcmp(event->what, "plan") == 0) {
        error_set(order->error, "nothing was changed, the plan%s%s is still %s: %.300s", of,
                  subject, event->from, cause.text);
    } else if (strcmp(event->what, "freeze") == 0) {
        error_set(order->error, "nothing was changed, the write freeze is still %s: %.300s",
                  event->from, cause.text);
    } else {
        error_set(order->error, "nothing was changed, the weight%s%s is still %s %%: %.300s", of,
                  subject, event->from, cause.text);
    }
}

enum control_result order_save_and_apply(struct order *order, struct draft *draft)
{
    if (!draft_save(draft, order->controller, order->error)) {
        draft_drop(draft);
        explain_not_saved(order);
        return CONTROL_STATE_NOT_SAVED;
    }
    draft_apply(draft, order->controller);
    return CONTROL_OK;
}

bool order_apply_and_save(struct order *order, struct draft *draft)
{
    struct error save_error; /* it is in the log */

    draft_apply(draft, order->controller);
    return state_save(order->controller, &save_error);
}

/* The end */

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

/* The weight that a plan has moved. */
static void add_weight(struct order *order)
{
    struct event event = order->event;

    snprintf(event.what, sizeof(event.what), "weight");
    set_weights(&event, order->weight_from, order->weight_to);
    events_add(&order->controller->events, event);
}

/* The plans that a weight has moved. */
static void add_plans(struct order *order)
{
    const struct state *state = &order->controller->state;

    for (unsigned i = 0; i < state->plan_count; i++) {
        const struct plan_place *place = &state->plans[i].place;
        struct event event = order->event;

        if (place->state == order->places[i].state)
            continue;
        snprintf(event.what, sizeof(event.what), "plan");
        snprintf(event.subject, sizeof(event.subject), "%.*s", STR_ARG(state->plans[i].route));
        place_format(&order->places[i], event.from);
        place_format(place, event.to);
        snprintf(event.reason, sizeof(event.reason), "%s", place->note);
        events_add(&order->controller->events, event);
    }
}

static void add_done(struct order *order)
{
    struct event *event = &order->event;

    set_reason(event, order->request->reason, order->notes);
    events_add(&order->controller->events, *event);
    if (order->has_weight && order->weight_from != order->weight_to)
        add_weight(order);
    if (strcmp(event->what, "weight") == 0 || strcmp(event->what, "rollback") == 0)
        add_plans(order);
}

enum control_result order_end(struct order *order, enum control_result result)
{
    struct event *event = &order->event;

    if (order->request->dry_run || (order->request->is_again && result != CONTROL_OK))
        return result;
    snprintf(event->result, sizeof(event->result), "%s",
             order->is_not_durable ? "not_durable" : control_result_code(result));
    if (result == CONTROL_OK) {
        add_done(order);
        return result;
    }
    snprintf(event->reason, sizeof(event->reason), "%.*s", (int)sizeof(event->reason) - 1,
             order->error->text);
    if (result == CONTROL_CONFIG_INVALID)
        add_refused_reload(order);
    else
        events_add(&order->controller->events, *event);
    return result;
}
