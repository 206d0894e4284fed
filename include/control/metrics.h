/*
 * metrics.h - GET /metrics: the summed counters, and the gauges of the control path. docs/metrics.md
 * says what each of them means.
 */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include "control/controller.h"

/* Appends the whole exposition. */
void metrics_write(const struct controller *controller, struct buf *out);

/* The part of it that is about plans, the comparison and the freeze (metrics_plan.c). `sum`: the
 * counters of all workers. */
void metrics_write_plans(const struct controller *controller, const struct counters *sum,
                         struct buf *out);

/* A gauge without labels. */
void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t value);

#endif
