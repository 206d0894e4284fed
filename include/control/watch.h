/*
 * watch.h - what is seen of one plan: the evidence slot by slot, the comparison of its window, and
 * the guard that judges it.
 *
 *     weight changes -> warm-up (nothing counts) -> | slot | slot | slot | ...
 *                                                          look   look   look
 *
 * The guard is asked while the plan is under way; both sides are compared all the time. For the pilot
 * only.
 */
#ifndef CONTROL_WATCH_H
#define CONTROL_WATCH_H

#include "control/controller.h"
#include "control/window.h"

struct watch {
    struct controller *controller; /* borrowed */
    char *route;                   /* owned: "main", or the route's name */
    unsigned index;                /* of its evidence */
    struct guard_rules rules;
    struct window window;
    struct guard guard;
    uint64_t slot_end_ms;
    uint64_t warm_until_ms; /* 0: it is warm */
    bool has_left;          /* requests left a side for the other in the latest slot */

    struct comparison seen; /* of the last look; a fail of the latest slot alone stands in it too */
    uint64_t span_ms;       /* that it is about */
    uint64_t looked_wall_ms;
};

/* Takes the latch over from the place of the plan. */
void watch_init(struct watch *watch, struct controller *controller, struct str route,
                uint64_t now_ms);
void watch_deinit(struct watch *watch);

/* Another configuration: what was seen stays, unless window or every are others. */
void watch_update(struct watch *watch, uint64_t now_ms);

/* Forgets what was seen, and warms up. The latch stays. */
void watch_begin(struct watch *watch, uint64_t now_ms);

/* True: a slot has ended, and was looked at. `*has_failed`: the guard has failed with this look. */
bool watch_tick(struct watch *watch, uint64_t now_ms, bool *has_failed);

/* Compares both sides over the last `span_ms` (0: the window), as of now. `span->at_ms` is how long
 * that is: 0 while it warms up. */
void watch_compare(const struct watch *watch, uint64_t span_ms, struct comparison *comparison,
                   struct window_sum *span);

/* Old's error rate as it may be by now (the upper end of its interval), in hundredths of a percent; 0
 * when there are fewer than min_requests to tell by. */
unsigned watch_old_rate(const struct watch *watch);

/* The plan and its place; NULL: the configuration has none. */
const struct plan *watch_plan(const struct watch *watch);
const struct plan_place *watch_place(const struct watch *watch);

/* The weight that is in force. */
unsigned watch_weight(const struct watch *watch);

bool watch_is_failing_over(const struct watch *watch);

#endif
