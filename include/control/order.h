/*
 * order.h - one order on its way: who asked for what, and the event that it ends in.
 *
 *     order_init -> checks (the first that fails ends it) -> draft -> disk -> snapshot -> order_end
 *
 * For the files that give orders (orders.c, steps.c and their parts). Every order ends in order_end,
 * and so in the audit trail, also when it was refused; a dry run alone leaves nothing there.
 */
#ifndef CONTROL_ORDER_H
#define CONTROL_ORDER_H

#include "control/controller.h"
#include "control/draft.h"

struct order {
    struct controller *controller;
    const struct control_request *request;
    struct error *error;
    struct event event;
    bool is_not_durable;                    /* done, but not on disk yet */
    struct str notes;                       /* lines that join the reason of one that was done */
    const struct config_problems *problems; /* of the file; NULL: no reload */
    bool has_weight; /* the order moved a plan, and with it this weight, which is an event too */
    unsigned weight_from, weight_to;
    struct plan_place places[PLANS_MAX]; /* of the plans, as they were */
};

void order_init(struct order *order, struct controller *controller,
                const struct control_request *request, const char *what, struct error *error);

/* What the event says of it. */
void order_set_subject(struct order *order, struct str subject);
void order_set_weights(struct order *order, unsigned from, unsigned to);

/* Checks: CONTROL_OK, or the refusal with the error set. */
enum control_result order_check_generation(const struct order *order);
enum control_result order_check_old(const struct order *order, bool force);

/* Disk, then traffic. The draft is used up. */
enum control_result order_save_and_apply(struct order *order, struct draft *draft);

/* Traffic first, disk second: for what must not wait for a disk. False: it is not on disk yet. */
bool order_apply_and_save(struct order *order, struct draft *draft);

/* Notes the event, and one for each plan that was moved along. Returns `result`. */
enum control_result order_end(struct order *order, enum control_result result);

#endif
