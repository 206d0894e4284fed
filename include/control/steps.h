/*
 * steps.h - what is ordered of a plan, and of writes: the orders of orders.h for plans and the freeze.
 * Each is checked, written to disk, published, and noted as an event, also when it is refused.
 *
 * `route`: "main" (or empty), or the name of a route with a plan of its own. `expected`: the step
 * where the caller thinks the plan is, or STEP_ANY; elsewhere: CONTROL_PLAN_ELSEWHERE.
 */
#ifndef CONTROL_STEPS_H
#define CONTROL_STEPS_H

#include "control/controller.h"

#define STEP_ANY UINT_MAX

enum step_verb { STEP_START = 0, STEP_PAUSE, STEP_RESUME, STEP_ADVANCE, STEP_ABORT, STEP_FINISH };

bool step_verb_parse(struct str text, enum step_verb *verb) MUST_CHECK;

enum control_result order_plan(struct controller *controller, const struct control_request *request,
                               enum step_verb verb, struct str route, unsigned expected, bool force,
                               struct error *error);

/* From the pilot: the hooks have let it, or there are none. Sets the weight and the place at once, as
 * one change on disk. */
enum control_result order_plan_enter(struct controller *controller,
                                     const struct control_request *request, struct str route,
                                     unsigned to, struct error *error);

/* From the pilot: the guard has failed. This plan's weight to 0 and rolled_back, first in traffic,
 * then on disk. Refused when old is not usable. */
enum control_result order_plan_take_back(struct controller *controller,
                                         const struct control_request *request, struct str route,
                                         struct error *error);

/* From the pilot: waiting (with the latch and the note), or finished. */
enum control_result order_plan_rest(struct controller *controller,
                                    const struct control_request *request, struct str route,
                                    enum plan_state state, bool has_failed, struct error *error);

/* Routes by name, "main" for what matches none; none given: all. Off: the rest is ignored. */
struct freeze_request {
    bool on;
    unsigned retry_after_s;
    struct str routes[ROUTES_MAX + 1];
    unsigned route_count;
};
enum control_result order_freeze(struct controller *controller,
                                 const struct control_request *request,
                                 const struct freeze_request *freeze, struct error *error);

#endif
