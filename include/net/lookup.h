/*
 * lookup.h - the addresses of a host name, without ever waiting for the system.
 *
 * getaddrinfo() blocks, for microseconds or for minutes, and cannot be called off. Here each
 * question runs on a thread of its own and its answer is delivered on the loop. One that hangs
 * holds up nobody but those who ask for the same name: no other name, no loop, and not the end of
 * the process.
 *
 *     struct lookups   the questions of one loop
 *     struct lookup    one who asks, until the answer is there or he cancels
 *
 * What always holds:
 * - At most one question for a name is under way. Who asks for that name meanwhile waits for the
 *   same answer, also when all who asked before have cancelled.
 * - At most LOOKUPS_MAX questions are under way, hung ones included. What is above that is answered
 *   with trouble, as is a thread that cannot be had.
 * - A thread touches nothing but its own question, so it may end after the loop, or never.
 *
 * All functions are for the thread of the loop.
 */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include <uv.h>

#include "net/addr.h"

#define LOOKUPS_MAX 256

/* Addresses that are taken from one answer; what is behind them is left out. */
#define LOOKUP_ADDRS_MAX 64

#define LOOKUP_TROUBLE_BYTES 128

struct lookups;
struct lookup;

/*
 * Each address once, port 0, in the order in which the system would have them tried (RFC 6724).
 * What cannot be the address of a server is a mistake of whoever serves the name, and left out:
 * 0.0.0.0 and ::, multicast, broadcast, link-local (169.254.0.0/16, where clouds keep their
 * metadata; fe80::/10 without a scope). Loopback stays.
 */
struct lookup_answer {
    struct addr addrs[LOOKUP_ADDRS_MAX];
    unsigned count;
    char trouble[LOOKUP_TROUBLE_BYTES]; /* why count is 0, for people */
};

/* `answer` is borrowed for the call. May start and cancel other look-ups; its own is over. */
typedef void (*lookup_cb)(void *data, const struct lookup_answer *answer);

struct lookups *lookups_new(uv_loop_t *loop);

/* All look-ups must have ended or been cancelled. Questions that are still under way are given up:
 * they do not keep the loop alive, but the loop has to run once more to close their handles. */
void lookups_free(struct lookups *lookups);

/* Calls `on_answer` exactly once, unless cancelled, and never before this has returned. `host` is
 * copied. The lookup is freed just before the call. */
struct lookup *lookup_start(struct lookups *lookups, const char *host, lookup_cb on_answer,
                            void *data);

/* Frees the lookup: `on_answer` is not called any more. The question itself goes on. */
void lookup_cancel(struct lookup *lookup);

#endif
