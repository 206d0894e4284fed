/*
 * caller.h - the loop that calls and look-ups run on, all at the same time. It runs only while
 * somebody waits:
 *
 *     caller_init -> call_start ... -> caller_wait -> read what came of them -> call_free ...
 *
 * A call that is patient is not waited for until caller_wait_all: it goes on beside the others.
 */
#ifndef DOCTOR_CALLER_H
#define DOCTOR_CALLER_H

#include "net/lookup.h"
#include "net/stream.h"

struct caller {
    uv_loop_t loop;
    struct stream_loop *io;  /* owned */
    struct lookups *lookups; /* owned */
    uv_timer_t limit;
    bool is_late;
    unsigned awaited; /* calls and look-ups that caller_wait waits for */
    unsigned patient; /* calls that only caller_wait_all waits for */
};

void caller_init(struct caller *caller);

/* All calls must be over. */
void caller_deinit(struct caller *caller);

/* Until nothing is awaited; false when `most_ms` (0: no limit) have passed first. */
bool caller_wait(struct caller *caller, uint64_t most_ms);
void caller_wait_all(struct caller *caller);

#endif
