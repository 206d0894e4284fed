/* status_plan.h - the parts of the status that a cutover is led by: plans, and the write freeze. */
#ifndef CONTROL_STATUS_PLAN_H
#define CONTROL_STATUS_PLAN_H

#include "base/json.h"
#include "control/controller.h"

/* "plan": {...} of "main", or of a route with a plan of its own; an idle one of no steps when the
 * configuration has none. */
void status_plan_write(const struct controller *controller, struct str route, struct json *json);

/* "freeze": {...}; `writes_open`: unsafe requests that are under way. */
void status_freeze_write(const struct controller *controller, uint64_t writes_open,
                         struct json *json);

/* Where the plan of `route` stands; idle when there is none. */
struct plan_place status_plan_place(const struct controller *controller, struct str route);

#endif
