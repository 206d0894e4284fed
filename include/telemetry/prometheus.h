/*
 * prometheus.h - the text exposition format 0.0.4 (names, HELP, TYPE, escaped labels).
 */
#ifndef TELEMETRY_PROMETHEUS_H
#define TELEMETRY_PROMETHEUS_H

#include "base/buf.h"
#include "telemetry/counters.h"

struct prom_label {
    const char *name;
    struct str value;
};

/* "# HELP" and "# TYPE"; `type` is counter, gauge or histogram. Once before the samples. */
void prom_family(struct buf *out, const char *name, const char *type, const char *help);

void prom_sample(struct buf *out, const char *name, const struct prom_label *labels,
                 unsigned label_count, uint64_t value);

/* As prom_sample for what may be negative. */
void prom_sample_signed(struct buf *out, const char *name, const struct prom_label *labels,
                        unsigned label_count, int64_t value);

/* As prom_sample with value / 10^decimals. */
void prom_sample_decimal(struct buf *out, const char *name, const struct prom_label *labels,
                         unsigned label_count, uint64_t value, unsigned decimals);

/* All lines of one histogram, in seconds: _bucket (cumulative), _sum, _count. */
void prom_histogram(struct buf *out, const char *name, const struct prom_label *labels,
                    unsigned label_count, const struct histogram *histogram);

/*
 * Every metric that comes from the summed counters. `slot_name` gives the route name of each slot
 * (empty: slot unused). Series that are all zero are left out, except that both backends always
 * show.
 */
void prom_counters(struct buf *out, const struct counters *sum,
                   const struct str slot_name[ROUTE_SLOTS]);

#endif
