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
 * present configuration: one that the state has not met gets its configured weight; and it has a
 * place for every plan of it: one that the state has not met is idle. Routes and plans that are no
 * longer in the configuration stay in it while there is room, so that a route that was left out by
 * mistake comes back as it was.
 */
void draft_begin(struct draft *draft, const struct controller *controller);
void draft_drop(struct draft *draft);

/* Brings the places of the plans into the present configuration, at the start and after a reload.
 * True when that changed one; each of those is noted as an event. */
bool draft_fit(struct draft *draft, struct controller *controller);

/* Edits: the weight of a route ("main", or one that is in it), the place of a route's plan (which is
 * in it), and who changed what, for status. */
void draft_set_weight(struct draft *draft, struct str route, unsigned weight);
struct plan_place *draft_place(struct draft *draft, struct str route);
void draft_sign(struct draft *draft, const struct control_request *request, const char *what,
                struct str route, unsigned from, unsigned to);

/* A place as the audit trail tells it: "holding 2", "idle". */
#define PLACE_TEXT_BYTES 32
const char *place_format(const struct plan_place *place, char text[PLACE_TEXT_BYTES]);

/* Onto disk. False: nothing has changed there, and the draft is to be dropped. */
bool draft_save(struct draft *draft, struct controller *controller, struct error *error) MUST_CHECK;

/* Becomes the controller's state, and is published. The draft is used up. */
void draft_apply(struct draft *draft, struct controller *controller);

/* Writes the state as applied. False: `durable` is false and it is tried again every second. */
bool state_save(struct controller *controller, struct error *error);

#endif
