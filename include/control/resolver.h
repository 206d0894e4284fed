/*
 * resolver.h - keeps the addresses of servers that are named by a host name.
 *
 * Look-ups run on libuv's thread pool (which itself runs no more than two of them at a time), again
 * every 15 s, and 2 s after a failure (doubling up to 15 s). The last good addresses stay when a
 * look-up fails. A look-up that hangs delays its own name; two that hang delay the other names, but
 * nothing else, until the system gives up on them.
 */
#ifndef CONTROL_RESOLVER_H
#define CONTROL_RESOLVER_H

struct controller;
struct resolver;

struct resolver *resolver_new(struct controller *controller);
void resolver_start(struct resolver *resolver);
void resolver_sync(struct resolver *resolver); /* as prober_sync */

/* A look-up that the system is busy with cannot be called back: it keeps the loop alive until it
 * returns, and is the only thing that may be left when resolver_free is called. */
void resolver_stop(struct resolver *resolver);
void resolver_free(struct resolver *resolver);

#endif
