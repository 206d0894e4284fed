/*
 * pilot_inside.h - a plan as the pilot holds it: for pilot.c, which looks, and pilot_act.c, which
 * acts.
 */
#ifndef CONTROL_PILOT_INSIDE_H
#define CONTROL_PILOT_INSIDE_H

#include "control/consent.h"
#include "control/watch.h"

struct piloted {
    struct watch watch;
    struct consent consent;

    /* An operator's order to start or advance that waits for hooks. */
    unsigned order_to; /* 0: none */
    char order_actor[64], order_reason[EVENT_TEXT_BYTES];

    enum control_result refused; /* of the last try; CONTROL_OK: it was done */
    uint64_t again_ms;

    enum verdict told; /* the last that became an event */
    uint64_t told_ms;
};

struct str piloted_route(const struct piloted *piloted);

/* An event about the plan. */
void piloted_tell(const struct piloted *piloted, const char *actor, const char *what,
                  const char *from, const char *to, const char *reason, const char *result);

/* Does what the plan asks for. */
void piloted_act(struct piloted *piloted, enum plan_move move, uint64_t now_ms);

/* What an operator has ordered: goes one hook further, or enters the step. */
void piloted_follow_order(struct piloted *piloted, uint64_t now_ms);
void piloted_drop_order(struct piloted *piloted);

/* As pilot_go. */
enum control_result piloted_go(struct piloted *piloted, const struct control_request *request,
                               unsigned to, bool force, struct error *error);

#endif
