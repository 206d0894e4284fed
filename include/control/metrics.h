/* metrics.h - GET /metrics: the summed counters and the gauges of the control path. */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include "control/controller.h"

/* Appends the whole exposition. */
void metrics_write(const struct controller *controller, struct buf *out);

#endif
