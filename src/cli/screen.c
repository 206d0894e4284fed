/*
 * screen.c - one line that says all, then what it is made of: plan, verdict, freeze, rollback,
 * warnings; both sides next to each other; their servers; routes; the last change.
 */
#include "cli/screen.h"

#include <string.h>

#include "cli/course.h"
#include "cli/figures.h"
#include "cli/read.h"
#include "cli/warning.h"

#define NAME_LEAST 12
#define NAME_MOST  32

static const char *const sides[] = {"old", "new"};

/* ---- the first line ---- */

static bool is_frozen(const json_t *status)
{
    return read_bool(json_object_get(status, "freeze"), "on", false);
}

/* Of the plan, which the guard judges; without one, what a comparison says. */
static const json_t *judged(const struct course *course, const json_t *compare)
{
    bool has_one = json_is_string(json_object_get(course->plan, "verdict"));

    return has_one && course_is_under_way(course) ? course->plan : compare;
}

static void brief_verdict(struct page *page, const struct course *course, const json_t *compare)
{
    const char *verdict = read_text(judged(course, compare), "verdict", "");
    bool is_fail = strcmp(verdict, "fail") == 0;

    if (verdict[0] == '\0' || (course->weight <= 0 && !course_is_under_way(course)))
        return; /* nobody is on new: nothing to judge */
    page_print(page, INK_PLAIN, " | verdict ");
    page_print(page,
               is_fail                        ? INK_BAD
               : strcmp(verdict, "pass") == 0 ? INK_GOOD
                                              : INK_CARE,
               "%.16s", is_fail ? "FAIL" : verdict);
}

void screen_brief(struct page *page, const json_t *status, const json_t *compare)
{
    struct course course;

    course_at(&course, status, 0);
    page_print(page, INK_STRONG, "%s on new", figure_percent(read_number(status, "weight")).text);
    page_print(page, INK_PLAIN, " | ");
    course_brief(page, &course);
    brief_verdict(page, &course, compare);
    if (is_frozen(status))
        page_print(page, INK_BAD, " | FROZEN");
}

/* ---- plans ---- */

static void print_plan(struct page *page, const struct course *course)
{
    page_label(page, "plan");
    if (course->steps == 0) {
        page_print(page, INK_PLAIN, "none in the configuration: weights are set by hand");
    } else {
        course_track(page, course);
        page_label(page, "act");
        course_act(page, course);
    }
    page_end(page);
}

/* Of the routes with a plan of their own: those that somebody has to do something about. */
static void print_other_acts(struct page *page, const json_t *status)
{
    struct course course;
    unsigned count = course_count(status);

    for (unsigned i = 1; i < count; i++) {
        course_at(&course, status, i);
        if (!course_needs_someone(&course))
            continue;
        page_label(page, "act");
        page_print(page, INK_PLAIN, "%.64s, step %u of %u: ", course.route, course.step,
                   course.steps);
        course_act(page, &course);
        page_end(page);
    }
}

static void print_verdict(struct page *page, const json_t *status, const json_t *compare)
{
    struct course course;

    course_at(&course, status, 0);
    const json_t *from = judged(&course, compare);
    if (from == NULL)
        return;
    page_label(page, "verdict");
    course_verdict(page, from);
    if (from == course.plan)
        course_guard(page, &course);
    else if (!course_is_under_way(&course))
        page_print(page, INK_FAINT, " (nothing acts on it: no plan is under way)");
    page_end(page);
}

/* ---- freeze and rollback ---- */

static void print_freeze(struct page *page, const json_t *status)
{
    const json_t *freeze = json_object_get(status, "freeze");
    const json_t *routes = json_object_get(freeze, "routes");
    double open = read_number(freeze, "writes_open");

    if (!is_frozen(status))
        return;
    page_label(page, "freeze");
    page_print(page, INK_BAD, "ON");
    page_print(page, INK_PLAIN, " since %s UTC: writes ",
               figure_stamp(read_text(freeze, "since", "?")).text);
    if (json_array_size(routes) == 0)
        page_print(page, INK_PLAIN, "on all routes");
    for (size_t i = 0; i < json_array_size(routes); i++)
        page_print(page, INK_PLAIN, "%s%.64s", i == 0 ? "on " : ", ", read_item_text(routes, i));
    page_print(page, INK_PLAIN, " are answered 503, Retry-After %.0f; ",
               read_number(freeze, "retry_after_s"));
    page_print(page, INK_STRONG, "%s %s still open", open > 0 ? figure_count(open).text : "no",
               open == 1 ? "write is" : "writes are");
    page_print(page, INK_PLAIN, ". End it: ");
    page_piece(page, INK_STRONG, "cutover freeze off");
    page_end(page);
}

static void print_rollback(struct page *page, const json_t *status)
{
    page_label(page, "rollback");
    if (read_bool(status, "rollback_ready", false)) {
        page_print(page, INK_PLAIN, "ready");
    } else {
        page_print(page, INK_BAD, "NOT READY");
        page_print(page, INK_PLAIN, ": %.300s",
                   read_text(status, "rollback_not_ready_reason", "old cannot be used"));
    }
    page_end(page);
}

/* ---- warnings ---- */

static void warn(struct page *page, const char *text)
{
    page_label(page, "WARNING");
    page_print(page, INK_CARE, "%s", text);
    page_end(page);
}

static void screen_warnings(struct page *page, const json_t *answer)
{
    const json_t *warnings = json_object_get(answer, "warnings");

    if (!read_bool(answer, "durable", true))
        warn(page, warning_not_durable);
    /* `act` and `freeze` say the others, with the command. */
    for (size_t i = 0; i < json_array_size(warnings); i++)
        if (warning_subject(read_item_text(warnings, i)) == WARNING_OTHER)
            warn(page, read_item_text(warnings, i));
}

/* ---- the last change, the proxy ---- */

static void print_last_change(struct page *page, const json_t *change)
{
    const char *what = read_text(change, "what", "?");
    const char *reason = read_text(change, "reason", "");
    /* A rollback by an operator is of no one route. */
    const char *of = read_text(change, "route", "all weights");
    double from = read_number(change, "from"), to = read_number(change, "to");

    page_label(page, "changed");
    if (!json_is_object(change)) {
        page_print(page, INK_PLAIN, "nothing yet");
        page_end(page);
        return;
    }
    page_print(page, INK_PLAIN, "%s UTC by %.64s: %.48s of %.64s,",
               figure_stamp(read_text(change, "at", "?")).text, read_text(change, "actor", "?"),
               what, of);
    if (from == to)
        page_print(page, INK_PLAIN, " stays at %s", figure_percent(to).text);
    else
        page_print(page, INK_PLAIN, " %s -> %s", figure_percent(from).text,
                   figure_percent(to).text);
    if (reason[0] != '\0')
        page_print(page, INK_PLAIN, " (%.200s)", reason);
    page_end(page);
}

static void print_proxy(struct page *page, const json_t *status)
{
    page_label(page, "proxy");
    page_print(
        page, INK_PLAIN, "cutover %.32s, up %s, generation %.0f", read_text(status, "version", "?"),
        figure_duration(read_number(status, "uptime_s")).text, read_number(status, "generation"));
    page_end(page);
}

/* ---- sides ---- */

/* A side whose servers answer their checks, but fail what users ask of them, is not "up". */
static const char *health_of(const json_t *backend)
{
    const char *health = read_text(backend, "health", "?");
    const json_t *servers = json_object_get(backend, "servers");
    unsigned up = 0, ejected = 0;

    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);
        bool is_up = strcmp(read_text(server, "health", ""), "up") == 0;

        up += is_up ? 1 : 0;
        ejected += is_up && read_bool(server, "ejected", false) ? 1 : 0;
    }
    return up > 0 && up == ejected ? "ejected" : health;
}

static void print_compared(struct page *page, const json_t *side)
{
    double requests = read_number(side, "requests");
    const json_t *first_byte = json_object_get(side, "first_byte_ms");
    const json_t *p95 = json_object_get(first_byte, "p95");

    if (!json_is_object(side)) {
        page_cell(page, INK_PLAIN, -8, "-");
        page_cell(page, INK_PLAIN, -8, "-");
        return;
    }
    page_cell(page, INK_PLAIN, -8, "%s",
              requests > 0 ? figure_percent(read_inner_number(side, "error_rate", "value")).text
                           : "-");
    page_cell(page, INK_PLAIN, -8, "%s",
              json_is_number(p95) ? figure_ms(json_number_value(p95)).text : "-");
}

/* Wide windows have room for the whole name. */
static int name_columns(const struct page *page)
{
    int spare = page->width > 80 ? (int)(page->width - 80) : 0;

    return spare > NAME_MOST - NAME_LEAST ? NAME_MOST : NAME_LEAST + spare;
}

static void print_side(struct page *page, const json_t *status, const json_t *compare,
                       const char *side)
{
    const json_t *backend = json_object_get(json_object_get(status, "backends"), side);
    const json_t *share = json_object_get(backend, "share");
    const char *health = health_of(backend), *admin = read_text(backend, "admin", "?");

    page_cell(page, INK_PLAIN, 5, "%s", side);
    page_cell(page, INK_PLAIN, name_columns(page), "%s", read_text(backend, "name", "?"));
    page_cell(page, strcmp(admin, "ready") == 0 ? INK_PLAIN : INK_CARE, 5, "%s", admin);
    page_cell(page, strcmp(health, "up") == 0 ? INK_GOOD : INK_BAD, 8, "%s", health);
    page_cell(page, INK_PLAIN, -8, "%s", figure_count(read_number(share, "requests_1m")).text);
    page_cell(page, INK_PLAIN, -7, "%s", figure_count(read_number(share, "sockets")).text);
    if (compare != NULL)
        print_compared(page, json_object_get(json_object_get(compare, "backends"), side));
    page_end(page);
}

static void print_sides(struct page *page, const json_t *status, const json_t *compare)
{
    page_end(page);
    page_cell(page, INK_FAINT, 5, "SIDE");
    page_cell(page, INK_FAINT, name_columns(page), "NAME");
    page_cell(page, INK_FAINT, 5, "ADMIN");
    page_cell(page, INK_FAINT, 8, "HEALTH");
    page_cell(page, INK_FAINT, -8, "REQ/MIN");
    page_cell(page, INK_FAINT, -7, "SOCKETS");
    if (compare != NULL) {
        page_cell(page, INK_FAINT, -8, "ERRORS");
        page_cell(page, INK_FAINT, -8, "P95");
        page_print(page, INK_FAINT, "last %s",
                   figure_duration(read_number(compare, "window_s")).text);
    }
    page_end(page);
    for (unsigned i = 0; i < ARRAY_LEN(sides); i++)
        print_side(page, status, compare, sides[i]);
}

/* ---- servers ---- */

static bool is_well(const json_t *server)
{
    return strcmp(read_text(server, "health", ""), "up") == 0 &&
           !read_bool(server, "ejected", false);
}

/* The URL last, since it may be long. */
static void print_server(struct page *page, const json_t *server, const char *side)
{
    const char *health = read_text(server, "health", "?");
    bool is_ejected = read_bool(server, "ejected", false);

    page_cell(page, INK_PLAIN, 5, "%s", side);
    page_cell(page, strcmp(health, "up") == 0 ? INK_GOOD : INK_BAD, 8, "%s", health);
    page_cell(page, is_ejected ? INK_BAD : INK_PLAIN, 8, "%s", is_ejected ? "yes" : "no");
    page_cell(page, INK_PLAIN, -6, "%.0f", read_number(server, "active"));
    page_cell(page, INK_PLAIN, -6, "%.0f", read_number(server, "idle"));
    page_print(page, INK_PLAIN, "  ");
    page_hang(page);
    page_print(page, INK_PLAIN, "%s", read_text(server, "url", "?"));
    page_end(page);
}

static void print_servers(struct page *page, const json_t *backends, bool is_whole)
{
    bool has_head = false;

    for (unsigned i = 0; i < ARRAY_LEN(sides); i++) {
        const json_t *servers = json_object_get(json_object_get(backends, sides[i]), "servers");

        for (size_t k = 0; k < json_array_size(servers); k++) {
            const json_t *server = json_array_get(servers, k);

            if (!is_whole && is_well(server))
                continue;
            if (!has_head) {
                page_end(page);
                page_line(page, INK_FAINT, "SIDE  HEALTH   EJECTED  ACTIVE   IDLE   SERVER");
            }
            has_head = true;
            print_server(page, server, sides[i]);
        }
    }
}

/* ---- routes ---- */

static void print_route(struct page *page, const json_t *status, const json_t *route)
{
    const char *name = read_text(route, "name", "?"), *pin = read_text(route, "pin", "");
    struct course course;

    page_cell(page, INK_PLAIN, 20, "%s", name);
    page_hang(page);
    if (pin[0] != '\0') {
        page_print(page, INK_PLAIN, "always to %.16s (pinned)", pin);
    } else {
        bool follows = json_object_get(route, "follows") != NULL;

        page_print(page, INK_PLAIN, "%s to new%s",
                   figure_percent(read_number(route, "weight")).text,
                   follows ? " (follows the main weight)" : "");
    }
    if (json_is_object(json_object_get(route, "plan")) && course_find(&course, status, name)) {
        page_print(page, INK_PLAIN, " | ");
        course_brief(page, &course);
    }
    page_end(page);
}

static void print_routes(struct page *page, const json_t *status)
{
    const json_t *routes = json_object_get(status, "routes");

    if (json_array_size(routes) == 0)
        return;
    page_end(page);
    page_line(page, INK_FAINT, "ROUTE                GOES");
    for (size_t i = 0; i < json_array_size(routes); i++)
        print_route(page, status, json_array_get(routes, i));
}

/* ---- all ---- */

bool screen_status(struct page *page, const json_t *status, const json_t *compare, bool is_whole)
{
    const json_t *backends = json_object_get(status, "backends");
    struct course course;

    if (!json_is_object(backends))
        return false;
    course_at(&course, status, 0);
    screen_brief(page, status, compare);
    page_end(page);
    print_plan(page, &course);
    print_other_acts(page, status);
    print_verdict(page, status, compare);
    print_freeze(page, status);
    print_rollback(page, status);
    if (read_bool(status, "draining", false))
        warn(page, "the proxy is draining: it stops when what is under way has ended");
    screen_warnings(page, status);
    if (is_whole) {
        print_last_change(page, json_object_get(status, "last_change"));
        print_proxy(page, status);
    }
    print_sides(page, status, compare);
    print_servers(page, backends, is_whole);
    print_routes(page, status);
    return true;
}
