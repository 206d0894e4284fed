/* walk.c - slots, the window as a ring of them, and the plan. */
#include "walk.h"

#include <string.h>

/* The slots of the window, and their sum. */
struct ring {
    struct sample slot[GUARD_SLOTS_MAX][SIDES], sum[SIDES];
    unsigned count, next, capacity;
};

static void ring_empty(struct ring *ring, unsigned capacity)
{
    memset(ring->sum, 0, sizeof(ring->sum));
    ring->count = ring->next = 0;
    ring->capacity = capacity;
}

static const struct sample *ring_push(struct ring *ring, const struct sample slot[SIDES])
{
    struct sample *place = ring->slot[ring->next];
    for (unsigned i = 0; i < SIDES; i++) {
        if (ring->count == ring->capacity)
            sample_subtract(&ring->sum[i], &place[i]);
        sample_add(&ring->sum[i], &slot[i]);
        place[i] = slot[i];
    }
    ring->next = (ring->next + 1) % ring->capacity;
    ring->count += ring->count < ring->capacity;
    return place;
}

static enum verdict look(struct walk *walk, struct guard *guard, struct ring *ring,
                         const struct sample *latest)
{
    const struct guard_rules *rules = &walk->plan->guard;
    struct comparison of_window, of_latest;
    struct guard_seen seen = {
        .window = ring->sum,
        .latest = latest,
        .window_ms = ring->count * guard_slot_ms(rules),
        .latest_ms = guard_slot_ms(rules),
        .is_alone = walk->place.state == PLAN_SOAKING,
        .new_is_usable = true,
        .old_is_usable = true,
    };
    if (guard_look(guard, rules, plan_holds_ms(walk->plan), walk->plan->step_count, &seen,
                   &of_window, &of_latest)) {
        walk->failed_at = walk->slot_in_step + 1;
        walk->failed_step = walk->place.step;
        memcpy(walk->reason, guard->reason, sizeof(walk->reason));
    }
    walk->looks++;
    walk->verdicts[of_window.verdict]++;
    walk->strikes += guard->strikes > 0;
    walk->error_deff += of_window.error_deff[SIDE_NEW];
    walk->latency_deff += of_window.latency_deff[SIDE_NEW];
    return of_window.verdict;
}

static void move(struct walk *walk, struct guard *guard, struct ring *ring, enum verdict verdict,
                 uint64_t now_ms)
{
    struct plan_view view = {.verdict = verdict, .has_failed = guard->has_failed};
    switch (plan_next(walk->plan, &walk->place, &view, now_ms)) {
    case PLAN_TAKE_BACK:
        plan_roll_back(&walk->place, now_ms, guard->reason);
        break;
    case PLAN_GO_ON:
        plan_enter(walk->plan, &walk->place, walk->place.step + 1, now_ms);
        guard_reset(guard);
        ring_empty(ring, ring->capacity);
        walk->slot_in_step = UINT64_MAX;
        break;
    case PLAN_END:
        plan_end(&walk->place, now_ms);
        break;
    default:
        break;
    }
}

void walk_go(struct walk *walk)
{
    const struct guard_rules *rules = &walk->plan->guard;
    uint64_t slot_ms = guard_slot_ms(rules);
    static struct ring ring_of_all; /* 3 MB: one walk at a time */
    static struct sample slot[SIDES];
    struct ring *ring = &ring_of_all;
    struct guard guard = {0};
    struct crowd crowd;
    ring_empty(ring, (unsigned)(rules->window_ms / slot_ms));
    crowd_init(&crowd, walk->seed, walk->users);
    plan_enter(walk->plan, &walk->place, 1, 0);
    for (; walk->slot < walk->slots_max && plan_is_active(&walk->place);
         walk->slot++, walk->slot_in_step++) {
        struct weather weather = {.slowness = {1, 1}};
        unsigned weight = walk->plan->steps[walk->place.step - 1].weight;
        uint64_t now_ms = (walk->slot + 1) * slot_ms;
        walk->weather(walk, &weather);
        crowd_slot(&crowd, &weather, weight, walk->requests_a_slot, walk->leaving, slot);
        if (plan_held_ms(&walk->place, now_ms) <= rules->warm_up_ms)
            continue;
        const struct sample *latest = ring_push(ring, slot);
        enum verdict verdict = look(walk, &guard, ring, latest);
        move(walk, &guard, ring, verdict, now_ms);
    }
    crowd_deinit(&crowd);
}
