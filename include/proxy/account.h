/* account.h - what is known of an ended exchange goes into the counters and the access log. */
#ifndef PROXY_ACCOUNT_H
#define PROXY_ACCOUNT_H

#include "proxy/exchange.h"

void account_request(struct exchange *exchange);
void account_attempt(struct exchange *exchange, enum outcome outcome);

/* Hands the access lines gathered so far to the log. */
void account_flush(struct worker *worker);

#endif
