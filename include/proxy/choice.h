/*
 * choice.h - where a request goes: its side, then one of that side's servers. attempt.c asks again
 * for each try.
 */
#ifndef PROXY_CHOICE_H
#define PROXY_CHOICE_H

#include "proxy/exchange.h"

/* Decides by the snapshot that the exchange has pinned; a new user is drawn here. OUTCOME_OK: let
 * through. Else it must not pass (frozen), or nobody can take it. */
enum outcome choice_decide(struct exchange *exchange);

/* Picks the next server of the decided side that has not been tried for this request, and no address
 * of it yet. False: there is none left. */
bool choice_server(struct exchange *exchange);

/* Whether there is one that can be used, without picking it. */
bool choice_has_server(const struct exchange *exchange);

/* Moves to the other side and picks a server there, for when its own cannot take it. False: policy
 * does not let it, or nobody is there. The caller sees to it that the first side cannot have seen
 * the request, or that its method is safe. */
bool choice_fail_over(struct exchange *exchange);

/* Whether policy would let it. */
bool choice_may_fail_over(const struct exchange *exchange);

/* Moves to the other side because its own answered that it does not have it (skew), and picks a
 * server there. False: there is none left. */
bool choice_ask_other(struct exchange *exchange);

/* Whether it may: once, and when the other side can be used. */
bool choice_may_ask_other(const struct exchange *exchange);

/*
 * Whether the worker has adopted a snapshot since by which the request is for the other side: its
 * weight has changed, or its side has gone into maintenance. Then `again` is what it says, for
 * choice_change. The user stays the same one: bucket and cookie are those of the first decision.
 */
bool choice_has_changed(const struct exchange *exchange, struct decision *again);

/* Moves the exchange there, with no server tried yet. It must hold no connection, and wait for none.
 * As choice_decide, but that what was let through before a freeze is let through. */
enum outcome choice_change(struct exchange *exchange, const struct decision *again);

#endif
