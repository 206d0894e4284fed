/*
 * rates.c - a minute as the difference of two sums: the one of now and the one of 60 samples ago.
 */
#include "control/rates.h"

uint64_t rates_requests(const struct counters *sum, enum side side)
{
    uint64_t total = 0;
    const counter *first = (const counter *)sum->requests[side];
    size_t count = sizeof(sum->requests[side]) / sizeof(*first);
    for (size_t i = 0; i < count; i++)
        total += counter_read(&first[i]);
    return total;
}

void rates_sample(struct rates *rates, const struct counters *sum)
{
    for (int side = 0; side < SIDES; side++)
        rates->ring[rates->next][side] = rates_requests(sum, (enum side)side);
    rates->next = (rates->next + 1) % RATES_SECONDS;
    if (rates->count < RATES_SECONDS)
        rates->count++;
}

uint64_t rates_last_minute(const struct rates *rates, const struct counters *sum, enum side side)
{
    uint64_t now = rates_requests(sum, side);
    /* Not full: the counters began at zero within the last minute. */
    uint64_t then = rates->count == RATES_SECONDS ? rates->ring[rates->next][side] : 0;
    return now >= then ? now - then : 0;
}
