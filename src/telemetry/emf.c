/*
 * emf.c - what control/emf_lines.c has gathered, as CloudWatch's agents and container platforms read
 * it from the log. Time, level and message come first, as in every line of the log.
 */
#include "telemetry/emf.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

#define US_DECIMALS    3 /* of a millisecond */
#define SHARE_DECIMALS 4
#define SHARE_UNIT     1000000 /* 100 % with those decimals */

void emf_add(struct emf_line *line, const char *name, enum emf_unit unit, int64_t value,
             unsigned decimals)
{
    CHECK(line->metric_count < EMF_METRICS_MAX);
    line->metrics[line->metric_count++] = (struct emf_metric){name, unit, value, decimals};
}

void emf_add_count(struct emf_line *line, const char *name, uint64_t value)
{
    emf_add(line, name, EMF_COUNT, value > INT64_MAX ? INT64_MAX : (int64_t)value, 0);
}

void emf_add_us(struct emf_line *line, const char *name, double us)
{
    /* Compared so that what is no number becomes 0 as well. */
    int64_t value = us >= 0 && us < 1e15 ? (int64_t)(us + 0.5) : 0;
    emf_add(line, name, EMF_MILLISECONDS, value, US_DECIMALS);
}

void emf_add_share(struct emf_line *line, const char *name, uint64_t part, uint64_t all)
{
    if (all > 0)
        emf_add(line, name, EMF_PERCENT, (int64_t)((double)part / (double)all * SHARE_UNIT + 0.5),
                SHARE_DECIMALS);
}

static const char *unit_name(enum emf_unit unit)
{
    static const char *const names[] = {
#define X(id, name) name,
        EMF_UNITS(X)
#undef X
    };
    return names[unit];
}

/* One directive with one set of dimensions: each further set would be paid for as further metrics. */
static void put_directive(struct json *json, const struct emf_line *line)
{
    json_object_begin(json, NULL);
    json_text(json, "Namespace", EMF_NAMESPACE);
    json_array_begin(json, "Dimensions");
    json_array_begin(json, NULL);
    if (line->dimension != NULL)
        json_text(json, NULL, line->dimension);
    json_array_end(json);
    json_array_end(json);
    json_array_begin(json, "Metrics");
    for (unsigned i = 0; i < line->metric_count; i++) {
        json_object_begin(json, NULL);
        json_text(json, "Name", line->metrics[i].name);
        json_text(json, "Unit", unit_name(line->metrics[i].unit));
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static void put_head(struct json *json, const struct emf_line *line)
{
    char time[CLOCK_ISO_BYTES];

    clock_format(line->wall_ms, time);
    json_text(json, "time", time);
    json_text(json, "level", "info");
    json_text(json, "message", "metrics");
    json_object_begin(json, "_aws");
    json_u64(json, "Timestamp", line->wall_ms);
    json_array_begin(json, "CloudWatchMetrics");
    put_directive(json, line);
    json_array_end(json);
    json_object_end(json);
}

void emf_format(const struct emf_line *line, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_object_begin(&json, NULL);
    put_head(&json, line);
    if (line->dimension != NULL)
        json_str(&json, line->dimension, line->dimension_value);
    if (!str_is_empty(line->name))
        json_str(&json, "name", line->name);
    if (line->interval_ms > 0)
        json_decimal(&json, "interval_s", (int64_t)line->interval_ms, 3);
    for (unsigned i = 0; i < line->metric_count; i++) {
        const struct emf_metric *metric = &line->metrics[i];
        json_decimal(&json, metric->name, metric->value, metric->decimals);
    }
    json_object_end(&json);
    buf_append_char(out, '\n');
}
