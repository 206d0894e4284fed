/*
 * resolver.h - keeps the addresses of servers that are named by a host name.
 *
 * A name is looked up (net/lookup.h) at the start and then every 15 s; 2 s after a failure (doubling
 * up to 15 s); and within 2 s after a reload or a failed health check, which may well mean that the
 * server has moved. What is found goes to controller_note_addrs.
 *
 * The last good addresses stay whatever becomes of later look-ups: when they fail, when they hang,
 * when they bring nothing that can be used. A failure is told once, until the name resolves again.
 * A look-up without an answer after 5 s is told as a failure too; it still counts when it comes, but
 * nothing can be asked about that name before: the system gives up by itself sooner or later. Other
 * names are not touched by it.
 *
 * Of a name with more than SERVER_ADDRS_MAX addresses those that are in use are kept as long as the
 * name has them, and neither IPv4 nor IPv6 gets less than half of the places if it needs them.
 */
#ifndef CONTROL_RESOLVER_H
#define CONTROL_RESOLVER_H

struct controller;
struct resolver;
struct server;

struct resolver *resolver_new(struct controller *controller);
void resolver_start(struct resolver *resolver);

/* The servers are others: looks up those that are new at once, those that stay within 2 s, and
 * forgets those that are gone. No effect before resolver_start and after resolver_stop. */
void resolver_sync(struct resolver *resolver);

/* Something is wrong with the server: its name is looked up at once, but no sooner than 2 s after
 * the last time. No effect on a server without a name, or while a look-up is under way. */
void resolver_hurry(struct resolver *resolver, const struct server *server);

/* Waits for nothing: look-ups that are under way are left to themselves. */
void resolver_stop(struct resolver *resolver);
void resolver_free(struct resolver *resolver);

#endif
