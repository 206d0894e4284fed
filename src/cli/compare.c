/*
 * compare.c - GET /v1/compare -> a column for each side, the differences below, then the verdict.
 */
#include "cli/compare.h"

#include "cli/call.h"
#include "cli/course.h"
#include "cli/figures.h"
#include "cli/read.h"
#include "cli/verbs.h"
#include "config/values.h"

#define HEAD_COLUMNS 18
#define SIDE_COLUMNS 26

/* One row: what it is, then a text for each side. */
typedef void (*row_cb)(const json_t *side, struct buf *text);

static void put_row(struct page *page, const json_t *backends, const char *head, row_cb row)
{
    static const char *const sides[] = {"old", "new"};

    page_cell(page, INK_PLAIN, HEAD_COLUMNS, "%s", head);
    for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
        struct buf text = BUF_EMPTY;

        row(json_object_get(backends, sides[i]), &text);
        page_cell(page, INK_PLAIN, SIDE_COLUMNS, "%.*s", STR_ARG(buf_str(&text)));
        buf_deinit(&text);
    }
    page_end(page);
}

/* ---- requests and errors ---- */

static void row_name(const json_t *side, struct buf *text)
{
    buf_printf(text, "%.32s", read_text(side, "name", "?"));
}

static void row_requests(const json_t *side, struct buf *text)
{
    buf_printf(text, "%s", figure_count(read_number(side, "requests")).text);
}

static void row_errors(const json_t *side, struct buf *text)
{
    buf_printf(text, "%s", figure_count(read_number(side, "errors")).text);
    if (read_number(side, "requests") > 0)
        buf_printf(text, " (%s)",
                   figure_percent(read_inner_number(side, "error_rate", "value")).text);
}

static void row_interval(const json_t *side, struct buf *text)
{
    const json_t *rate = json_object_get(side, "error_rate");

    if (read_number(side, "requests") > 0)
        buf_printf(text, "%s to %s", figure_percent(read_number(rate, "lower")).text,
                   figure_percent(read_number(rate, "upper")).text);
    else
        buf_printf(text, "-");
}

static void row_failovers(const json_t *side, struct buf *text)
{
    buf_printf(text, "%s", figure_count(read_number(side, "failovers")).text);
}

/* "5xx", "timeout": names come from the answer, so that a newer proxy may have more. Rows that are 0
 * on both sides are left out. */
static void print_kinds(struct page *page, const json_t *backends, const char *member,
                        const char *head, const char *none)
{
    const json_t *old = json_object_get(json_object_get(backends, "old"), member);
    const json_t *new = json_object_get(json_object_get(backends, "new"), member);
    json_t *all = json_object_size(new) > 0 ? json_copy((json_t *)(uintptr_t) new) : json_object();
    const char *kind;
    json_t *value;
    bool has_any = false;

    json_object_foreach(all, kind, value)
    {
        char label[HEAD_COLUMNS + 1];

        if (read_number(old, kind) <= 0 && json_number_value(value) <= 0)
            continue;
        snprintf(label, sizeof(label), "%s%.12s", head, kind);
        page_cell(page, INK_PLAIN, HEAD_COLUMNS, "%s", label);
        page_cell(page, INK_PLAIN, SIDE_COLUMNS, "%s", figure_count(read_number(old, kind)).text);
        page_cell(page, INK_PLAIN, SIDE_COLUMNS, "%s", figure_count(json_number_value(value)).text);
        page_end(page);
        has_any = true;
    }
    if (!has_any)
        page_line(page, INK_PLAIN, "%s", none);
    json_decref(all);
}

/* ---- latency ---- */

static void put_quantiles(const json_t *side, const char *member, struct buf *text)
{
    static const char *const names[] = {"p50", "p95", "p99"};
    const json_t *latency = json_object_get(side, member);

    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        const json_t *value = json_object_get(latency, names[i]);

        buf_printf(text, "%s%s", i == 0 ? "" : ", ",
                   json_is_number(value) ? figure_ms(json_number_value(value)).text : "-");
    }
}

static void row_connect(const json_t *side, struct buf *text)
{
    put_quantiles(side, "connect_ms", text);
}

static void row_first_byte(const json_t *side, struct buf *text)
{
    put_quantiles(side, "first_byte_ms", text);
}

static void row_total(const json_t *side, struct buf *text)
{
    put_quantiles(side, "total_ms", text);
}

/* ---- new against old ---- */

static double requests_of(const json_t *answer, const char *side)
{
    const json_t *backends = json_object_get(answer, "backends");

    return read_inner_number(backends, side, "requests");
}

static void print_differences(struct page *page, const json_t *answer)
{
    const json_t *limits = json_object_get(answer, "limits");
    const json_t *errors = json_object_get(answer, "error_rate_over_old");
    const json_t *ratio = json_object_get(answer, "p95_ratio");
    const json_t *more = json_object_get(answer, "p95_over_old_ms");
    bool has_both = requests_of(answer, "old") > 0 && requests_of(answer, "new") > 0;

    page_cell(page, INK_PLAIN, HEAD_COLUMNS, "errors, new - old");
    page_hang(page);
    if (json_is_object(errors) && has_both)
        page_print(page, INK_PLAIN,
                   "%+.2f points (95 %%: %+.2f to %+.2f), limit %+g, at most %g %%",
                   read_number(errors, "value"), read_number(errors, "lower"),
                   read_number(errors, "upper"), read_number(limits, "error_rate_over_old"),
                   read_number(limits, "max_error_rate"));
    else
        page_print(page, INK_PLAIN, "nothing to compare: one side has no requests");
    page_end(page);
    page_cell(page, INK_PLAIN, HEAD_COLUMNS, "p95, new / old");
    page_hang(page);
    if (json_is_object(ratio) && json_is_object(more))
        page_print(page, INK_PLAIN, "%.2f x (95 %%: %.2f to %.2f), limit %g; %+.1f ms, limit %+g",
                   read_number(ratio, "value"), read_number(ratio, "lower"),
                   read_number(ratio, "upper"), read_number(limits, "p95_ratio"),
                   read_number(more, "value"), read_number(limits, "p95_over_old_ms"));
    else
        page_print(page, INK_PLAIN, "not known yet");
    page_end(page);
}

static void print_verdict(struct page *page, const json_t *answer)
{
    page_label(page, "verdict");
    course_verdict(page, answer);
    if (read_bool(answer, "failing_over", false) &&
        strcmp(read_text(answer, "cause", ""), "failing_over") != 0) /* the reason says it */
        page_print(page, INK_CARE, ". Requests FAIL OVER from one side to the other now");
    page_end(page);
}

bool compare_show(struct page *page, const json_t *answer)
{
    const json_t *backends = json_object_get(answer, "backends");

    if (!json_is_object(backends))
        return false;
    page_line(page, INK_STRONG, "the last %s of %s, at least %.0f requests on each side wanted",
              figure_duration(read_number(answer, "window_s")).text,
              read_text(answer, "route", "main"),
              read_inner_number(answer, "limits", "min_requests"));
    page_end(page);
    page_cell(page, INK_FAINT, HEAD_COLUMNS, " ");
    page_cell(page, INK_FAINT, SIDE_COLUMNS, "OLD");
    page_cell(page, INK_FAINT, SIDE_COLUMNS, "NEW");
    page_end(page);
    put_row(page, backends, "name", row_name);
    put_row(page, backends, "requests", row_requests);
    put_row(page, backends, "errors", row_errors);
    put_row(page, backends, "  with 95 %", row_interval);
    print_kinds(page, backends, "errors_by_kind", "  ", "  none of any kind");
    print_kinds(page, backends, "shown", "not judged: ", "not judged (401 403 404 413 429): none");
    put_row(page, backends, "failovers away", row_failovers);
    page_end(page);
    page_cell(page, INK_FAINT, HEAD_COLUMNS, " ");
    page_print(page, INK_FAINT, "half of them, 95 %%, and 99 %% are faster than");
    page_end(page);
    put_row(page, backends, "connect", row_connect);
    put_row(page, backends, "first byte", row_first_byte);
    put_row(page, backends, "total", row_total);
    page_end(page);
    print_differences(page, answer);
    print_verdict(page, answer);
    return true;
}

/* ---- the verb ---- */

static bool on_answer(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return compare_show(page, answer);
}

/* What stands in a query as it is. */
static bool is_query_word(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = ascii_lower(text.data[i]);

        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
    }
    return text.len > 0;
}

int verb_compare(const struct cli_options *options)
{
    const char *route = options->routes.items[0];
    struct buf path = BUF_EMPTY;
    struct error error;
    uint64_t window_ms;

    if (options->window != NULL && (!value_duration(str_of(options->window), &window_ms, &error) ||
                                    !is_query_word(str_of(options->window))))
        return usage_error(options, "--window: expected a time such as 5m, got \"%s\"",
                           options->window);
    if (route != NULL && !is_query_word(str_of(route)))
        return usage_error(options, "--route: expected the name of a route, got \"%s\"", route);
    buf_printf(&path, "/v1/compare%s%s", options->window != NULL ? "?window=" : "",
               options->window != NULL ? options->window : "");
    if (route != NULL)
        buf_printf(&path, "%sroute=%s", options->window != NULL ? "&" : "?", route);
    buf_append_char(&path, '\0');
    int code = call_api(options, "GET", buf_str(&path).data, NULL, on_answer);
    buf_deinit(&path);
    return code;
}
