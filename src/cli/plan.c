/*
 * plan.c - no verb, or `show`: the tables of the plans, out of GET /v1/status; else one call, and
 * where the plan is afterwards.
 */
#include "cli/plan.h"

#include "base/check.h"
#include "cli/call.h"
#include "cli/course.h"
#include "cli/figures.h"
#include "cli/read.h"
#include "cli/show.h"
#include "cli/verbs.h"

/* ---- the table ---- */

static const char *hooks_of(const json_t *step)
{
    bool before = read_bool(step, "before", false), after = read_bool(step, "after", false);

    return before && after ? "before, after" : before ? "before" : after ? "after" : "-";
}

static void print_place(struct page *page, const struct course *course)
{
    bool has_ended = course_is(course, "finished");

    if (has_ended)
        page_print(page, INK_GOOD, "done");
    else if (course_is(course, "rolled_back"))
        page_print(page, INK_BAD, "rolled back here");
    else if (course_is(course, "waiting"))
        page_print(page, INK_CARE, "NOW: waiting for you, held %s",
                   figure_duration(read_number(course->plan, "held_s")).text);
    else
        page_print(page, INK_STRONG, "NOW%s: held %s, %s left%s",
                   course_is(course, "paused") ? ", paused" : "",
                   figure_duration(read_number(course->plan, "held_s")).text,
                   figure_duration(read_number(course->plan, "hold_left_s")).text,
                   course_is(course, "paused") ? " (the clock stands)" : "");
}

static void print_until(struct page *page, const struct course *course)
{
    double left = read_number(course->plan, "hold_left_s");

    if (course_is_running(course))
        page_print(page, INK_PLAIN, ", until %s", figure_moment(left).text);
}

static void print_step(struct page *page, const struct course *course, unsigned number)
{
    const json_t *step = course_step(course, number);
    bool is_here = number == course->step;

    page_cell(page, INK_STRONG, 1, "%s", is_here ? ">" : "");
    page_cell(page, INK_PLAIN, -4, "%u", number);
    page_cell(page, INK_PLAIN, -8, "%s", figure_percent(read_number(step, "weight")).text);
    page_cell(page, INK_PLAIN, -8, "%s", figure_duration(read_number(step, "hold_s")).text);
    page_print(page, INK_PLAIN, " ");
    page_cell(page, INK_PLAIN, 13, "%s", hooks_of(step));
    page_hang(page);
    if (is_here) {
        print_place(page, course);
        print_until(page, course);
    } else if (number < course->step &&
               (course_is_under_way(course) || course_is(course, "finished"))) {
        page_print(page, INK_FAINT, "done");
    } else if (number == course->step + 1 && course_is_under_way(course)) {
        page_print(page, INK_PLAIN, "next");
    }
    page_end(page);
}

static void print_plan(struct page *page, const struct course *course)
{
    page_print(page, INK_STRONG, "%.64s", course->route);
    page_print(page, INK_PLAIN, " (%s on new now), ", figure_percent(course->weight).text);
    course_brief(page, course);
    page_end(page);
    if (course->steps == 0) {
        page_line(page, INK_PLAIN,
                  "There is no plan in the configuration (plan: {steps: ...}); "
                  "weights are set by hand: cutover weight 30");
        return;
    }
    page_end(page);
    page_line(page, INK_FAINT, "  STEP   WEIGHT     HOLD  HOOKS         WHERE");
    for (unsigned i = 1; i <= course->steps; i++)
        print_step(page, course, i);
    page_end(page);
    page_label(page, "advance");
    page_print(page, INK_PLAIN, "%.16s; when the guard fails: %.16s",
               read_text(course->plan, "advance", "manual"),
               read_text(course->plan, "on_fail", "?"));
    page_label(page, "act");
    course_act(page, course);
    if (course_is_under_way(course)) {
        page_label(page, "verdict");
        course_verdict(page, course->plan);
        course_guard(page, course);
    }
    page_end(page);
}

bool plan_show(struct page *page, const json_t *status, const char *route)
{
    unsigned count = course_count(status);
    struct course course;

    if (!json_is_object(json_object_get(status, "plan")))
        return false;
    if (route != NULL) {
        if (course_find(&course, status, route))
            print_plan(page, &course);
        else
            page_line(page, INK_PLAIN, "the route \"%.64s\" has no plan of its own", route);
        return true;
    }
    for (unsigned i = 0; i < count; i++) {
        course_at(&course, status, i);
        if (i > 0)
            page_end(page);
        print_plan(page, &course);
    }
    return true;
}

bool plan_show_outcome(struct page *page, const json_t *status, const char *route)
{
    struct course course;

    if (!json_is_object(json_object_get(status, "plan")) || !course_find(&course, status, route))
        return false;
    course_outcome(page, &course);
    page_end(page);
    show_warnings(page, status, true);
    return true;
}

/* ---- as JSON ---- */

/* {"plans":[{"route":"main","weight_now":30, ...}]} */
static json_t *plans_of(const json_t *status, const char *route)
{
    json_t *answer = json_object(), *plans = json_array();
    unsigned count = course_count(status);
    struct course course;

    for (unsigned i = 0; i < count; i++) {
        course_at(&course, status, i);
        json_t *plan = json_deep_copy(course.plan);
        if (!json_is_object(plan) || (route != NULL && strcmp(route, course.route) != 0)) {
            json_decref(plan);
            continue;
        }
        json_object_set_new(plan, "route", json_string(course.route));
        json_object_set_new(plan, "weight_now", json_real(course.weight));
        json_array_append_new(plans, plan);
    }
    json_object_set_new(answer, "plans", plans);
    return answer;
}

static bool print_json(const struct client_answer *answer, const char *route)
{
    json_t *status = read_json(buf_str(&answer->body));

    if (status == NULL)
        return false;
    json_t *plans = plans_of(status, route);
    char *text = json_dumps(plans, JSON_COMPACT | JSON_REAL_PRECISION(6));
    bool is_text = text != NULL;
    if (is_text)
        printf("%s\n", text);
    mem_free(text);
    json_decref(plans);
    json_decref(status);
    return is_text;
}

/* ---- the verb ---- */

static bool on_status(const struct cli_options *options, const json_t *status, struct page *page)
{
    return plan_show(page, status, options->routes.items[0]);
}

static bool on_order(const struct cli_options *options, const json_t *status, struct page *page)
{
    return plan_show_outcome(page, status, options->routes.items[0]);
}

static int show_plans(const struct cli_options *options)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    int code;

    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!call_ask(&login, options, "GET", "/v1/status", NULL, &answer, &error))
        code = call_failed(options, &error);
    else if (options->json && answer.status == 200)
        code = print_json(&answer, options->routes.items[0]) ? CLI_DONE : CLI_FAILED;
    else
        code = call_tell(options, &answer, on_status);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}

static int order(const struct cli_options *options, const char *verb, const uint64_t *step)
{
    const char *route = options->routes.items[0];
    char path[48];
    struct buf body;
    struct json json;

    call_body_begin(options, &body, &json);
    if (step != NULL)
        json_u64(&json, "step", *step);
    if (route != NULL)
        json_text(&json, "route", route);
    if (options->force)
        json_bool(&json, "force", true);
    json_object_end(&json);
    snprintf(path, sizeof(path), "/v1/plan/%s", verb);
    int code = call_api(options, "POST", path, &body, on_order);
    buf_deinit(&body);
    return code;
}

static int show_all(const struct cli_options *options)
{
    if (options->step != NULL || options->force || options->reason != NULL)
        return usage_error(options, "--step, --force and --reason go with start, pause, resume, "
                                    "advance, abort or finish");
    return show_plans(options);
}

int verb_plan(const struct cli_options *options)
{
    static const char *const verbs_of[] = {"start",   "pause", "resume",
                                           "advance", "abort", "finish"};
    const char *verb = options->argument_count == 0 ? "show" : options->arguments[0];
    uint64_t step = 0;

    if (options->step != NULL && !str_to_u64(str_of(options->step), &step))
        return usage_error(options,
                           "--step: expected the number of a step, 0 before the first, got "
                           "\"%s\"",
                           options->step);
    if (strcmp(verb, "show") == 0)
        return show_all(options);
    for (unsigned i = 0; i < ARRAY_LEN(verbs_of); i++)
        if (strcmp(verb, verbs_of[i]) == 0)
            return order(options, verbs_of[i], options->step == NULL ? NULL : &step);
    return usage_error(
        options, "expected start, pause, resume, advance, abort, finish or show, got \"%s\"", verb);
}
