/*
 * histogram.h - durations in fixed buckets, Prometheus' way. Written by one thread, read by others.
 */
#ifndef TELEMETRY_HISTOGRAM_H
#define TELEMETRY_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

/* Upper bounds in microseconds (what OpenTelemetry advises for HTTP, finer below and longer above);
 * the last bucket has none. */
#define HISTOGRAM_BOUNDS_US                                                                \
    {                                                                                      \
        500, 1000, 2500, 5000, 10000, 25000, 50000, 75000, 100000, 250000, 500000, 750000, \
            1000000, 2500000, 5000000, 7500000, 10000000, 30000000, 60000000, 300000000    \
    }
#define HISTOGRAM_BUCKETS 21

struct histogram {
    _Atomic uint64_t bucket[HISTOGRAM_BUCKETS]; /* not cumulative */
    _Atomic uint64_t sum_us;
};

/* Upper bound of bucket `index` in microseconds; UINT64_MAX for the last. */
uint64_t histogram_bound_us(unsigned index);

/* By the one thread that owns the histogram. */
void histogram_note(struct histogram *histogram, uint64_t duration_us);

#endif
