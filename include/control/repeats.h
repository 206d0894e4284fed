/*
 * repeats.h - refusals that come again and again, so that they do not push out of the audit what was
 * really done. Pure: time is a parameter.
 *
 * The first of a kind (all but id and time is the same) is an event. Those like it within the next
 * REPEATS_FIRST_MS are counted, and told as one event when that time is over: "(12 more times in 10 s)
 * there is no route ...". While they go on coming, the time until the next telling grows tenfold up
 * to REPEATS_LAST_MS. A kind that has been silent for REPEATS_QUIET_MS is forgotten.
 *
 * REPEATS_KINDS are told apart; what comes above that is counted together, as refusals by "several".
 */
#ifndef CONTROL_REPEATS_H
#define CONTROL_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_KINDS    64
#define REPEATS_FIRST_MS 10000
#define REPEATS_LAST_MS  3600000
#define REPEATS_QUIET_MS 600000

struct event;
struct repeats;

struct repeats *repeats_new(void);
void repeats_free(struct repeats *repeats); /* NULL is allowed */

/* Takes in a refusal at `now_ms` (monotonic). True: it is an event of its own. */
bool repeats_note(struct repeats *repeats, const struct event *event, uint64_t now_ms);

/* The next telling that is due: fills `event` (but id and time). False: none is. */
bool repeats_next(struct repeats *repeats, uint64_t now_ms, struct event *event);

#endif
