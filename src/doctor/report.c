/*
 * report.c - the lines are a list in the order they came; showing picks them by place.
 */
#include "doctor/report.h"

#include <limits.h>

#include "base/json.h"

#define CHECK_WIDTH 15

/* A URL that is longer pushes its own line to the right, not all of them. */
#define SERVER_WIDTH_MAX 60

void report_init(struct report *report, size_t server_width)
{
    *report = (struct report){
        .server_width = (int)(server_width < SERVER_WIDTH_MAX ? server_width : SERVER_WIDTH_MAX)};
    arena_init(&report->arena);
    report->end = &report->first;
}

void report_deinit(struct report *report)
{
    arena_deinit(&report->arena);
}

void report_add(struct report *report, const struct report_place *place, const char *check,
                const struct finding *finding)
{
    struct report_line *line = arena_alloc(&report->arena, sizeof(*line));

    *line = (struct report_line){
        .place = *place,
        .check = check,
        .result = finding->result,
        .detail = arena_str(&report->arena, str_of(finding->detail)),
        .todo = arena_str(&report->arena, str_of(finding->todo)),
    };
    *report->end = line;
    report->end = &line->next;
    report->count[finding->result]++;
}

/* ---- for people ---- */

static void put_clean(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        buf_append_char(out, c >= ' ' && c < 0x7f ? c : '?');
    }
}

static void put_line(const struct report *report, const struct report_line *line, struct buf *out)
{
    const struct report_place *place = &line->place;

    buf_printf(out, "%-4s  %-4s  %-*.*s  %-*s", result_name(line->result), place->side,
               report->server_width, STR_ARG(place->server), CHECK_WIDTH, line->check);
    buf_append_char(out, ' ');
    put_clean(out, line->detail);
    if (line->todo.len > 0) {
        buf_append_str(out, STR(". "));
        put_clean(out, line->todo);
        buf_append_char(out, '.');
    }
    buf_append_char(out, '\n');
}

/* The lowest order among lines that are not shown; false when there are none. */
static bool next_order(const struct report *report, unsigned *order)
{
    bool found = false;

    *order = UINT_MAX;
    for (const struct report_line *line = report->first; line != NULL; line = line->next) {
        if (line->is_shown || (found && line->place.order >= *order))
            continue;
        *order = line->place.order;
        found = true;
    }
    return found;
}

void report_lines(struct report *report, struct buf *out)
{
    unsigned order;

    while (next_order(report, &order)) {
        for (struct report_line *line = report->first; line != NULL; line = line->next) {
            if (line->is_shown || line->place.order != order)
                continue;
            put_line(report, line, out);
            line->is_shown = true;
        }
    }
}

void report_summary(const struct report *report, struct buf *out)
{
    unsigned warnings = report->count[RESULT_WARN], failures = report->count[RESULT_FAIL];

    buf_printf(out, "%u ok, %u warning%s, %u failure%s\n", report->count[RESULT_OK], warnings,
               warnings == 1 ? "" : "s", failures, failures == 1 ? "" : "s");
}

/* ---- for programs ---- */

static void str_or_none(struct json *json, const char *name, struct str value)
{
    if (value.len == 0)
        json_none(json, name);
    else
        json_str(json, name, value);
}

void report_json(const struct report *report, struct buf *out)
{
    struct json json;

    json_init(&json, out);
    json_object_begin(&json, NULL);
    json_array_begin(&json, "checks");
    for (const struct report_line *line = report->first; line != NULL; line = line->next) {
        json_object_begin(&json, NULL);
        json_text(&json, "side", line->place.side);
        str_or_none(&json, "server", line->place.server);
        json_text(&json, "check", line->check);
        json_text(&json, "result", result_name(line->result));
        json_str(&json, "detail", line->detail);
        str_or_none(&json, "todo", line->todo);
        json_object_end(&json);
    }
    json_array_end(&json);
    for (unsigned i = 0; i < RESULTS; i++)
        json_u64(&json, result_name((enum result)i), report->count[i]);
    json_object_end(&json);
    buf_append_char(out, '\n');
}
