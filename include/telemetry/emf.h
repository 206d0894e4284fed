/*
 * emf.h - one line in CloudWatch's embedded metric format: a JSON object whose member _aws tells
 * CloudWatch Logs which of the other members are metrics, and by which dimension. To everybody else it
 * is a log line like any other.
 *
 * Numbers are integers with decimals, so they are always finite. A metric that has no value in an
 * interval (a percentile of nothing) is not added at all: CloudWatch then shows a gap, not a zero.
 */
#ifndef TELEMETRY_EMF_H
#define TELEMETRY_EMF_H

#include "base/buf.h"

#define EMF_NAMESPACE "cutover"

/* CloudWatch takes at most 100 in one line. */
#define EMF_METRICS_MAX 32

/* The units that are used here, by CloudWatch's names. */
#define EMF_UNITS(X)                    \
    X(EMF_COUNT, "Count")               \
    X(EMF_PERCENT, "Percent")           \
    X(EMF_MILLISECONDS, "Milliseconds") \
    X(EMF_SECONDS, "Seconds")           \
    X(EMF_NONE, "None")

enum emf_unit {
#define X(id, name) id,
    EMF_UNITS(X)
#undef X
};

struct emf_metric {
    const char *name;
    enum emf_unit unit;
    int64_t value; /* of 10^-decimals */
    unsigned decimals;
};

struct emf_line {
    uint64_t wall_ms;           /* the end of the interval */
    uint64_t interval_ms;       /* how long it was; 0: these are values of one moment */
    const char *dimension;      /* "backend"; NULL: none, one value for the whole proxy */
    struct str dimension_value; /* borrowed */
    struct str name;            /* borrowed; the backend's name, for people; may be empty */
    struct emf_metric metrics[EMF_METRICS_MAX];
    unsigned metric_count;
};

void emf_add(struct emf_line *line, const char *name, enum emf_unit unit, int64_t value,
             unsigned decimals);
void emf_add_count(struct emf_line *line, const char *name, uint64_t value);

/* Microseconds, shown as milliseconds. */
void emf_add_us(struct emf_line *line, const char *name, double us);

/* `part` of `all` in percent with four decimals; not added when `all` is 0. */
void emf_add_share(struct emf_line *line, const char *name, uint64_t part, uint64_t all);

/* Appends the line with its newline. */
void emf_format(const struct emf_line *line, struct buf *out);

#endif
