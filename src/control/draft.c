/*
 * draft.c - the way of a change: a draft beside the state -> disk -> the state -> a snapshot.
 *
 * The sequence on disk is the generation that the change is published under. So a start takes up
 * above every generation that was ever written; those that were not (addresses, reloads) are jumped
 * over by the gap, and no If-Match from before a restart is ever right by accident.
 */
#include "control/draft.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"

#define PERSIST_EVERY_MS 1000

/* Routes */

static void add_route(struct draft *draft, struct str name, unsigned weight)
{
    struct state *state = &draft->state;

    if (state->route_count < ROUTES_MAX) {
        state->routes[state->route_count++] = (struct state_route){
            .name = arena_str(&draft->arena, name),
            .weight = weight,
        };
    }
}

static struct state_route *find_route(struct draft *draft, struct str name)
{
    for (unsigned i = 0; i < draft->state.route_count; i++)
        if (str_eq(draft->state.routes[i].name, name))
            return &draft->state.routes[i];
    return NULL;
}

/* The configuration's routes first: it is the others that are left out when there is no room. */
static void copy_routes(struct draft *draft, const struct config *config,
                        const struct state *present)
{
    draft->state.route_count = 0;
    for (unsigned i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];

        if (route->kind == ROUTE_WEIGHTED) {
            add_route(draft, route->name,
                      state_route_weight(present, route->name, route->initial_weight));
        }
    }
    for (unsigned i = 0; i < present->route_count; i++)
        if (find_route(draft, present->routes[i].name) == NULL)
            add_route(draft, present->routes[i].name, present->routes[i].weight);
}

/* Plans */

static void add_plan(struct draft *draft, struct str route, const struct plan_place *place)
{
    struct state *state = &draft->state;

    if (state->plan_count < PLANS_MAX && state_plan_find(state, route) == NULL) {
        state->plans[state->plan_count++] = (struct state_plan){
            .route = arena_str(&draft->arena, route),
            .place = *place,
        };
    }
}

static void add_configured_plan(struct draft *draft, const struct state *present, struct str route)
{
    static const struct plan_place idle;
    const struct plan_place *place = &idle;

    for (unsigned i = 0; i < present->plan_count; i++)
        if (str_eq(present->plans[i].route, route))
            place = &present->plans[i].place;
    add_plan(draft, route, place);
}

/* As with routes: the configuration's first. */
static void copy_plans(struct draft *draft, const struct config *config,
                       const struct state *present)
{
    draft->state.plan_count = 0;
    if (config_plan(config, STR(ROUTE_MAIN)) != NULL)
        add_configured_plan(draft, present, STR(ROUTE_MAIN));
    for (unsigned i = 0; i < config->route_plan_count; i++)
        add_configured_plan(draft, present, config->routes[config->route_plans[i].route].name);
    for (unsigned i = 0; i < present->plan_count; i++)
        add_plan(draft, present->plans[i].route, &present->plans[i].place);
}

const char *place_format(const struct plan_place *place, char text[PLACE_TEXT_BYTES])
{
    const char *name = plan_state_name(place->state);

    if (plan_is_active(place))
        snprintf(text, PLACE_TEXT_BYTES, "%s %u", name, place->step);
    else
        snprintf(text, PLACE_TEXT_BYTES, "%s", name);
    return text;
}

static void tell_fit(struct controller *controller, struct str route,
                     const struct plan_place *before, const struct plan_place *after)
{
    struct event event = {.actor = "cutover", .what = "plan", .result = "ok"};

    snprintf(event.subject, sizeof(event.subject), "%.*s", STR_ARG(route));
    place_format(before, event.from);
    place_format(after, event.to);
    snprintf(event.reason, sizeof(event.reason), "%s", after->note);
    events_add(&controller->events, event);
}

/* A step under way has another weight in the configuration now: nobody is moved by that. */
static bool fit_weight(const struct draft *draft, const struct plan *plan, struct state_plan *kept,
                       uint64_t now_ms)
{
    bool is_main = str_eq(kept->route, STR(ROUTE_MAIN));
    unsigned weight = is_main ? draft->state.weight
                              : state_route_weight(&draft->state, kept->route, WEIGHT_MAX + 1);

    if (plan == NULL || !plan_is_running(&kept->place) ||
        plan->steps[kept->place.step - 1].weight == weight)
        return false;
    plan_interrupt(&kept->place, now_ms,
                   "the configuration has another weight for this step now: resume sets it");
    return true;
}

bool draft_fit(struct draft *draft, struct controller *controller)
{
    static const struct plan none;
    uint64_t now_ms = clock_boot_ms();
    bool changed = false;

    for (unsigned i = 0; i < draft->state.plan_count; i++) {
        struct state_plan *kept = &draft->state.plans[i];
        const struct plan *plan = config_plan(controller->config, kept->route);
        struct plan_place before = kept->place;

        if (plan_fit(plan == NULL ? &none : plan, &kept->place, now_ms) ||
            fit_weight(draft, plan, kept, now_ms)) {
            tell_fit(controller, kept->route, &before, &kept->place);
            changed = true;
        }
    }
    return changed;
}

/* Begin, edit, drop */

static void copy_freeze(struct draft *draft)
{
    struct state_freeze *freeze = &draft->state.freeze;

    for (unsigned i = 0; i < freeze->route_count; i++)
        freeze->routes[i] = arena_str(&draft->arena, freeze->routes[i]);
}

void draft_begin(struct draft *draft, const struct controller *controller)
{
    struct state *state = &draft->state;

    arena_init(&draft->arena);
    *state = controller->state;
    state->sequence = controller->generation + 1;
    state->actor = arena_str(&draft->arena, state->actor);
    state->reason = arena_str(&draft->arena, state->reason);
    state->what = arena_str(&draft->arena, state->what);
    state->route = arena_str(&draft->arena, state->route);
    copy_routes(draft, controller->config, &controller->state);
    copy_plans(draft, controller->config, &controller->state);
    copy_freeze(draft);
}

void draft_drop(struct draft *draft)
{
    arena_deinit(&draft->arena);
}

void draft_set_weight(struct draft *draft, struct str route, unsigned weight)
{
    struct state_route *found;

    if (str_eq(route, STR(ROUTE_MAIN))) {
        draft->state.weight = weight;
        return;
    }
    found = find_route(draft, route);
    CHECK(found != NULL);
    found->weight = weight;
}

struct plan_place *draft_place(struct draft *draft, struct str route)
{
    struct plan_place *place = state_plan_find(&draft->state, route);

    CHECK(place != NULL);
    return place;
}

/* Cut where the audit trail cuts, so that nobody's long reason makes the file grow. */
static struct str keep_text(struct draft *draft, struct str text)
{
    return arena_str(&draft->arena, str_slice(text, 0, EVENT_TEXT_BYTES));
}

void draft_sign(struct draft *draft, const struct control_request *request, const char *what,
                struct str route, unsigned from, unsigned to)
{
    struct state *state = &draft->state;

    state->changed_ms = clock_wall_ms();
    state->actor = keep_text(draft, request->actor);
    state->reason = keep_text(draft, request->reason);
    state->what = keep_text(draft, str_of(what));
    state->route = arena_str(&draft->arena, route);
    state->from = from;
    state->to = to;
}

/* Save, apply */

static void is_durable(struct controller *controller)
{
    if (!controller->durable) {
        controller->durable = true;
        uv_timer_stop(&controller->persist_timer);
    }
}

bool draft_save(struct draft *draft, struct controller *controller, struct error *error)
{
    if (!store_write(&controller->store, &draft->state, error))
        return false;
    is_durable(controller);
    return true;
}

void draft_apply(struct draft *draft, struct controller *controller)
{
    struct arena before = controller->state_arena;

    controller->state = draft->state;
    controller->state_arena = draft->arena;
    controller_publish(controller);
    arena_deinit(&before);
}

static void on_persist_timer(uv_timer_t *timer)
{
    struct controller *controller = timer->data;
    struct error error;

    if (state_save(controller, &error)) {
        log_event(LOG_INFO, "the state is on disk again",
                  LOG_TEXT("state_file", controller->store.path),
                  LOG_U64("generation", controller->generation));
    }
}

bool state_save(struct controller *controller, struct error *error)
{
    controller->state.sequence = controller->generation;
    if (store_write(&controller->store, &controller->state, error)) {
        is_durable(controller);
        return true;
    }
    if (!uv_is_active((uv_handle_t *)&controller->persist_timer)) {
        log_event(LOG_ERROR, "the state is not on disk: it is tried again every second",
                  LOG_TEXT("error", error->text));
    }
    controller->durable = false;
    uv_timer_start(&controller->persist_timer, on_persist_timer, PERSIST_EVERY_MS,
                   PERSIST_EVERY_MS);
    return false;
}
