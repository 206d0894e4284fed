/* crowd.c - draws users, lets them come and go, and counts their requests. */
#include "crowd.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "traffic/bucket.h"

#define ACTIVITY_SPREAD \
    1.0 /* of the logarithm: one in a hundred is ten times as active as the median */
#define SPEED_SPREAD   0.3
#define LATENCY_SPREAD 0.7
#define MEDIAN_US      80000.0

/* Latencies without a logarithm for each: factors at evenly spaced quantiles. */
#define QUANTILES 2048
static double spread_of_requests[QUANTILES];

/* z below which `share` of a normal variable lies, by bisection. */
static double normal_quantile(double share)
{
    double low = -9, high = 9;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void fill_table(void)
{
    for (unsigned i = 0; i < QUANTILES && spread_of_requests[QUANTILES - 1] == 0; i++) {
        double z = normal_quantile((i + 0.5) / QUANTILES);
        spread_of_requests[i] = MEDIAN_US * exp(LATENCY_SPREAD * z);
    }
}

static void draw_user(struct crowd *crowd, struct user *user)
{
    user->bucket = dice_below(&crowd->dice, WEIGHT_MAX);
    user->activity = (float)exp(ACTIVITY_SPREAD * dice_normal(&crowd->dice));
    user->clumsiness = (float)dice_exponential(&crowd->dice);
    user->speed = (float)exp(SPEED_SPREAD * dice_normal(&crowd->dice));
}

/* Evenly along the sum of all activities, from a random start on. */
static void give_tickets(struct crowd *crowd)
{
    double sum = 0, so_far = 0;
    for (unsigned i = 0; i < crowd->there_count; i++)
        sum += crowd->there[i].activity;
    double apart = sum / CROWD_TICKETS, next = apart * dice_real(&crowd->dice);
    unsigned given = 0;
    for (unsigned i = 0; i < crowd->there_count; i++) {
        so_far += crowd->there[i].activity;
        for (; next < so_far && given < CROWD_TICKETS; next += apart)
            crowd->ticket[given++] = (uint16_t)i;
    }
    while (given < CROWD_TICKETS)
        crowd->ticket[given++] = (uint16_t)(crowd->there_count - 1);
}

void crowd_init(struct crowd *crowd, uint64_t seed, unsigned there_count)
{
    fill_table();
    crowd->dice.state = seed * 0x9e3779b97f4a7c15u + 1;
    crowd->there_count = there_count;
    crowd->there = calloc(there_count, sizeof(*crowd->there));
    CHECK(crowd->there != NULL);
    for (unsigned i = 0; i < there_count; i++)
        draw_user(crowd, &crowd->there[i]);
    give_tickets(crowd);
}

void crowd_deinit(struct crowd *crowd)
{
    free(crowd->there);
}

static void exchange_users(struct crowd *crowd, double leaving)
{
    unsigned count = (unsigned)(leaving * crowd->there_count + dice_real(&crowd->dice));
    for (unsigned i = 0; i < count; i++)
        draw_user(crowd, &crowd->there[dice_below(&crowd->dice, crowd->there_count)]);
    if (count > 0)
        give_tickets(crowd);
}

void crowd_slot(struct crowd *crowd, const struct weather *weather, unsigned weight,
                unsigned requests, double leaving, struct sample slot[SIDES])
{
    memset(slot, 0, SIDES * sizeof(slot[0]));
    exchange_users(crowd, leaving);
    double broken_from = weather->broken_clients > 0 ? -log(weather->broken_clients) : INFINITY;
    for (unsigned i = 0; i < requests; i++) {
        /* One throw is enough for all three: who, how fast, how well. */
        uint64_t luck = dice_throw(&crowd->dice);
        const struct user *user = &crowd->there[crowd->ticket[luck % CROWD_TICKETS]];
        unsigned speed = (unsigned)(luck / CROWD_TICKETS % QUANTILES);
        double error_luck = (double)(luck >> 24) * 0x1p-40;
        enum side side = user->bucket < weight ? SIDE_NEW : SIDE_OLD;
        unsigned group = sample_group(user->bucket);
        struct sample *sample = &slot[side];
        double error_rate =
            weather->error_rate[side] * user->clumsiness + weather->error_rate_fixed[side];
        if (user->clumsiness > broken_from)
            error_rate = 0.5;
        sample->requests[group]++;
        if (error_luck < error_rate) {
            sample->failed[group]++;
            sample->errors[SAMPLE_5XX]++;
            continue;
        }
        double us = spread_of_requests[speed] * user->speed * weather->slowness[side];
        sample->first_byte[group].bin[sample_bin((uint64_t)us)]++;
    }
}
