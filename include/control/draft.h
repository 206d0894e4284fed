/*
 * draft.h - the state as it would be after a change, until it is applied or dropped.
 *
 *     most changes:  draft_begin -> edit -> draft_save -> draft_apply      (or draft_drop)
 *     rollback:      draft_begin -> edit -> draft_apply -> state_save      (and again, by timer)
 *
 * For the parts of the controller only.
 */
#ifndef CONTROL_DRAFT_H
#define CONTROL_DRAFT_H

#include "control/controller.h"

/* A generation that was never written to disk is at most this far above the newest that was. */
#define DRAFT_GENERATION_GAP 1000

struct draft {
    struct state state;
    struct arena arena; /* its strings */
};

/*
 * A copy of the present state, under the next generation. It knows every weighted route of the
 * present configuration: one that the state has not met gets its configured weight. Routes that are
 * no longer in the configuration stay in it while there is room, so that a route that was left out
 * by mistake comes back as it was.
 */
void draft_begin(struct draft *draft, const struct controller *controller);
void draft_drop(struct draft *draft);

/* Edits: a route's weight (the route must be in it), and who changed what, for status. */
void draft_set_route(struct draft *draft, struct str route, unsigned weight);
void draft_sign(struct draft *draft, const struct control_request *request, const char *what,
                struct str route, unsigned from, unsigned to);

/* Onto disk. False: nothing has changed there, and the draft is to be dropped. */
bool draft_save(struct draft *draft, struct controller *controller, struct error *error) MUST_CHECK;

/* Becomes the controller's state, and is published. The draft is used up. */
void draft_apply(struct draft *draft, struct controller *controller);

/* Writes the state as applied. False: `durable` is false and it is tried again every second. */
bool state_save(struct controller *controller, struct error *error);

#endif
