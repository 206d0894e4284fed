/*
 * missed.c - the state as it was read, held against the newest events.
 *
 * A change is written to the state first: an event of something that never came to be would be
 * worse than one that comes late. The state knows who changed the weight last, and the place of a
 * plan has a note of who brought it there.
 */
#include "control/missed.h"

#include <stdio.h>

#include "control/draft.h"

#define LATE "told at the next start: cutover ended before it could"

/* So much of a reason stands here. */
#define REASON_BYTES 190

static void set_reason(struct event *event, struct str reason)
{
    snprintf(event->reason, sizeof(event->reason), "%.*s%s" LATE,
             STR_ARG(str_slice(reason, 0, REASON_BYTES)), str_is_empty(reason) ? "" : "; ");
}

static bool begins(const char *text, struct str with, size_t at_most)
{
    struct str head = str_slice(with, 0, at_most);

    return strncmp(text, head.data == NULL ? "" : head.data, head.len) == 0;
}

/* Both times are of one process; the change before may be of the same millisecond. Lines that were
 * damaged on disk have left gaps: what stands in front of one is told all the same. */
static bool is_weight_told(const struct controller *controller)
{
    const struct state *state = &controller->state;
    const struct events *events = &controller->events;

    for (uint64_t id = events->next_id - 1; id > 0 && events->next_id - id <= EVENTS_MAX; id--) {
        const struct event *event = events_get(events, id);

        if (event != NULL && event->wall_ms >= state->changed_ms &&
            begins(event->actor, state->actor, sizeof(event->actor) - 1) &&
            begins(event->reason, state->reason, REASON_BYTES))
            return true;
    }
    return false;
}

static void tell_weight(struct controller *controller)
{
    const struct state *state = &controller->state;
    struct event event = {.result = "ok"};
    char text[WEIGHT_TEXT_BYTES];

    if (str_is_empty(state->what) || is_weight_told(controller))
        return;
    snprintf(event.actor, sizeof(event.actor), "%.*s", STR_ARG(state->actor));
    snprintf(event.what, sizeof(event.what), "%.*s", STR_ARG(state->what));
    snprintf(event.subject, sizeof(event.subject), "%.*s",
             STR_ARG(str_is_empty(state->route) ? STR(ROUTE_MAIN) : state->route));
    snprintf(event.from, sizeof(event.from), "%s", weight_format(state->from, text));
    snprintf(event.to, sizeof(event.to), "%s", weight_format(state->to, text));
    set_reason(&event, state->reason);
    events_add(&controller->events, event);
}

/* Where the newest event has left the plan; NULL: no event that is kept speaks of it. */
static const char *told_place(const struct controller *controller, struct str route)
{
    const struct event *event;
    uint64_t id = controller->events.next_id - 1;

    for (; (event = events_get(&controller->events, id)) != NULL; id--)
        if (strcmp(event->what, "plan") == 0 && str_eq(str_of(event->subject), route) &&
            (strcmp(event->result, "ok") == 0 || strcmp(event->result, "not_durable") == 0))
            return event->to;
    return id == 0 ? plan_state_name(PLAN_IDLE) : NULL;
}

static void tell_plan(struct controller *controller, const struct state_plan *plan)
{
    struct event event = {.actor = "cutover", .what = "plan", .result = "ok"};
    const char *told = told_place(controller, plan->route);

    place_format(&plan->place, event.to);
    if (told == NULL || strcmp(told, event.to) == 0)
        return;
    snprintf(event.subject, sizeof(event.subject), "%.*s", STR_ARG(plan->route));
    snprintf(event.from, sizeof(event.from), "%s", told);
    set_reason(&event, str_of(plan->place.note));
    events_add(&controller->events, event);
}

void missed_tell(struct controller *controller)
{
    if (controller->events.next_id == 1) /* a trail that just begins, or was taken away */
        return;
    tell_weight(controller);
    for (unsigned i = 0; i < controller->state.plan_count; i++)
        tell_plan(controller, &controller->state.plans[i]);
}
