/*
 * show.c - JSON -> lines for people, for the verbs that change something, for events, and for
 * refusals. The screen of `status` is in screen.c, plans are in course.c.
 */
#include "cli/show.h"

#include <math.h>
#include <stdio.h>

#include "cli/course.h"
#include "cli/figures.h"
#include "cli/read.h"
#include "cli/warning.h"

/* What a change of a weight did or would do, from the two weights in percent. */
static void print_moves(struct page *page, const char *route, double from, double to,
                        const char *verb)
{
    long low = lround(fmin(from, to) * 100);
    long high = lround(fmax(from, to) * 100);
    bool is_main = route[0] == '\0' || strcmp(route, "main") == 0;

    page_print(page, INK_PLAIN, "weight%s%.64s ", is_main ? "" : " of ", is_main ? "" : route);
    if (low == high)
        page_print(page, INK_PLAIN, "stays at %g %%: nobody moves", to);
    else
        page_print(page, INK_PLAIN, "%g %% -> %g %%: buckets %ld..%ld (%g %% of users) %s to %s",
                   from, to, low, high - 1, (double)(high - low) / 100, verb,
                   to > from ? "new" : "old");
    page_end(page);
}

void show_warnings(struct page *page, const json_t *answer, bool with_freeze)
{
    const json_t *warnings = json_object_get(answer, "warnings");

    if (!read_bool(answer, "durable", true))
        page_line(page, INK_PLAIN, "WARNING: %s", warning_not_durable);
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = read_item_text(warnings, i);
        enum warning_subject subject = warning_subject(text);

        if (subject != WARNING_PLAN && (with_freeze || subject != WARNING_FREEZE))
            page_line(page, INK_PLAIN, "warning: %s", text);
    }
}

/* A change by hand stops the plan whose weight it is. */
static void print_paused(struct page *page, const json_t *status, const char *route)
{
    struct course course;

    if (!course_find(&course, status, route) || strcmp(course.state, "paused") != 0)
        return;
    page_print(page, INK_PLAIN,
               "the plan is paused in step %u of %u; to set its weight again and go "
               "on: ",
               course.step, course.steps);
    course_command(page, &course, "resume", "");
    page_end(page);
}

bool show_weight_change(struct page *page, const json_t *answer)
{
    const json_t *change = json_object_get(answer, "change");
    const char *route = read_text(change, "route", "main");

    if (!json_is_object(change))
        return false;
    print_moves(page, route, read_number(change, "from"), read_number(change, "to"), "now go");
    print_paused(page, answer, route);
    show_warnings(page, answer, true);
    return true;
}

bool show_dry_run(struct page *page, const json_t *answer)
{
    page_print(page, INK_PLAIN, "dry run, nothing is changed: ");
    print_moves(page, read_text(answer, "route", "main"), read_number(answer, "from"),
                read_number(answer, "to"), "would go");
    if (read_bool(json_object_get(answer, "moves"), "placed_users_stay", false))
        page_line(page, INK_PLAIN,
                  "users who have been placed already stay where they are "
                  "(sticky.on_raise or on_lower is keep)");
    show_warnings(page, answer, true);
    return true;
}

/* Rollback */

static void print_plans_back(struct page *page, const json_t *status)
{
    unsigned count = course_count(status);
    struct course course;

    for (unsigned i = 0; i < count; i++) {
        course_at(&course, status, i);
        if (course.steps == 0 || strcmp(course.state, "rolled_back") != 0)
            continue;
        page_print(page, INK_PLAIN,
                   "plan of %.64s: rolled back in step %u of %u; to begin again: ", course.route,
                   course.step, course.steps);
        course_command(page, &course, "start", "");
        page_end(page);
    }
}

static void print_sockets_left(struct page *page, const json_t *status)
{
    const json_t *new = json_object_get(json_object_get(status, "backends"), "new");
    double sockets = read_inner_number(new, "share", "sockets");

    if (sockets > 0)
        page_line(page, INK_PLAIN,
                  "%s open WebSocket%s on new stay%s there until closed; new ones go to old",
                  figure_count(sockets).text, sockets == 1 ? "" : "s", sockets == 1 ? "s" : "");
}

bool show_rollback(struct page *page, const json_t *answer)
{
    const json_t *rollback = json_object_get(answer, "rollback");
    const json_t *pins = json_object_get(rollback, "pinned_to_new");
    double to = read_number(rollback, "to");

    if (!json_is_object(rollback))
        return false;
    if (to > 0)
        page_line(page, INK_PLAIN, "rolled back: no weight is above %g %%", to);
    else
        page_line(page, INK_PLAIN, "rolled back: every weight is 0 %%%s",
                  json_array_size(pins) > 0 ? "" : ", all users go to old");
    print_plans_back(page, answer);
    for (size_t i = 0; i < json_array_size(pins); i++)
        page_line(page, INK_PLAIN,
                  "EXCEPT route %s: pinned to new by the configuration (edit the "
                  "file, then `cutover reload`)",
                  read_item_text(pins, i));
    print_sockets_left(page, answer);
    show_warnings(page, answer, true);
    return true;
}

/* Backends, reload */

bool show_backend(struct page *page, const json_t *answer, const char *side)
{
    const json_t *backend = json_object_get(json_object_get(answer, "backends"), side);
    const char *admin = read_text(backend, "admin", "?");
    const char *means = "takes users";

    if (!json_is_object(backend))
        return false;
    if (strcmp(admin, "drain") == 0)
        means = "takes no new users; those placed stay";
    else if (strcmp(admin, "maint") == 0)
        means = "takes nobody";
    page_line(page, INK_PLAIN, "%s is %.16s: %s", side, admin, means);
    show_warnings(page, answer, true);
    return true;
}

bool show_reload(struct page *page, const json_t *answer)
{
    page_line(page, INK_PLAIN, "reloaded: the configuration was read again and is in effect");
    show_warnings(page, answer, true);
    return true;
}

/* Events */

/* Those that act without being asked. */
static bool is_by_itself(const json_t *event)
{
    static const char *const names[] = {"cutover", "plan", "guard"};
    const char *actor = read_text(event, "actor", "");

    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(actor, names[i]) == 0)
            return true;
    return strcmp(read_text(event, "result", ""), "state_not_saved") == 0;
}

/* What did not go well: refused are calls; the rest failed by itself. */
static void print_result(struct page *page, const json_t *event)
{
    const char *result = read_text(event, "result", "ok");

    if (strcmp(result, "not_durable") == 0)
        page_print(page, INK_CARE, "  NOT ON DISK YET");
    else if (strcmp(result, "ok") != 0)
        page_print(page, INK_BAD, "  %s: %.48s", is_by_itself(event) ? "FAILED" : "REFUSED",
                   result);
}

static void print_from_to(struct page *page, const json_t *event)
{
    const char *from = read_text(event, "from", ""), *to = read_text(event, "to", "");

    if (json_is_number(json_object_get(event, "from")))
        page_print(page, INK_PLAIN, "  %g %% -> %g %%", read_number(event, "from"),
                   read_number(event, "to"));
    else if (from[0] != '\0')
        page_print(page, INK_PLAIN, "  %.48s -> %.48s", from, to);
    else if (to[0] != '\0')
        page_print(page, INK_PLAIN, "  %.48s", to);
}

/* TIME  #ID  WHAT SUBJECT  FROM -> TO  by ACTOR  (REASON)  RESULT */
void show_event(struct page *page, const json_t *event, bool is_short)
{
    const char *at = read_text(event, "at", "?"), *subject = read_text(event, "subject", "");
    const char *reason = read_text(event, "reason", "");

    if (is_short)
        page_print(page, INK_FAINT, "%s ", figure_stamp(at).text);
    else
        page_print(page, INK_PLAIN, "%.32s  #%-4.0f ", at, read_number(event, "id"));
    page_print(page, INK_PLAIN, "%-9.48s", read_text(event, "what", "?"));
    if (subject[0] != '\0')
        page_print(page, INK_PLAIN, " %.128s", subject);
    print_from_to(page, event);
    if (is_short) /* what may be cut off at the end is not what went wrong */
        print_result(page, event);
    page_print(page, INK_PLAIN, "  by %.64s", read_text(event, "actor", "?"));
    if (reason[0] != '\0')
        page_print(page, INK_PLAIN, "  (%s)", reason);
    if (!is_short)
        print_result(page, event);
    page_end(page);
}

bool show_events(struct page *page, const json_t *answer)
{
    const json_t *events = json_object_get(answer, "events");

    for (size_t i = 0; i < json_array_size(events); i++)
        show_event(page, json_array_get(events, i), false);
    return json_is_array(events);
}

/* Refusals */

/* What to do next, by the code of the refusal. */
static const struct {
    const char *code, *todo;
} todos[] = {
    {"unauthorized", "give --token-file FILE or set CUTOVER_TOKEN"},
    {"old_not_usable", "--force does it anyway"},
    {"plan_elsewhere",
     "somebody was faster, or it went on by itself. `cutover plan` shows where it is "
     "now: decide again, then give --step with that number"},
    {"no_plan", "`cutover plan` shows the plans there are"},
    {"generation_stale",
     "something has been changed since. `cutover status` shows what: decide again"},
};

void show_refusal(const char *verb, unsigned status, struct str json)
{
    json_t *answer = read_json(json);
    const json_t *error = json_object_get(answer, "error");
    const json_t *problems = json_object_get(error, "problems");
    const char *code = read_text(error, "code", "no code");

    fprintf(stderr, "cutover %s: ", verb);
    fprintf(stderr, "%s ", read_clean(read_text(error, "message", "the admin API refused")));
    fprintf(stderr, "(%s, HTTP %u)\n", read_clean(code), status);
    for (size_t i = 0; i < json_array_size(problems); i++)
        fprintf(stderr, "  %s\n", read_clean(read_item_text(problems, i)));
    for (unsigned i = 0; i < ARRAY_LEN(todos); i++)
        if (strcmp(code, todos[i].code) == 0)
            fprintf(stderr, "  %s\n", todos[i].todo);
    if (strcmp(code, "plan_refused") == 0 &&
        strstr(read_text(error, "message", ""), "force") != NULL)
        fprintf(stderr, "  --force does it anyway\n");
    json_decref(answer);
}
