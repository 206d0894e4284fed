/*
 * change.h - the calls of the admin API that change something. Each reads its body, gives the order
 * to the controller, and answers with the status or the refusal.
 */
#ifndef CONTROL_CHANGE_H
#define CONTROL_CHANGE_H

#include "control/admin.h"

/* PUT /v1/weight; with ?dry_run=1 it only says what would move. */
void change_weight(struct controller *controller, const struct admin_request *request,
                   struct admin_answer *answer);

/* POST /v1/rollback */
void change_rollback(struct controller *controller, const struct admin_request *request,
                     struct admin_answer *answer);

/* PATCH /v1/backends/old and /v1/backends/new */
void change_backend(struct controller *controller, const struct admin_request *request,
                    struct admin_answer *answer);

/* POST /v1/reload */
void change_reload(struct controller *controller, const struct admin_request *request,
                   struct admin_answer *answer);

/* For the files that answer such calls */

/* Who asks, from the head, and If-Match; false when it was refused. */
bool change_read_head(const struct admin_request *request, struct control_request *control,
                      struct admin_answer *answer);

/* What was ordered is done: the status, with `notes` (lines) among its warnings; or the refusal. */
void change_answer(const struct controller *controller, const struct admin_request *request,
                   enum control_result result, const struct error *error, struct str notes,
                   struct admin_answer *answer);

#endif
