/* account.h - what is known of an ended exchange goes into the counters and the access log. */
#ifndef PROXY_ACCOUNT_H
#define PROXY_ACCOUNT_H

#include "proxy/exchange.h"

void account_request(struct exchange *exchange);
void account_attempt(struct exchange *exchange, enum outcome outcome);

/* The attempt has become a tunnel or an event stream: all that the comparison wants to know. */
void account_opened(struct exchange *exchange, enum outcome outcome);

/* Counts the answers that are late (EVIDENCE_LATE_MS) as timeouts of their side, each once, whatever
 * comes of them; for the sweep. */
void account_late(struct worker *worker);

/* Refused here before any server was tried, for the side that it was meant for. */
void account_refusal(struct exchange *exchange, enum outcome outcome);

/* It goes to the other side, since its own has no server that can take it. */
void account_failover(struct exchange *exchange);

/* Hands the access lines gathered so far to the log. */
void account_flush(struct worker *worker);

#endif
