/*
 * emf_lines.h - every log.emf, what has happened since the last time, as lines for CloudWatch: one for
 * each backend, one for each weight, one for the proxy. For the meter only.
 */
#ifndef CONTROL_EMF_LINES_H
#define CONTROL_EMF_LINES_H

#include "control/controller.h"
#include "telemetry/counters.h"

struct emf_lines {
    struct emf_sums *before; /* owned; NULL: not switched on */
    struct emf_sums *now;    /* owned; scratch */
    uint64_t begun_ms;       /* of the running interval; monotonic */
    uint64_t due_ms;         /* its end */
};

/* Each second: writes when the interval is over, begins when log.emf has been switched on by a reload,
 * and ends when it has been switched off. */
void emf_lines_tick(struct emf_lines *lines, const struct controller *controller, uint64_t now_ms);

/* The part of an interval that there was, at a stop. */
void emf_lines_finish(struct emf_lines *lines, const struct controller *controller,
                      uint64_t now_ms);

void emf_lines_deinit(struct emf_lines *lines);

#endif
