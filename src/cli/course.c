/*
 * course.c - reads the plan of an answer; its first line, its track, its commands. Who has to act, and
 * what the guard says, is in course_act.c.
 */
#include "cli/course.h"

#include <string.h>

#include "cli/figures.h"
#include "cli/read.h"

#define TRACK_AROUND 3 /* steps that are shown on each side of the present one */

/* ---- reading ---- */

bool course_is(const struct course *course, const char *state)
{
    return strcmp(course->state, state) == 0;
}

static void fill(struct course *course, const json_t *plan, const char *route, double weight)
{
    double steps = (double)json_array_size(json_object_get(plan, "step_list"));
    double most = read_number(plan, "steps");

    /* An older proxy names no steps. */
    steps = steps > 0 ? steps : most >= 0 && most < 1000 ? most : 0;
    double step = read_number(plan, "step");
    *course = (struct course){
        .plan = plan,
        .route = route,
        .state = read_text(plan, "state", "idle"),
        .step = step > 0 && step <= steps ? (unsigned)step : 0,
        .steps = (unsigned)steps,
        .weight = weight,
    };
}

unsigned course_count(const json_t *status)
{
    const json_t *routes = json_object_get(status, "routes");
    unsigned count = 1;

    for (size_t i = 0; i < json_array_size(routes); i++)
        count += json_is_object(json_object_get(json_array_get(routes, i), "plan")) ? 1 : 0;
    return count;
}

void course_at(struct course *course, const json_t *status, unsigned index)
{
    const json_t *routes = json_object_get(status, "routes");

    fill(course, json_object_get(status, "plan"), "main", read_number(status, "weight"));
    for (size_t i = 0; index > 0 && i < json_array_size(routes); i++) {
        const json_t *route = json_array_get(routes, i);
        const json_t *plan = json_object_get(route, "plan");

        if (json_is_object(plan) && --index == 0)
            fill(course, plan, read_text(route, "name", "?"), read_number(route, "weight"));
    }
}

bool course_find(struct course *course, const json_t *status, const char *route)
{
    unsigned count = course_count(status);

    course_at(course, status, 0);
    if (route == NULL || strcmp(route, "main") == 0)
        return true;
    for (unsigned i = 1; i < count; i++) {
        course_at(course, status, i);
        if (strcmp(course->route, route) == 0)
            return true;
    }
    return false;
}

const json_t *course_step(const struct course *course, unsigned step)
{
    return step == 0 ? NULL : json_array_get(json_object_get(course->plan, "step_list"), step - 1);
}

double course_weight_of(const struct course *course, unsigned step)
{
    return read_number(course_step(course, step), "weight");
}

double course_hold_left(const struct course *course)
{
    return read_number(course->plan, "hold_left_s");
}

bool course_is_last(const struct course *course)
{
    return course->step >= course->steps;
}

bool course_is_running(const struct course *course)
{
    return course_is(course, "holding") || course_is(course, "soaking");
}

bool course_is_under_way(const struct course *course)
{
    return course_is_running(course) || course_is(course, "paused") || course_is(course, "waiting");
}

bool course_needs_someone(const struct course *course)
{
    return course->steps > 0 && (course_is(course, "waiting") || course_is(course, "paused") ||
                                 course_is(course, "rolled_back"));
}

bool course_is_auto(const struct course *course)
{
    return strcmp(read_text(course->plan, "advance", "manual"), "auto") == 0;
}

/* ---- commands ---- */

/* Whether a name can stand in a command that people paste: as the configuration wants it. */
static bool is_plain_name(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

void course_command(struct page *page, const struct course *course, const char *verb,
                    const char *more)
{
    char step[32] = "", route[96] = "";

    if (course->step > 0 && strcmp(verb, "start") != 0)
        snprintf(step, sizeof(step), " --step %u", course->step);
    if (strcmp(course->route, "main") != 0)
        snprintf(route, sizeof(route), " --route %.64s",
                 is_plain_name(course->route) ? course->route : "'?'");
    page_piece(page, INK_STRONG, "cutover plan %s%s%s%s", verb, step, route, more);
}

/* ---- the first line ---- */

void course_brief(struct page *page, const struct course *course)
{
    const char *state = course->state;
    enum ink ink = INK_PLAIN;

    if (course->steps == 0) {
        page_print(page, INK_PLAIN, "no plan");
        return;
    }
    if (course_is(course, "idle")) {
        page_print(page, INK_PLAIN, "plan of %u step%s not begun", course->steps,
                   course->steps == 1 ? "" : "s");
        return;
    }
    if (course_is(course, "finished")) {
        page_print(page, INK_GOOD, "plan finished");
        return;
    }
    if (course_is(course, "waiting")) {
        bool is_asking = read_text(course->plan, "gate", "")[0] != '\0';

        state = is_asking ? "waiting for its hook" : "WAITING FOR YOU";
        ink = INK_CARE;
    } else if (course_is(course, "paused")) {
        state = "PAUSED";
        ink = INK_CARE;
    } else if (course_is(course, "rolled_back")) {
        state = "ROLLED BACK";
        ink = INK_BAD;
    }
    page_print(page, INK_PLAIN, "step %u of %u: ", course->step, course->steps);
    page_print(page, ink, "%.32s", state);
    if (course_is_running(course))
        page_print(page, INK_PLAIN, ", %s left", figure_duration(course_hold_left(course)).text);
}

/* ---- the track ---- */

static void track_now(struct page *page, const struct course *course, double hold)
{
    char weight[FIGURE_BYTES + 1];

    snprintf(weight, sizeof(weight), "%s",
             figure_percent(course_weight_of(course, course->step)).text);
    if (course_is(course, "rolled_back"))
        page_piece(page, INK_BAD, "%s ROLLED BACK HERE", weight);
    else if (course_is(course, "finished"))
        page_piece(page, INK_GOOD, "%s done", weight);
    else if (course_is(course, "waiting"))
        page_piece(page, INK_CARE, "%s NOW, waiting", weight);
    else
        page_piece(page, INK_STRONG, "%s NOW%s, %s of %s left", weight,
                   course_is(course, "paused") ? ", paused" : "",
                   figure_duration(course_hold_left(course)).text, figure_duration(hold).text);
}

static void track_step(struct page *page, const struct course *course, unsigned step)
{
    const json_t *each = course_step(course, step);
    bool is_on = course_is_under_way(course) || course_is(course, "finished");
    double hold = read_number(each, "hold_s");

    if (step == course->step)
        track_now(page, course, hold);
    else if (step < course->step && is_on)
        page_piece(page, INK_FAINT, "%s done", figure_percent(read_number(each, "weight")).text);
    else
        page_piece(page, INK_PLAIN, "%s%s for %s", figure_percent(read_number(each, "weight")).text,
                   step == course->step + 1 && is_on ? " next," : "", figure_duration(hold).text);
}

void course_track(struct page *page, const struct course *course)
{
    unsigned now = course->step > 0 ? course->step : 1;
    unsigned first = now > TRACK_AROUND ? now - TRACK_AROUND : 1;
    unsigned last = now + TRACK_AROUND < course->steps ? now + TRACK_AROUND : course->steps;

    if (json_array_size(json_object_get(course->plan, "step_list")) == 0)
        return;
    if (first > 1)
        page_piece(page, INK_FAINT, "%u before ->", first - 1);
    for (unsigned step = first; step <= last; step++) {
        page_print(page, INK_PLAIN, "%s", step == 1 ? "" : step == first ? " " : " -> ");
        track_step(page, course, step);
    }
    if (last < course->steps)
        page_print(page, INK_PLAIN, " -> %u more", course->steps - last);
}
