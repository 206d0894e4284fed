/*
 * meter.h - what is counted, over time, for those who watch from outside.
 *
 *     every second   evidence of each plan (32 bits, wraps around) -> totals of its route (64 bits)
 *                                                                            -> GET /metrics
 *     log.emf        counters and evidence, less those of the last time -> lines for CloudWatch
 *
 * A counter of Prometheus never goes down while the process lives; so the totals outlive a plan that a
 * reload has taken away, and belong to the route's name, not to the place of its plan in the file.
 * Part of the controller; control thread.
 */
#ifndef CONTROL_METER_H
#define CONTROL_METER_H

#include "control/controller.h"

/* What the comparison has counted of one side of one route since the start. */
struct meter_total {
    uint64_t requests;
    uint64_t errors[SAMPLE_ERROR_COUNT];
};

struct meter;

struct meter *meter_new(struct controller *controller);
void meter_start(struct meter *meter);

/* Writes the lines of the interval that has begun, and closes the timer as the loop runs on. Once the
 * workers have ended, so that nothing is missing. */
void meter_stop(struct meter *meter);
void meter_free(struct meter *meter); /* NULL is allowed */

/* Brings the totals up to now. */
void meter_update(struct meter *meter);

/* Of the route with that slot of the counters. */
const struct meter_total *meter_total(const struct meter *meter, unsigned slot, enum side side);

/* The wall clock when the process began, as it was told then. */
uint64_t meter_started_wall_ms(const struct meter *meter);

#endif
