/*
 * pilot.h - walks the plans: sums up the evidence, asks the comparison, the guard and the hooks, and
 * gives the orders that follow (control/steps.h), in the name "plan" or "guard".
 *
 *     every PILOT_TICK_MS:  counters -> window -> (slot over) compare -> guard -> plan_next -> order
 *
 * One watch for each plan of the configuration, and one for the main weight also without a plan, so
 * that both sides can always be compared. All judging lies in traffic/; here are only clocks and
 * numbers from outside. Control thread.
 */
#ifndef CONTROL_PILOT_H
#define CONTROL_PILOT_H

#include "control/controller.h"
#include "control/window.h"

#define PILOT_TICK_MS 200

struct pilot;

struct pilot *pilot_new(struct controller *controller);
void pilot_start(struct pilot *pilot);
void pilot_stop(struct pilot *pilot); /* its handles close as the loop runs on */
void pilot_free(struct pilot *pilot); /* NULL is allowed */

/* The configuration has changed: watches are made, kept (with what they have seen, when window and
 * every are the same) and dropped. */
void pilot_sync(struct pilot *pilot);

/* What orders have changed. */

/* The weight of `route` ("main" or a name): what was seen before does not count any more, and the
 * warm-up begins. All weights: route empty. */
void pilot_note_weight(struct pilot *pilot, struct str route);

/* The place of its plan: hooks that are being asked for it are left, as is an order that waits for
 * them. */
void pilot_note_place(struct pilot *pilot, struct str route);

/* Its plan has entered a step: the guard begins anew, with the window and the warm-up. */
void pilot_note_step(struct pilot *pilot, struct str route);

/* An order to start or to advance that waits for a hook is dropped; false: there was none. */
bool pilot_drop_order(struct pilot *pilot, struct str route);

/* Requests leave one side for the other, or would have to: a side that has users has no server. */
bool pilot_is_failing_over(const struct pilot *pilot, struct str route);

/* The plan of `route` was ordered to step `to`: asks its hooks first where there are any (`force`:
 * does not), then enters it. Until then status shows the gate. */
enum control_result pilot_go(struct pilot *pilot, const struct control_request *request,
                             struct str route, unsigned to, bool force, struct error *error);

/* What status, compare, metrics and the dashboard show of one plan. */
struct pilot_report {
    struct comparison window; /* of the last look, or of now when none is due yet */
    uint64_t span_ms;         /* that it is about */
    uint64_t looked_wall_ms;  /* when; 0: not yet */
    const struct guard *guard;
    bool has_failed; /* the latch: on disk, or about to be */
    bool is_failing_over;
    bool is_warming_up;
    uint64_t warm_up_left_ms;
    const char *gate;      /* NULL, or "after" / "before": a hook is being asked */
    char gate_detail[128]; /* its last answer; empty: none yet */
};

/* False: there is no watch of that route. */
bool pilot_report(const struct pilot *pilot, struct str route, struct pilot_report *report);

/* Old's error rate as it may be by now, in hundredths of a percent, for a step that leaves nobody on
 * old; 0: too few requests to tell. */
unsigned pilot_old_rate(const struct pilot *pilot, struct str route);

/* Compares both sides over the last `span_ms` (0: the guard's window), as of now. */
bool pilot_compare(const struct pilot *pilot, struct str route, uint64_t span_ms,
                   struct comparison *comparison, struct window_sum *span);

#endif
