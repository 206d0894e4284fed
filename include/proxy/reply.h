/* reply.h - answers that are made here: a status, X-Cutover-Outcome and a small JSON body. */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include "proxy/exchange.h"

/* Answers the exchange with the row of `outcome` (which must have a status); `detail` is added to
 * the text when not NULL. Finishes the exchange. */
void reply_outcome(struct exchange *exchange, enum outcome outcome, const char *detail);

/* The same with a content of its own instead of the JSON, or with Location. */
void reply_content(struct exchange *exchange, enum outcome outcome, struct str type,
                   struct str content);
void reply_redirect(struct exchange *exchange, struct str location);

/* The whole answer for a connection that is turned away at the door. */
void reply_overloaded(struct buf *out);

#endif
