/*
 * record.h - the state as a value, and as the two lines of text that stand in the state file:
 *
 *     {"version":1,"sequence":7,...}
 *     89c1e0a2b3f4d5e6                  <- XXH3-64 of the first line, without its newline
 *
 * Pure functions; the disk is store.h's business. Text that comes back from a disk is not trusted:
 * every value is checked, and a text that is not wholly right is refused as a whole.
 */
#ifndef CONTROL_RECORD_H
#define CONTROL_RECORD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "traffic/decide.h"

/* Written into each record. A record of a higher version is refused; unknown members are not. */
#define RECORD_VERSION 1

/* A longer text is refused unread. */
#define RECORD_MAX_BYTES (256 * 1024)

/* Hex digits of the second line. */
#define RECORD_CHECKSUM_BYTES 16

struct state_route {
    struct str name;
    unsigned weight;
};

/* What is kept. Plain values; strings belong to the arena of whoever filled it. */
struct state {
    uint64_t sequence; /* grows with each write; the newer of two files is told by it */
    uint64_t changed_ms;
    unsigned weight;
    struct state_route routes[ROUTES_MAX];
    unsigned route_count;
    enum admin_state admin[SIDES];
    /* the last change of a weight, for status; `what` is empty when there was none yet */
    struct str actor, reason, what;
    struct str route; /* empty: the main weight */
    unsigned from, to;
};

/* The weight kept for a route, or `otherwise` when none is. */
unsigned state_route_weight(const struct state *state, struct str name, unsigned otherwise);

/* A weight as people read it, in percent: "30", "0.25". */
#define WEIGHT_TEXT_BYTES 16
const char *weight_format(unsigned weight, char text[WEIGHT_TEXT_BYTES]);

/* "ready", "drain", "maint" */
const char *admin_state_name(enum admin_state state);
bool admin_state_parse(struct str text, enum admin_state *state) MUST_CHECK;

/* The second line that belongs to `line`, with a NUL behind it. */
void record_checksum(struct str line, char text[RECORD_CHECKSUM_BYTES + 1]);

void record_encode(const struct state *state, struct buf *out);

/* Strings are copied into `arena`. False: `state` is not to be used, `error` says what is wrong. */
bool record_decode(struct str text, struct state *state, struct arena *arena,
                   struct error *error) MUST_CHECK;

#endif
