/*
 * attempt.h - tries at servers for one exchange: connects, sends the head, tries again.
 *
 * Every call may finish the exchange, and so free it: see conn->exchange afterwards.
 */
#ifndef PROXY_ATTEMPT_H
#define PROXY_ATTEMPT_H

#include "proxy/exchange.h"

/* The first attempt, at a server of the decided side. */
void attempt_first(struct exchange *exchange);

/* The connection that was being made is there (0), or is not to be had (UV_E*). */
void attempt_on_connect(struct exchange *exchange, int status);

/*
 * The head of an answer is there and not passed on yet, and it says that the platform answered
 * instead of its application (`outcome`). True: another attempt has begun, where the rules allow
 * one, or the answer is ours (skew_404). False: it is the answer.
 */
bool attempt_pass_over(struct exchange *exchange, enum outcome outcome);

/* The same for a 404 on a route that asks the other side then. */
bool attempt_ask_other(struct exchange *exchange);

/* A place may have come free at the server that it waits for (EXCHANGE_WAIT). */
void attempt_retry_waiting(struct exchange *exchange);

/* A newer snapshot is there: when nothing has been sent yet and the request belongs to the other
 * side now, it goes there. What it waited for is given up, and counted nowhere. */
void attempt_follow(struct exchange *exchange);

/* The attempt failed: tries again where the rules allow it, else answers or, when the answer has
 * begun, cuts. */
void attempt_failed(struct exchange *exchange, enum outcome outcome);

/* The attempt got its answer: counts it and gives the connection back (`reuse`) or closes it. The
 * one call here that never finishes the exchange. */
void attempt_done(struct exchange *exchange, enum outcome outcome, bool reuse);

#endif
