/*
 * consent.h - the hooks of a plan's next move: `after` of the step that it leaves, `before` of the
 * one that it enters. Asked one at a time; a no is asked again after a while. For the pilot only.
 */
#ifndef CONTROL_CONSENT_H
#define CONTROL_CONSENT_H

#include "control/controller.h"
#include "control/hook.h"

/* A hook that says no is not asked again sooner than this. */
#define CONSENT_AGAIN_MS 5000

struct consent {
    struct controller *controller; /* borrowed */
    const char *route;             /* borrowed: from the watch */
    struct hook *hook;             /* that is being asked; NULL: none */
    const char *asked;             /* "after" or "before": the last one; NULL: none */
    unsigned step;                 /* whose hook that is */
    enum plan_gate after, before;
    uint64_t wait_ms, again_ms;     /* after a no */
    char place[128];                /* of the URL */
    char detail[HOOK_DETAIL_BYTES]; /* the last answer; empty: none yet */
    bool is_told, told_yes;         /* the last answer that became an event */
    char told[HOOK_DETAIL_BYTES];
};

void consent_init(struct consent *consent, struct controller *controller, const char *route);

/* Nothing is asked, and no answer counts any more. */
void consent_drop(struct consent *consent);

/* Asks the hook of `step`, which is to be entered (`before`) or left. A no is asked again after
 * `wait_ms`. */
void consent_ask_before(struct consent *consent, unsigned step, uint64_t wait_ms);
void consent_ask_after(struct consent *consent, unsigned step, uint64_t wait_ms);

/* A no has been one for long enough: the gate is PLAN_GATE_NONE again. */
void consent_tick(struct consent *consent, uint64_t now_ms);

/* "after" or "before" while the plan stands at that gate, else NULL. */
const char *consent_gate(const struct consent *consent);

#endif
