/*
 * journal.h - the audit trail on disk: STATE_FILE.events, one JSON object a line, as GET /v1/events
 * shows them; STATE_FILE.events.1 and .2 are the ones before, each of about JOURNAL_FILE_BYTES.
 *
 *     events_add -> ring, log, journal_append -> write (and sync, for what somebody has done)
 *     start:        journal_open -> the newest EVENTS_MAX back into the ring, ids go on
 *
 * A line is there or not: what a crash has cut short is dropped at the next start, and told. When the
 * disk takes nothing, events stay in memory and are appended in order as soon as it does; nothing
 * else waits for it. When that lasts for more than EVENTS_MAX events the oldest never get there.
 *
 * Whoever removes the file, or moves it away, gets a new one with the next event.
 */
#ifndef CONTROL_JOURNAL_H
#define CONTROL_JOURNAL_H

#include "base/error.h"
#include "control/events.h"

#define JOURNAL_FILE_BYTES (1024 * 1024)

/* Larger than this is not ours: it is put aside unread, as STATE_FILE.events.bad. */
#define JOURNAL_READ_BYTES (4 * JOURNAL_FILE_BYTES)

struct journal {
    char *path; /* owned; NULL: journal_open was not called */
    int fd;     /* -1: not open */
    uint64_t size_bytes;
    uint64_t written_id; /* the newest event that is on disk */
    bool needs_sync;
};

/*
 * Reads what is there into `events` (which is empty) and keeps it from then on; the caller holds the
 * lock of the state file. What stands in the files stops nobody: lines that are no events are
 * skipped, a file with none is put aside as .bad, and both are told. False: the file cannot be
 * opened (`error` says why), and it is tried again with each event and each second.
 */
bool journal_open(struct journal *journal, const char *state_file, struct events *events,
                  struct error *error) MUST_CHECK;
void journal_close(struct journal *journal); /* also of one that was never opened, zeroed */

/* Appends all events of `events` that are not on disk yet, in order. False: some are not. */
bool journal_append(struct journal *journal, const struct events *events,
                    struct error *error) MUST_CHECK;

#endif
