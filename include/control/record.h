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
#include "base/clock.h"
#include "base/error.h"
#include "traffic/decide.h"
#include "traffic/plan.h"

/* Written into each record. A record of a higher version is refused; unknown members are not. */
#define RECORD_VERSION 1

/* A longer text is refused unread. */
#define RECORD_MAX_BYTES (256 * 1024)

/* No time in a record is later: far from where sums of a few of them overflow. */
#define RECORD_TIME_MAX_MS (INT64_MAX / 4)
static inline uint64_t record_time(uint64_t ms)
{
    return ms < RECORD_TIME_MAX_MS ? ms : RECORD_TIME_MAX_MS;
}

/* Hex digits of the second line. */
#define RECORD_CHECKSUM_BYTES 16

struct state_route {
    struct str name;
    unsigned weight;
};

/* A plan by the route whose weight it moves. */
struct state_plan {
    struct str route; /* "main", or the route's name */
    struct plan_place place;
};

/* Unsafe methods are answered 503 on these routes. */
#define FREEZE_RETRY_MAX_S 3600
struct state_freeze {
    bool is_on;
    unsigned retry_after_s;
    struct str routes[ROUTES_MAX + 1]; /* names, "main" among them; none: all */
    unsigned route_count;
    uint64_t since_ms; /* wall clock */
};

/* What is kept. Plain values; strings belong to the arena of whoever filled it. */
struct state {
    uint64_t sequence; /* grows with each write; the newer of two files is told by it */
    uint64_t changed_ms;
    unsigned weight;
    struct state_route routes[ROUTES_MAX];
    unsigned route_count;
    enum admin_state admin[SIDES];
    struct state_plan plans[PLANS_MAX]; /* also of plans that the configuration has no more */
    unsigned plan_count;
    struct state_freeze freeze;
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

/* The place kept for the plan of `route` ("main" or a name); NULL when there is none. */
struct plan_place *state_plan_find(struct state *state, struct str route);

/* "ready", "drain", "maint" */
const char *admin_state_name(enum admin_state state);
bool admin_state_parse(struct str text, enum admin_state *state) MUST_CHECK;

/* The second line that belongs to `line`, with a NUL behind it. */
void record_checksum(struct str line, char text[RECORD_CHECKSUM_BYTES + 1]);

/*
 * Which clock the places of the plans are told by, since the next reader may live after a reboot. A
 * record of this boot is read as it is: to the millisecond, whatever was done to the wall clock.
 * One of another boot has its holds go on by the wall clock, but never backwards.
 */
struct record_clock {
    char boot_id[CLOCK_BOOT_ID_BYTES];
    uint64_t boot_ms, wall_ms;
};
struct record_clock record_clock_now(void);

void record_encode(const struct state *state, const struct record_clock *clock, struct buf *out);

/* Strings are copied into `arena`; the places of the plans are brought to `clock`, which is now.
 * False: `state` is not to be used, `error` says what is wrong. */
bool record_decode(struct str text, const struct record_clock *clock, struct state *state,
                   struct arena *arena, struct error *error) MUST_CHECK;

#endif
