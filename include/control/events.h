/*
 * events.h - the audit trail: every change, refused attempt, verdict, health flip and reload. The
 * newest EVENTS_MAX are kept in memory, and those on disk come back at the start (journal.h).
 *
 *     events_add -> ring -> log line -> journal (disk) -> followers (SSE)
 *
 * A refusal that comes again and again is counted, and told now and then (repeats.h); each is still
 * a log line, with the id 0.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include "base/buf.h"
#include "base/json.h"
#include "base/list.h"

#define EVENTS_MAX       1000
#define EVENT_TEXT_BYTES 256

struct event {
    uint64_t id; /* from 1, growing by one */
    uint64_t wall_ms;
    char actor[64];    /* X-Actor or the peer's address; "cutover" for what happens by itself */
    char what[48];     /* "weight", "rollback", "backend", "reload", "health", "eject", ... */
    char subject[128]; /* route, backend or server it is about; may be empty */
    char from[32], to[32];
    char reason[EVENT_TEXT_BYTES];
    char result[48]; /* "ok", the error code of a refused attempt, or "not_durable" */
};

struct journal;
struct repeats;

struct events {
    struct event *ring; /* owned; EVENTS_MAX entries */
    uint64_t next_id;
    uint64_t heard;          /* calls of events_add, counted refusals among them */
    struct repeats *repeats; /* owned */
    struct journal *journal; /* borrowed: from the controller; NULL: memory alone */
    bool is_behind;          /* the journal has not taken all */
    struct list followers;
};

/* Told of each new event, in order. Must not add events itself. */
struct event_follower {
    struct list node;
    void (*on_event)(struct event_follower *follower, const struct event *event);
};

void events_init(struct events *events);
void events_deinit(struct events *events);

/* Copies `event` (id and time are filled in here), logs it, tells the followers. */
void events_add(struct events *events, struct event event);

/* The same for an event of which there is more to say than it has room for: the log line has `all`
 * in place of the event's reason. */
void events_add_with(struct events *events, struct event event, struct str all);

/* One that was read back from the disk, with its id and time; it is news to nobody. Ids only grow:
 * false when this one does not. */
bool events_restore(struct events *events, const struct event *event);

/* Once a second: tells of refusals that were counted, and writes to the disk what it has not taken
 * before. */
void events_sync(struct events *events);

void events_follow(struct events *events, struct event_follower *follower);
void event_follower_stop(struct event_follower *follower);

/* Event number `id`, or NULL when it never was or is no longer kept. */
const struct event *events_get(const struct events *events, uint64_t id);

void event_write(const struct event *event, struct json *json, const char *name);

/* The way back, from one JSON object; false: it is no event. */
bool event_read(struct str text, struct event *event) MUST_CHECK;

/* Whether `from` and `to` are weights, or empty. */
bool event_is_of_weight(const struct event *event);

/* Whether somebody ordered or decided it (operators, plan, guard), or it just happened. */
bool event_is_deed(const struct event *event);

#endif
