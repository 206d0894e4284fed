/*
 * simulation.c - the program: simulation [SEEDS [SLOTS [NAME]]]
 *
 * Walks whole plans over simulated users, in each scenario SEEDS times (1000; a fifth of it where it
 * says so), and counts what the guard made of them. SLOTS is how long a step of the plans with a good
 * new side is (5: minutes, for a test; 20160: seven days of slots of 30 s, for an evening). NAME: only
 * the scenarios with it. Looks that judge a bad side ask as sternly as a plan of four weeks does.
 * Exit 0 when every scenario came out as it must.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "walk.h"

#define SLOT_MS 30000
#define WEEK    20160 /* slots */
#define STEPS   4

/* When something happens, in slots of a step; the first one is the warm-up. */
#define BREAK_AT 6

/* ---- weather ---- */

static void set_base(struct weather *weather, double error_rate)
{
    weather->error_rate[SIDE_OLD] = weather->error_rate[SIDE_NEW] = error_rate;
}

static void good(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.005);
}

/* Who it is that is on new makes the difference, and that is chance. */
static void broken_clients(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.002);
    weather->broken_clients = 0.015;
}

static void two_percent(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.02);
}

/* Something that both sides need fails for two slots of each step but the last. */
static void incident(const struct walk *walk, struct weather *weather)
{
    bool is_now = walk->slot_in_step >= 4 && walk->slot_in_step < 6 && walk->place.step < STEPS;
    set_base(weather, 0.005);
    if (is_now)
        weather->error_rate_fixed[SIDE_OLD] = weather->error_rate_fixed[SIDE_NEW] = 0.2;
}

static void worse(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.005);
    weather->error_rate_fixed[SIDE_NEW] = 0.05;
}

static void worse_for_some(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.005);
    weather->error_rate[SIDE_NEW] = 0.055;
}

static void none_and_worse(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    weather->error_rate_fixed[SIDE_NEW] = 0.05;
}

static void slow(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    set_base(weather, 0.005);
    weather->slowness[SIDE_NEW] = 3;
}

static void half_broken(const struct walk *walk, struct weather *weather)
{
    (void)walk;
    weather->error_rate_fixed[SIDE_NEW] = 0.5;
}

static void breaks(const struct walk *walk, struct weather *weather)
{
    set_base(weather, 0.005);
    if (walk->slot_in_step >= BREAK_AT)
        weather->error_rate_fixed[SIDE_NEW] = 0.5;
}

static void stalls(const struct walk *walk, struct weather *weather)
{
    set_base(weather, 0.005);
    if (walk->slot_in_step >= BREAK_AT)
        weather->slowness[SIDE_NEW] = 20;
}

/* ---- scenarios ---- */

/* FINISHED: fewer than 1 % rolled back, and most got through in the time there was.
 * LEFT_ALONE: the first of that. ROLLED_BACK: fewer than 1 % were not. STAYED: all, in step 1. */
enum wanted { LEFT_ALONE, FINISHED, ROLLED_BACK, STAYED };

struct scenario {
    const char *name;
    weather_cb *weather;
    enum wanted wanted;
    unsigned seeds_apart;    /* one seed in so many */
    unsigned users;          /* there at a time */
    unsigned requests;       /* a slot, both sides together */
    unsigned slots_max;      /* 0: until the plan is over */
    unsigned first_weight;   /* 0: 10 % */
    unsigned slots_after;    /* most slots from BREAK_AT to the rollback; 0: any */
    unsigned max_error_rate; /* 0: 1 % */
};

/* slots_max 11: the warm-up, and 10,000 requests after it. */
static const struct scenario scenarios[] = {
    {"good", good, FINISHED, 1, 1000, 2000, 0, 0, 0, 0},
    {"good, few users", good, LEFT_ALONE, 5, 60, 250, 0, 0, 0, 0},
    {"good, broken clients, 5 % allowed", broken_clients, LEFT_ALONE, 5, 300, 1000, 0, 0, 0, 500},
    {"good, 2 % errors on both, 5 % allowed", two_percent, LEFT_ALONE, 5, 200, 1000, 0, 0, 0, 500},
    {"good, an incident on both", incident, LEFT_ALONE, 5, 600, 1000, 0, 0, 0, 0},
    {"5 points worse, 10000 requests", worse, ROLLED_BACK, 1, 1000, 1000, 11, 0, 0, 0},
    {"5 points worse, old without errors", none_and_worse, ROLLED_BACK, 5, 1000, 1000, 11, 0, 0, 0},
    {"5 points worse for some, 20 min", worse_for_some, ROLLED_BACK, 5, 1000, 1000, 41, 0, 0, 0},
    {"p95 three times, 30 min", slow, ROLLED_BACK, 1, 1000, 1000, 61, 0, 0, 0},
    {"half broken, too little traffic", half_broken, STAYED, 5, 30, 15, 12, 0, 0, 0},
    {"good, too little traffic", good, STAYED, 5, 30, 15, 12, 0, 0, 0},
    {"breaks at 10 %", breaks, ROLLED_BACK, 5, 1000, 1000, 12, 1000, 3, 0},
    {"breaks at 100 %", breaks, ROLLED_BACK, 5, 300, 400, 12, 10000, 3, 0},
    {"p95 twenty times at 30 %", stalls, ROLLED_BACK, 5, 1000, 1000, 12, 3000, 3, 0},
};

struct count {
    unsigned plans, rolled_back, finished, stayed;
    uint64_t looks, passes, strikes, slots_most, slots;
    double error_deff, latency_deff;
    char reason[COMPARE_REASON_BYTES]; /* of the first rollback */
};

static void walk_once(const struct scenario *scenario, unsigned seed, uint64_t hold_slots,
                      struct count *count)
{
    static const unsigned weights[STEPS] = {1000, 3000, 7000, 10000};
    struct plan_step steps[STEPS];
    memset(steps, 0, sizeof(steps));
    for (unsigned i = 0; i < STEPS; i++) {
        steps[i].weight = weights[i];
        steps[i].hold_ms = (scenario->slots_max > 0 ? WEEK : hold_slots) * SLOT_MS;
    }
    if (scenario->first_weight > 0)
        steps[0].weight = scenario->first_weight;
    struct plan plan = {
        .is_auto = true,
        .steps = steps,
        .step_count = STEPS,
        .guard = {.window_ms = 10 * SLOT_MS,
                  .every_ms = SLOT_MS,
                  .strikes = 3,
                  .warm_up_ms = SLOT_MS,
                  .limits = {.min_requests = 200,
                             .max_error_rate = 100,
                             .error_rate_over_old = 50,
                             .p95_ratio = 200,
                             .p95_over_old_ms = 200}},
    };
    if (scenario->max_error_rate > 0)
        plan.guard.limits.max_error_rate = scenario->max_error_rate;
    if (scenario->wanted == STAYED)
        steps[0].hold_ms = 5 * SLOT_MS;
    struct walk walk = {
        .plan = &plan,
        .weather = scenario->weather,
        .seed = seed,
        .users = scenario->users,
        .requests_a_slot = scenario->requests,
        .leaving = 0.1,
        .slots_max = scenario->slots_max > 0 ? scenario->slots_max : STEPS * hold_slots * 3 / 2,
    };
    walk_go(&walk);
    count->plans++;
    count->looks += walk.looks;
    count->passes += walk.verdicts[VERDICT_PASS];
    count->strikes += walk.strikes;
    count->error_deff += walk.error_deff;
    count->latency_deff += walk.latency_deff;
    count->finished += walk.place.state == PLAN_FINISHED;
    count->stayed += plan_is_running(&walk.place) && walk.place.step == 1;
    if (walk.failed_at == 0)
        return;
    if (count->rolled_back++ == 0)
        memcpy(count->reason, walk.reason, sizeof(count->reason));
    CHECK(walk.place.state == PLAN_ROLLED_BACK);
    count->slots += walk.failed_at;
    if (walk.failed_at > count->slots_most)
        count->slots_most = walk.failed_at;
}

static bool is_as_wanted(const struct scenario *scenario, const struct count *count)
{
    unsigned allowed = (count->plans + 99) / 100; /* below it: less than 1 % */
    switch (scenario->wanted) {
    case LEFT_ALONE:
        return count->rolled_back < allowed;
    case FINISHED:
        return count->rolled_back < allowed && count->finished * 2 > count->plans;
    case ROLLED_BACK:
        return count->plans - count->rolled_back < allowed &&
               (scenario->slots_after == 0 ||
                count->slots_most <= BREAK_AT + scenario->slots_after);
    default:
        return count->stayed == count->plans;
    }
}

static bool play(const struct scenario *scenario, unsigned seeds, uint64_t hold_slots)
{
    struct count count = {0};
    for (unsigned seed = 1; seed <= seeds; seed += scenario->seeds_apart)
        walk_once(scenario, seed, hold_slots, &count);
    bool is_right = is_as_wanted(scenario, &count);
    printf("%s %-38s plans %u rolled back %u finished %u stayed %u; looks %" PRIu64
           ", passes %" PRIu64 ", strikes %" PRIu64 "; design effects %.2f %.2f",
           is_right ? "ok  " : "WRONG", scenario->name, count.plans, count.rolled_back,
           count.finished, count.stayed, count.looks, count.passes, count.strikes,
           count.error_deff / (double)count.looks, count.latency_deff / (double)count.looks);
    if (count.rolled_back > 0)
        printf("; slots until then: %.1f on average, %" PRIu64 " at most; the first: %s",
               (double)count.slots / count.rolled_back, count.slots_most, count.reason);
    printf("\n");
    (void)fflush(stdout);
    return is_right;
}

int main(int argc, char **argv)
{
    unsigned seeds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
    uint64_t hold_slots = argc > 2 ? strtoull(argv[2], NULL, 10) : 5;
    bool is_right = seeds > 0 && hold_slots > 0;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]) && seeds > 0; i++)
        if (argc < 4 || strstr(scenarios[i].name, argv[3]) != NULL)
            is_right = play(&scenarios[i], seeds, hold_slots) && is_right;
    return is_right ? 0 : 1;
}
