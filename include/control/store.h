/*
 * store.h - the state file: what operators decided, kept over restarts, crashes and full disks.
 *
 * What stands in it is record.h's business; here is how it gets onto a disk and off it. Writing: a
 * new file beside it, fsync, the present one linked as FILE.prev, rename, fsync of the folder. So
 * at any moment, also across kill -9 or a power cut, FILE or FILE.prev is whole, and each is either
 * the old or the new state. FILE.lock is held (flock) for as long as the process lives: a second
 * proxy on the same state refuses to start. When FILE.lock was removed (with its folder, say) the
 * next write takes it anew, or fails when a second proxy was faster.
 *
 * All calls block on the disk; the control thread alone makes them.
 */
#ifndef CONTROL_STORE_H
#define CONTROL_STORE_H

#include "control/record.h"

struct store {
    char *path;            /* owned */
    int lock_fd;           /* -1: not open */
    uint64_t sequence;     /* of the newest state on disk, 0: there is none */
    bool present_is_whole; /* FILE holds that newest state, so it may become FILE.prev */
};

enum store_found {
    STORE_NONE = 0, /* neither FILE nor FILE.prev exists: a first start */
    STORE_READ,     /* FILE was read */
    STORE_PREVIOUS, /* FILE is missing, unreadable or older, and FILE.prev was read: warn */
    STORE_UNREADABLE,
};

/* Takes the lock; makes the folder when only its last part is missing; removes what a write that
 * was cut short has left behind. Refused when FILE or FILE.prev is a folder. */
bool store_open(struct store *store, const char *path, struct error *error) MUST_CHECK;
void store_close(struct store *store);

/*
 * Reads the state into `state`, strings into `arena`. STORE_UNREADABLE sets `error`, which names
 * both files and what is wrong with each. STORE_PREVIOUS sets it to why.
 */
enum store_found store_read(struct store *store, struct state *state, struct arena *arena,
                            struct error *error);

/*
 * True once the state is on disk for good. False: on disk is what was there before. The sequence is
 * the caller's, or the next one when that is not above the one on disk.
 */
bool store_write(struct store *store, struct state *state, struct error *error) MUST_CHECK;

/* Puts the files aside (FILE.bad, FILE.prev.bad), for --reset-state. */
bool store_reset(struct store *store, struct error *error) MUST_CHECK;

#endif
