/*
 * counters.c - makes the counters of a worker, and sums those of all workers for the control
 * thread.
 *
 * The trick: struct counters is nothing but 64-bit counters, so it is summed as one array and no
 * counter can be forgotten. Gauges (open connections) add up as counters do.
 */
#include "telemetry/counters.h"

#include "base/check.h"

#define COUNTERS (sizeof(struct counters) / sizeof(counter))

_Static_assert(sizeof(counter) == sizeof(uint64_t), "a counter is as large as its number");
_Static_assert(sizeof(struct counters) == COUNTERS * sizeof(counter) &&
                   _Alignof(struct counters) == _Alignof(counter),
               "nothing but counters");

struct counters *counters_new(void)
{
    return mem_zalloc(1, sizeof(struct counters));
}

void counters_free(struct counters *counters)
{
    mem_free(counters);
}

void counters_sum(struct counters *sum, const struct counters *from)
{
    counter *to_array = (counter *)(void *)sum;
    const counter *from_array = (const counter *)(const void *)from;
    for (size_t i = 0; i < COUNTERS; i++)
        counter_add(&to_array[i], counter_read(&from_array[i]));
}

unsigned status_class(unsigned status)
{
    return status >= 100 && status < 600 ? status / 100 : 0;
}
