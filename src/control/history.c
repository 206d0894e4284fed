/*
 * history.c - a ring of minutes. A minute is the difference of two sums of the counters, which only
 * ever grow: the present one and the one when the minute began.
 */
#include "control/history.h"

#include "base/clock.h"
#include "control/rates.h"

#define MINUTE_MS (HISTORY_EVERY_S * 1000)

/* Requests that ended with a 5xx, or without an answer. */
static uint64_t errors_of(const struct counters *sum, enum side side)
{
    uint64_t total = 0;
    for (unsigned route = 0; route < ROUTE_SLOTS; route++)
        for (unsigned reason = 0; reason < REASON_COUNT; reason++)
            total += counter_read(&sum->requests[side][route][reason][0]) +
                     counter_read(&sum->requests[side][route][reason][5]);
    return total;
}

static uint32_t growth(uint64_t from, uint64_t to)
{
    uint64_t grown = to > from ? to - from : 0;
    return grown < UINT32_MAX ? (uint32_t)grown : UINT32_MAX;
}

static struct history_point *newest(struct history *history)
{
    return &history->ring[(history->first + history->count - 1) % HISTORY_POINTS];
}

static void begin_minute(struct history *history, uint64_t mono_ms, uint64_t wall_ms)
{
    /* The next one is due a minute after this one was, not after it was noticed; but after a pause
     * of more than that the minutes begin anew. */
    bool is_due = history->count > 0 && mono_ms < history->begun_ms + (uint64_t)2 * MINUTE_MS;
    history->begun_ms = is_due ? history->begun_ms + MINUTE_MS : mono_ms;
    if (history->count < HISTORY_POINTS)
        history->count++;
    else
        history->first = (history->first + 1) % HISTORY_POINTS;
    *newest(history) = (struct history_point){.at_s = (uint32_t)(wall_ms / 1000)};
}

void history_sample(struct history *history, const struct counters *sum, unsigned weight,
                    uint64_t mono_ms, uint64_t wall_ms)
{
    bool is_first = history->count == 0;
    struct history_point *point;
    if (!is_first) { /* what came since the last sample still belongs to the minute that ends */
        point = newest(history);
        for (int side = 0; side < SIDES; side++) {
            point->requests[side] =
                growth(history->requests_before[side], rates_requests(sum, (enum side)side));
            point->errors[side] =
                growth(history->errors_before[side], errors_of(sum, (enum side)side));
        }
        point->weight = (uint16_t)weight;
    }
    if (!is_first && mono_ms - history->begun_ms < MINUTE_MS)
        return;
    begin_minute(history, mono_ms, wall_ms);
    newest(history)->weight = (uint16_t)weight;
    /* The counters began at zero with the process: what came before the first sample is its own. */
    for (int side = 0; side < SIDES && !is_first; side++) {
        history->requests_before[side] = rates_requests(sum, (enum side)side);
        history->errors_before[side] = errors_of(sum, (enum side)side);
    }
}

static void write_point(const struct history_point *point, struct json *json)
{
    char at[CLOCK_ISO_BYTES];
    clock_format((uint64_t)point->at_s * 1000, at);
    json_object_begin(json, NULL);
    json_text(json, "at", at);
    json_decimal(json, "weight", point->weight, 2);
    json_u64(json, "old", point->requests[SIDE_OLD]);
    json_u64(json, "new", point->requests[SIDE_NEW]);
    json_u64(json, "old_errors", point->errors[SIDE_OLD]);
    json_u64(json, "new_errors", point->errors[SIDE_NEW]);
    json_object_end(json);
}

void history_write(const struct history *history, uint64_t last, struct json *json)
{
    json_u64(json, "every_s", HISTORY_EVERY_S);
    json_array_begin(json, "points");
    unsigned count = history == NULL ? 0 : history->count;
    for (unsigned i = last < count ? count - (unsigned)last : 0; i < count; i++)
        write_point(&history->ring[(history->first + i) % HISTORY_POINTS], json);
    json_array_end(json);
}
