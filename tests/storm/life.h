/*
 * life.h - one life of the proxy's workers, started and stopped in the order of src/server.c:
 *
 *     life_open -> (a snapshot is published) -> life_go -> ... -> life_shut -> stages -> life_close
 *
 * Two kinds: under bare snapshots, made here as fast as possible, and under a real controller with
 * its loop, checks, look-ups, files and admin port.
 */
#ifndef STORM_LIFE_H
#define STORM_LIFE_H

#include "proxy/worker.h"
#include "storm.h"

#define LIFE_WORKERS 4

struct life {
    const char *name;
    struct worker_shared common;
    struct worker *workers[LIFE_WORKERS];
    struct counters *counters[LIFE_WORKERS]; /* borrowed: from workers */
    struct evidence *evidence[LIFE_WORKERS];
    unsigned count, started;
    _Atomic unsigned drained; /* workers that have nothing left */
    uv_async_t *wake;         /* borrowed; told of each of them; NULL: nobody */
};

/* Workers with their sockets. False: the addresses cannot be had (which some lives try). */
bool life_open(struct life *life, const char *name, struct dice *dice, bool fails);

/* To all workers; takes no reference. */
void life_publish(struct life *life, struct snapshot *snapshot);

/* Threads start, and doors open; `admin`: the port, or 0. */
void life_go(struct life *life, uint16_t admin);

/* Doors are shut: clients are told to expect anything. Sockets still listen. */
void life_shut(void);

void life_set_stage(struct life *life, enum worker_stage stage);
bool life_is_drained(const struct life *life);

/* Waits for the threads and frees all; the control thread has let go of its snapshot already. */
void life_join(struct life *life);
void life_close(struct life *life);

/* For so long, or a little less when the storm ends. */
void life_bare(struct dice dice, unsigned ms);
void life_ruled(struct dice dice, unsigned ms);

#endif
