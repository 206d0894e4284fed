/*
 * origin.h - the applications behind the proxy: a few servers on each side, a thread for each
 * connection. They do what the path says, /VERB/ID/NUMBER, and are the judges of what arrives.
 */
#ifndef STORM_ORIGIN_H
#define STORM_ORIGIN_H

#include "storm.h"
#include "traffic/side.h"

/* Server 0 is for even configurations alone, 3 for odd ones alone, the others for both; 1 has TLS. */
#define ORIGINS     4
#define ORIGIN_EVEN 0
#define ORIGIN_TLS  1
#define ORIGIN_ODD  3

/* What servers are sent as Host by even and by odd configurations: when server 0 or 3 sees the other
 * one, a request was made of two snapshots. */
#define HOST_EVEN "even.test"
#define HOST_ODD  "odd.test"

#define ORIGIN_VERBS(X)                                             \
    X(VERB_BODY, "body")     /* NUMBER bytes */                     \
    X(VERB_CHUNKS, "chunks") /* the same, chunked, in pieces */     \
    X(VERB_SLOW, "slow")     /* one byte after NUMBER ms */         \
    X(VERB_STATUS, "status") /* an empty answer with this status */ \
    X(VERB_SUM, "sum")       /* reads a body: "LENGTH HASH" */      \
    X(VERB_EARLY, "early")   /* answers before it reads the body */ \
    X(VERB_TUNNEL, "tunnel") /* 101, then echoes */                 \
    X(VERB_CUT, "cut")       /* half of NUMBER bytes, then RST */   \
    X(VERB_MUTE, "mute")     /* closes without a word */

enum verb {
#define X(id, name) id,
    ORIGIN_VERBS(X)
#undef X
        VERBS
};

const char *verb_name(enum verb verb);

/* What VERB_SUM answers of a body made by pattern_fill. */
uint64_t origin_hash(uint64_t hash, const char *bytes, size_t len);
#define ORIGIN_HASH_START 0xcbf29ce484222325u

void origin_start(uint64_t seed);
void origin_stop(void);

uint16_t origin_port(enum side side, unsigned index);

/* A server that is sick says 503 to health checks. */
void origin_set_sick(enum side side, unsigned index, bool sick);

#endif
