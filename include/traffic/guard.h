/*
 * guard.h - watches one plan: samples in, strikes and a latch out. Pure.
 *
 *     end of each slot:  guard_look -> compare(window so far), compare(latest slot)
 *                                   -> guard_note -> strikes -> failed
 *
 * Two spans are judged: the whole window, which sees small differences, and the latest slot alone,
 * which sees a side break at once and owes nothing to its good past. A fail of either is a strike;
 * `strikes` of them in a row and the guard has failed. That is latched: no later pass takes it back,
 * only guard_reset does (a new start, the next step, an operator who goes on in spite of it).
 *
 * How sure a fail must be follows from how often it is asked: over a whole plan the guard may be
 * wrong about a good side with a chance of GUARD_FALSE_ALARM. Half of that is for the window, half
 * for the latest slot; every step gets the same part of it, and look k after a change of the weight
 * the k-th part of the step's (1/k, so the parts of all looks add up to a logarithm). A side that is
 * bad is bad from its first minutes on as a rule, and these are asked less sternly for it: in a plan
 * of four weeks z is 4.6 at the tenth look and 6 at the end of a step. It also holds for as long as
 * a plan waits for an operator.
 *
 * The latest slot's chance is the `strikes`-th root, as strikes in a row are that many slots; but
 * never more than GUARD_SLOT_CHANCE, since the users of one slot are those of the next, and bad luck
 * with users lasts.
 */
#ifndef TRAFFIC_GUARD_H
#define TRAFFIC_GUARD_H

#include "traffic/compare.h"

#define GUARD_FALSE_ALARM 0.002

/* At most this chance of a wrong fail in one slot: z = 4. */
#define GUARD_SLOT_CHANCE 3.2e-5

/* The window is kept in at most this many slots. */
#define GUARD_SLOTS_MAX 60

enum guard_action { GUARD_ROLLBACK = 0, GUARD_HOLD };

struct guard_rules {
    uint64_t window_ms; /* how far back is looked */
    uint64_t every_ms;  /* how often */
    unsigned strikes;
    enum guard_action on_fail;
    uint64_t warm_up_ms; /* after each step: nothing is judged, and nothing of it is kept */
    struct compare_limits limits;
};

/* How long a slot is: every_ms, but no shorter than a sixtieth of the window. It is looked once each
 * slot. */
uint64_t guard_slot_ms(const struct guard_rules *rules);

struct guard {
    uint64_t looks;   /* since the weight changed */
    unsigned strikes; /* fails in a row */
    bool has_failed;  /* latched */
    enum compare_cause cause;
    char reason[COMPARE_REASON_BYTES]; /* of the fail that latched it */
};

/* What one look is about. */
struct guard_seen {
    const struct sample *window; /* of two: old, new */
    const struct sample *latest; /* of two; NULL: no slot is complete yet */
    uint64_t window_ms;          /* how long they are */
    uint64_t latest_ms;
    bool is_alone; /* as in struct compare_question */
    unsigned old_rate;
    bool new_is_usable;
    bool old_is_usable;
};

/*
 * One look, at the end of each slot but not during the warm-up: compares both spans, and notes the
 * result. `holds_ms` and `steps` are the plan's in all. True: the guard has failed with this look.
 * A window that would pass is inconclusive (not_sure) while the latest slot fails.
 * `*window` is what people are shown; `*latest` is cleared (inconclusive, no_evidence) when there is
 * none. min_requests is asked of the window; the latest slot may have fewer.
 */
bool guard_look(struct guard *guard, const struct guard_rules *rules, uint64_t holds_ms,
                unsigned steps, const struct guard_seen *seen, struct comparison *window,
                struct comparison *latest);

/* z for the window and for the latest slot at look `look` (1..) of a step. */
void guard_sureness(const struct guard_rules *rules, uint64_t holds_ms, unsigned steps,
                    uint64_t look, double *window, double *latest);

/* Takes in one look that was compared elsewhere; guard_look does it itself. True: it has failed with
 * this one. A look without a fail sets the strikes back, but not the latch. */
bool guard_note(struct guard *guard, const struct guard_rules *rules,
                const struct comparison *window, const struct comparison *latest);

/* How long the window would have to be for the requests that a comparison still lacks, at the rate of
 * the `span_ms` that it is about. 0: it is long enough, or that cannot be told (yet): a fresh window's
 * first requests say little about a rate. */
uint64_t guard_window_needed_ms(const struct guard_rules *rules, const struct comparison *window,
                                uint64_t span_ms);

/* The weight has changed: strikes and looks begin anew; the latch stays. */
void guard_begin(struct guard *guard);

/* Likewise, and the latch is taken back. */
void guard_reset(struct guard *guard);

#endif
