/*
 * plan.h - the plan: steps of a weight and a hold each, walked by time, verdicts and operators.
 *
 * A pure state machine. Time is `now_ms` of a clock that goes on while the machine sleeps and that
 * nobody sets (clock_boot_ms); the weight itself, the disk and the hooks are control's.
 *
 *                    start                 hold over, last step
 *     idle -------------------> holding ------------------------------> finished   (advance: auto)
 *      ^  ^                     |  ^  |  hold over: next step (auto)        ^
 *      |  | abort        pause  |  |  +-- hold over, or failed with         | finish
 *      |  +---- (any)           v  |      on_fail hold --> waiting ---------+
 *      |                      paused  resume                  | advance: next step
 *      |                                                      v
 *      +--- start --- rolled_back <--- rollback, or failed    soaking = holding at 100 %
 *
 * The step at 100 % is `soaking` instead of `holding`; all else is the same there. `waiting` is for
 * an operator: at the end of a manual step for advance, of the last one for finish. Steps are
 * numbered from 1; 0 is "not begun".
 *
 * Automatic plans go on when the hold is over AND the guard's verdict is pass AND nobody fails over;
 * until then they stay as they are. A latched guard never lets them on.
 */
#ifndef TRAFFIC_PLAN_H
#define TRAFFIC_PLAN_H

#include "base/error.h"
#include "base/str.h"
#include "traffic/guard.h"

#define PLAN_STEPS_MAX 100

/* Plans in one configuration: the main one, and routes with one of their own. */
#define PLANS_MAX 8

struct plan_step {
    unsigned weight; /* 0..10000; each step's is above the one before */
    uint64_t hold_ms;
    struct str before, after; /* hooks: URLs; empty: none */
};

/* As configured. step_count 0: there is no plan. */
struct plan {
    bool is_auto;
    const struct plan_step *steps; /* borrowed: from the configuration */
    unsigned step_count;
    struct guard_rules guard;
};

#define PLAN_STATES(X)                 \
    X(PLAN_IDLE, "idle")               \
    X(PLAN_HOLDING, "holding")         \
    X(PLAN_PAUSED, "paused")           \
    X(PLAN_WAITING, "waiting")         \
    X(PLAN_ROLLED_BACK, "rolled_back") \
    X(PLAN_SOAKING, "soaking")         \
    X(PLAN_FINISHED, "finished")

enum plan_state {
#define X(id, name) id,
    PLAN_STATES(X)
#undef X
        PLAN_STATE_COUNT
};

const char *plan_state_name(enum plan_state state);
bool plan_state_parse(struct str text, enum plan_state *state) MUST_CHECK;

#define PLAN_NOTE_BYTES 256

/* Where a plan stands: what is kept on disk. A plain value. */
struct plan_place {
    enum plan_state state;
    unsigned step;     /* 1.. step_count; 0: not begun */
    uint64_t held_ms;  /* of this step's hold, as of since_ms */
    uint64_t since_ms; /* clock_boot_ms */
    bool has_failed;   /* the guard's latch */
    unsigned old_rate; /* what old's error rate may have been when the step was entered, for
                                   one that leaves no old side to compare with; as in compare.h */
    char note[PLAN_NOTE_BYTES]; /* why it stands here, for people: "the guard: errors ..." */
};

/* Whether it is under way: holding, paused, waiting or soaking. The guard watches then. */
bool plan_is_active(const struct plan_place *place);

/* Whether its clock runs. */
bool plan_is_running(const struct plan_place *place);

/* Of this step's hold: what has passed, and what is left (0: over). */
uint64_t plan_held_ms(const struct plan_place *place, uint64_t now_ms);
uint64_t plan_left_ms(const struct plan *plan, const struct plan_place *place, uint64_t now_ms);

/* All holds of the plan. */
uint64_t plan_holds_ms(const struct plan *plan);

/* The configuration has changed. No steps any more: idle. A step that is gone, or one that is newly
 * at 100 % or no more: a plan that is under way pauses, with a note. Another hold only changes what
 * is left. True when the place has changed. */
bool plan_fit(const struct plan *plan, struct plan_place *place, uint64_t now_ms);

/* Orders. False: refused, `error` says why and where the plan is; nothing has changed. Those that
 * lead to another weight only say which step it is (*to): the caller asks hooks, writes the disk,
 * sets the weight, and calls plan_enter. */

/* The first step whose weight is not below `weight` (the present one); from idle, rolled_back or
 * finished. `is_failing_over`: requests do, or would as soon as there are users on new: that is
 * overruled by `force` alone. */
bool plan_start(const struct plan *plan, const struct plan_place *place, unsigned weight,
                bool is_failing_over, bool force, unsigned *to, struct error *error) MUST_CHECK;

/* The next step, whatever is left of the hold; from holding, paused or waiting. A latched guard is
 * overruled by `force` alone, as is a side that fails over (`is_failing_over`). */
bool plan_advance(const struct plan *plan, const struct plan_place *place, bool is_failing_over,
                  bool force, unsigned *to, struct error *error) MUST_CHECK;

/* While its clock runs. */
bool plan_pause(struct plan_place *place, uint64_t now_ms, struct error *error) MUST_CHECK;

/* Goes on with what was left of the hold; the caller sets the step's weight again. Not while the
 * guard's latch is set: that takes an advance by force, or abort and start. */
bool plan_resume(const struct plan *plan, struct plan_place *place, uint64_t now_ms,
                 struct error *error) MUST_CHECK;

/* From all states but idle. Clears the latch. */
bool plan_abort(struct plan_place *place, uint64_t now_ms, struct error *error) MUST_CHECK;

/* From any active state in its last step. Clears the latch. */
bool plan_finish(const struct plan *plan, struct plan_place *place, uint64_t now_ms,
                 struct error *error) MUST_CHECK;

/* The weight of step `to` is in force from now on: holding or soaking, from the hold's begin. Clears
 * the latch. */
void plan_enter(const struct plan *plan, struct plan_place *place, unsigned to, uint64_t now_ms);

/* Weights were taken back. No effect on a plan that is idle, or was rolled back before: that one's
 * note says why. The latch stays as it is; a guard that has failed is set in the place by the
 * caller. */
void plan_roll_back(struct plan_place *place, uint64_t now_ms, const char *note);

/* The weight was set by hand while the plan was under way: it pauses, and says so. resume sets the
 * step's weight again. */
void plan_interrupt(struct plan_place *place, uint64_t now_ms, const char *note);

/* What is seen from outside at one moment. */
enum plan_gate { PLAN_GATE_NONE = 0, PLAN_GATE_ASKED, PLAN_GATE_OPEN, PLAN_GATE_SHUT };

struct plan_view {
    enum verdict verdict;
    bool has_failed; /* the guard, now */
    bool is_failing_over;
    enum plan_gate after;  /* this step's `after` hook */
    enum plan_gate before; /* the next step's `before` hook */
};

/* What is to be done about it, in this order of importance. */
enum plan_move {
    PLAN_STAY = 0,
    PLAN_TAKE_BACK,  /* failed, on_fail rollback: weights down, plan_roll_back */
    PLAN_STOP_HERE,  /* failed, on_fail hold: plan_wait with the latch */
    PLAN_ASK_AFTER,  /* the hold is over, all is well: ask the hook */
    PLAN_ASK_BEFORE, /* and the next step's */
    PLAN_GO_ON,      /* set the next step's weight, plan_enter */
    PLAN_WAIT,       /* manual, the hold is over: plan_wait */
    PLAN_END,        /* the last hold of an automatic plan is over: plan_end */
};

enum plan_move plan_next(const struct plan *plan, const struct plan_place *place,
                         const struct plan_view *view, uint64_t now_ms);

/* For an operator; `has_failed` latches. No effect unless it is under way: both. */
void plan_wait(struct plan_place *place, uint64_t now_ms, bool has_failed, const char *note);
void plan_end(struct plan_place *place, uint64_t now_ms);

#endif
