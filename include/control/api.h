/*
 * api.h - the calls of the admin API: JSON in, controller, JSON out. The contract is in the README.
 *
 * A call reads its body with fields.h, asks the controller for the change, and answers with the
 * status; what belongs to reading alone (status, metrics, explain) is in files of its own.
 */
#ifndef CONTROL_API_H
#define CONTROL_API_H

#include "control/admin.h"

/* Answers one authorised request. Never blocks, but for the disk when a change is saved. */
void api_answer(struct controller *controller, const struct admin_request *request,
                struct admin_answer *answer);

/* {"error":{"code":...,"message":...}} with the status that belongs to the code. */
void api_refuse(struct admin_answer *answer, enum control_result result, const char *message);

/* An event for a call that would have changed something, and was refused before it came to the
 * controller: the audit has every attempt. */
void api_note_refusal(struct controller *controller, struct str actor,
                      const struct message *message, const char *code, const char *text);

/* For the files that answer calls */

struct fields;

/* The same for a body that fields.h found wrong. */
void api_refuse_fields(struct admin_answer *answer, const struct fields *fields);

/* Who asks: X-Actor when it is short and printable, else the peer's address. */
struct str api_actor(const struct admin_request *request);

/* 200 with what stands in answer->body, and the generation as ETag. */
void api_ok(const struct controller *controller, struct admin_answer *answer);

/* The value of a query parameter, as it is; false when it is absent. */
bool api_query(const struct message *message, struct str name, struct str *value);

#endif
