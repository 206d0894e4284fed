/*
 * plan_calls.h - the calls of the admin API that walk a plan, and that stop writes. Each answers with
 * the status, or with why it was refused.
 */
#ifndef CONTROL_PLAN_CALLS_H
#define CONTROL_PLAN_CALLS_H

#include "control/admin.h"

/* POST /v1/plan/VERB: {"step":2?, "route":"products"?, "reason":"..."?, "force":false?} */
void plan_call_step(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer);

/* POST /v1/freeze: {"on":true, "routes":["products"]?, "retry_after_s":30?, "reason":"..."?} */
void plan_call_freeze(struct controller *controller, const struct admin_request *request,
                      struct admin_answer *answer);

#endif
