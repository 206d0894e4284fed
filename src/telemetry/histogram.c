/*
 * histogram.c - counts durations: the data path notes, the control thread adds up.
 *
 * There is no count of all: it is the sum of the buckets, so that what a reader sees is never at
 * odds with itself, whenever it looks. A bound belongs to its bucket (Prometheus: "le").
 */
#include "telemetry/histogram.h"

#include "base/check.h"

static const uint64_t bounds_us[] = HISTOGRAM_BOUNDS_US;
_Static_assert(ARRAY_LEN(bounds_us) == HISTOGRAM_BUCKETS - 1, "a bucket each, and one above all");

/* One writer: a load and a store, no locked instruction. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

uint64_t histogram_bound_us(unsigned index)
{
    CHECK(index < HISTOGRAM_BUCKETS);
    return index < ARRAY_LEN(bounds_us) ? bounds_us[index] : UINT64_MAX;
}

void histogram_note(struct histogram *histogram, uint64_t duration_us)
{
    /* From the front: most requests are short, and the bounds lie in three cache lines. */
    size_t index = 0;
    while (index < ARRAY_LEN(bounds_us) && duration_us > bounds_us[index])
        index++;
    add(&histogram->bucket[index], 1);
    add(&histogram->sum_us, duration_us);
}
