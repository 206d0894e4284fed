/*
 * answer.h - an answer of the admin port as it is filled, and as it leaves. Used by the server for
 * what it refuses itself, and by the calls.
 */
#ifndef CONTROL_ANSWER_H
#define CONTROL_ANSWER_H

#include "control/admin.h"

/* Makes it {"error":{"code":...,"message":...}}, whatever was in it before. `code` is kept. */
void answer_refuse(struct admin_answer *answer, unsigned status, const char *code,
                   const char *message);

/* Appends head and body. */
void answer_format(const struct admin_answer *answer, bool keep_alive, bool head_only,
                   struct buf *out);

#endif
