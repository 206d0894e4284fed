/*
 * window.h - the evidence of one plan over the time that is looked back: a ring of sums at the ends
 * of slots, so that any span that begins at one of them is a difference of two.
 *
 *     pilot, each tick: window_sum(now) -> at the end of a slot: window_push
 *
 * Control thread only. Memory: one sum (46 KiB) for each slot of the window, at most GUARD_SLOTS_MAX.
 */
#ifndef CONTROL_WINDOW_H
#define CONTROL_WINDOW_H

#include "telemetry/evidence.h"

struct window_sum {
    struct sample side[SIDES]; /* counted since the process began */
    uint64_t at_ms;            /* clock_boot_ms */
};

struct window {
    struct window_sum *ring; /* owned; `capacity` of them */
    unsigned capacity, count, first;
};

/* For `slots` slots; nothing before the first push. */
void window_init(struct window *window, unsigned slots);
void window_deinit(struct window *window);

/* Forgets all, and begins with `sum`: what came before does not count. */
void window_begin(struct window *window, const struct window_sum *sum);

/* The end of a slot; the oldest one falls out once the ring is full. */
void window_push(struct window *window, const struct window_sum *sum);

/* What was counted between the boundary that lies at most `span_ms` before `now` (the oldest of
 * those) and `now`. False: there is none yet. `span->at_ms` is how long that is. */
bool window_span(const struct window *window, const struct window_sum *now, uint64_t span_ms,
                 struct window_sum *span);

/* The same since the last boundary. */
bool window_latest(const struct window *window, const struct window_sum *now,
                   struct window_sum *span);

#endif
