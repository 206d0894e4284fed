/*
 * gate.h - who may call the admin API: the token, and what keeps a browser from being used against
 * its owner (Host against DNS rebinding, Origin and Content-Type against forged requests).
 *
 * A pure function of the configuration and the head; delays and answers are the server's work.
 */
#ifndef CONTROL_GATE_H
#define CONTROL_GATE_H

#include "config/config.h"
#include "http/message.h"

enum gate_verdict {
    GATE_OPEN = 0,
    GATE_NO_TOKEN,    /* 401 */
    GATE_WRONG_TOKEN, /* 401, and worth a log line and a delay */
    GATE_HOST,        /* 403 */
    GATE_ORIGIN,      /* 403 */
    GATE_FORM,        /* 403 */
};

/* `bound` is the address that the admin server listens on. */
enum gate_verdict gate_check(const struct config_admin *admin, const struct addr *bound,
                             const struct message *message);

/* One sentence for the answer; empty for GATE_OPEN. */
const char *gate_text(enum gate_verdict verdict);

#endif
