/*
 * gate.h - who may call the admin API: the token, and what keeps a browser from being used against
 * its owner.
 *
 *     Host              without a token: ours. A foreign name may have been pointed here (DNS
 *                       rebinding). With a token it may be any: the token is in no cookie, so a
 *                       page under another name does not have it
 *     Origin            if there is one: this server's
 *     Sec-Fetch-Site    if there is one: same-origin, or none (typed in, a bookmark). A link may
 *                       lead to the page at /, and to nothing else
 *     Authorization     the token, but for the files of the dashboard, which hold no data
 *     Content-Type      of a body from a browser: JSON
 *
 * /healthz and /readyz are open to all: they tell next to nothing.
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
