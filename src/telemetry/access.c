/*
 * access.c - the last step of the data path: what happened to a request, as one line.
 *
 * It runs once for each request, so it reserves the room of a usual line at once and prints no
 * number through printf. What is not known (no head was read, no side was decided) is left out:
 * a key that stands in the line always has a meaning.
 */
#include "telemetry/access.h"

#include "base/clock.h"
#include "base/json.h"

/* All keys, numbers and punctuation of a line, with some room for its texts. */
#define LINE_BYTES 768

static bool is_our_error(const struct outcome_row *row)
{
    return row->status >= 500 || row->blame == BLAME_SERVER;
}

static bool always_wanted(uint64_t slow_ms, const struct access_entry *entry)
{
    const struct outcome_row *row = outcome_row(entry->outcome);
    uint64_t took_us = entry->lasts ? entry->first_byte_us : entry->duration_us;
    bool is_slow = slow_ms > 0 && took_us > slow_ms * 1000;
    return is_slow || entry->status >= 500 || row->status >= 400 || row->blame == BLAME_SERVER ||
           row->blame == BLAME_US;
}

bool access_wanted(enum access_policy policy, uint64_t slow_ms, const struct access_entry *entry,
                   uint64_t ordinal)
{
    switch (policy) {
    case ACCESS_ALL:
        return true;
    case ACCESS_SAMPLED:
        return ordinal % ACCESS_SAMPLE_EVERY == 0 || always_wanted(slow_ms, entry);
    case ACCESS_ERRORS:
        return always_wanted(slow_ms, entry);
    case ACCESS_OFF:
        return false;
    }
    return false;
}

static void put_str(struct json *json, const char *name, struct str value)
{
    if (!str_is_empty(value))
        json_str(json, name, value);
}

static void put_ms(struct json *json, const char *name, uint64_t us)
{
    json_decimal(json, name, us > INT64_MAX ? INT64_MAX : (int64_t)us, 3);
}

static void put_head(struct json *json, const struct access_entry *entry, bool is_warning)
{
    char time[CLOCK_ISO_BYTES];
    clock_format(entry->wall_ms, time);
    json_text(json, "time", time);
    json_text(json, "level", is_warning ? "warn" : "info");
    json_text(json, "message", "request");
    put_str(json, "request_id", entry->request_id);
    put_str(json, "client", entry->client);
    put_str(json, "method", entry->method);
    put_str(json, "host", entry->host);
    put_str(json, "path", entry->path);
}

static void put_decision(struct json *json, const struct access_entry *entry)
{
    json_text(json, "backend", side_name(entry->side));
    put_str(json, "server", entry->server);
    put_str(json, "route", entry->route);
    json_text(json, "reason", reason_name(entry->reason));
    if (entry->has_bucket)
        json_u64(json, "bucket", entry->bucket);
}

static void put_numbers(struct json *json, const struct access_entry *entry)
{
    put_str(json, "detail", entry->detail);
    json_u64(json, "attempts", entry->attempts);
    if (entry->first_byte_us > 0)
        put_ms(json, "first_byte_ms", entry->first_byte_us);
    put_ms(json, "duration_ms", entry->duration_us);
    json_u64(json, "bytes_in", entry->bytes_in);
    json_u64(json, "bytes_out", entry->bytes_out);
}

void access_format(const struct access_entry *entry, struct buf *out)
{
    const struct outcome_row *row = outcome_row(entry->outcome);
    buf_reserve(out, LINE_BYTES + entry->path.len + entry->host.len);

    struct json json;
    json_init(&json, out);
    json_object_begin(&json, NULL);
    put_head(&json, entry, is_our_error(row));
    json_u64(&json, "status", entry->status);
    json_text(&json, "outcome", row->token);
    if (entry->has_decision)
        put_decision(&json, entry);
    put_numbers(&json, entry);
    json_object_end(&json);
    buf_append_char(out, '\n');
}
