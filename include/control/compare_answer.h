/* compare_answer.h - GET /v1/compare: both sides next to each other, and what comes of it. */
#ifndef CONTROL_COMPARE_ANSWER_H
#define CONTROL_COMPARE_ANSWER_H

#include "control/admin.h"

/* ?window=5m: how far back, 1 s up to the guard's window, which is the default.
 * ?route=products: one with a plan of its own; default: main, also without a plan. */
void compare_answer(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer);

#endif
