/* explain.h - POST /v1/explain: what would be decided for a described request. Changes nothing. */
#ifndef CONTROL_EXPLAIN_H
#define CONTROL_EXPLAIN_H

#include "control/admin.h"

void explain_answer(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer);

#endif
