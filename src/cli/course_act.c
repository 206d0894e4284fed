/*
 * course_act.c - who has to act and how; what the guard says; what an order has led to.
 */
#include <string.h>

#include "cli/course.h"
#include "cli/figures.h"
#include "cli/read.h"

/* ---- who has to act ---- */

static void say_onward(struct page *page, const struct course *course, const char *more)
{
    bool has_begun = course_is_under_way(course);

    course_command(page, course,
                   !has_begun               ? "start"
                   : course_is_last(course) ? "finish"
                                            : "advance",
                   more);
}

static void say_next_weight(struct page *page, const struct course *course)
{
    const json_t *next = json_object_get(course->plan, "next_weight");

    if (json_is_number(next))
        page_print(page, INK_PLAIN, " (%s of users to new)",
                   figure_percent(json_number_value(next)).text);
}

static void act_in_hold(struct page *page, const struct course *course)
{
    double left = course_hold_left(course);

    if (course_is_auto(course) && course_is_last(course) && left > 0) {
        page_print(page, INK_PLAIN,
                   "nobody: the plan ends by itself in %s (%s), if the verdict is "
                   "pass then",
                   figure_duration(left).text, figure_moment(left).text);
    } else if (course_is_auto(course) && left > 0) {
        page_print(page, INK_PLAIN,
                   "nobody: it goes on by itself in %s (%s), if the verdict is "
                   "pass then",
                   figure_duration(left).text, figure_moment(left).text);
        say_next_weight(page, course);
    } else if (course_is_auto(course)) {
        page_print(page, INK_CARE,
                   "nobody yet: the hold is over, and it goes on as soon as the "
                   "verdict is pass and no side fails over. Without waiting for that: ");
        say_onward(page, course, "");
    } else {
        page_print(page, INK_PLAIN,
                   "nobody now. The hold ends in %s (%s); then you: ", figure_duration(left).text,
                   figure_moment(left).text);
        say_onward(page, course, "");
        say_next_weight(page, course);
    }
}

static void act_in_wait(struct page *page, const struct course *course)
{
    if (read_bool(course->plan, "failed", false)) {
        page_print(page, INK_BAD, "YOU: new has failed its guard.");
        page_print(page, INK_PLAIN, " To go back: ");
        page_piece(page, INK_STRONG, "cutover rollback");
        page_print(page, INK_PLAIN, "%s; to go on in spite of it: ",
                   strcmp(course->route, "main") == 0 ? "" : " (every weight)");
        say_onward(page, course, " --force");
        return;
    }
    page_print(page, INK_CARE, "YOU: ");
    if (course_is_last(course))
        page_print(page, INK_PLAIN, "the last hold is over. End the plan: ");
    else
        page_print(page, INK_PLAIN, "the hold is over. Go on: ");
    say_onward(page, course, "");
    say_next_weight(page, course);
}

static void act_in_pause(struct page *page, const struct course *course)
{
    double own = course_weight_of(course, course->step);

    page_print(page, INK_CARE, "YOU: ");
    page_print(page, INK_PLAIN, "paused, nothing goes on by itself. Go on: ");
    course_command(page, course, "resume", "");
    if (own != course->weight)
        page_print(page, INK_PLAIN, " (sets %s of this step again; it is %s now)",
                   figure_percent(own).text, figure_percent(course->weight).text);
}

static void act_by_state(struct page *page, const struct course *course)
{
    if (course_is_running(course)) {
        act_in_hold(page, course);
    } else if (course_is(course, "waiting")) {
        act_in_wait(page, course);
    } else if (course_is(course, "paused")) {
        act_in_pause(page, course);
    } else if (course_is(course, "rolled_back")) {
        page_print(page, INK_BAD, "YOU: ");
        page_print(page, INK_PLAIN, "find out why. When it is mended, begin again: ");
        course_command(page, course, "start", "");
    } else if (course_is(course, "finished")) {
        page_print(page, INK_PLAIN, "nobody: the plan is through");
    } else {
        page_print(page, INK_PLAIN, "nobody. To begin the plan: ");
        course_command(page, course, "start", "");
    }
}

/* That the hold is over has been said. */
static bool says_more(const char *note)
{
    return note[0] != '\0' && strncmp(note, "the hold of ", strlen("the hold of ")) != 0;
}

/* A hook that says no is asked again and again. */
static void act_at_gate(struct page *page, const struct course *course, const char *gate)
{
    const char *detail = read_text(course->plan, "gate_detail", "");

    page_print(page, INK_CARE, "nobody: the hook \"%.16s\" is being asked", gate);
    if (detail[0] == '\0')
        return;
    page_print(page, INK_PLAIN, ", its last answer: %.200s. To go on without it: ", detail);
    say_onward(page, course, " --force");
}

void course_act(struct page *page, const struct course *course)
{
    const char *gate = read_text(course->plan, "gate", "");
    const char *note = read_text(course->plan, "note", "");

    if (gate[0] != '\0')
        act_at_gate(page, course, gate);
    else
        act_by_state(page, course);
    if (says_more(note))
        page_print(page, INK_PLAIN, "%s%.300s%s", course_needs_someone(course) ? ". Why: " : " (",
                   note, course_needs_someone(course) ? "" : ")");
}

/* ---- verdict and guard ---- */

void course_verdict(struct page *page, const json_t *compared)
{
    bool is_plan = json_object_get(compared, "verdict_reason") != NULL;
    const char *verdict = read_text(compared, "verdict", "none yet");
    const char *reason = read_text(compared, is_plan ? "verdict_reason" : "reason", "");
    enum ink ink = strcmp(verdict, "pass") == 0   ? INK_GOOD
                   : strcmp(verdict, "fail") == 0 ? INK_BAD
                                                  : INK_CARE;
    const json_t *needed = json_object_get(compared, "requests_needed");
    const json_t *seconds = json_object_get(compared, "seconds_needed");
    const json_t *longer = json_object_get(compared, "window_needed_s");

    page_print(page, ink, "%.16s", verdict);
    if (reason[0] != '\0')
        page_print(page, INK_PLAIN, ": %.300s", reason);
    if (strcmp(verdict, "inconclusive") != 0 || !(json_number_value(needed) > 0))
        return;
    page_print(page, INK_PLAIN, ". %s more requests are needed",
               figure_count(json_number_value(needed)).text);
    if (json_is_number(longer))
        page_print(
            page, INK_CARE,
            "; the guard looks back too short a time for that: at the present rate it takes a "
            "guard.window of %s",
            figure_duration(json_number_value(longer)).text);
    else if (json_is_number(seconds))
        page_print(page, INK_PLAIN, ", about %s at the present rate",
                   figure_duration(json_number_value(seconds)).text);
}

void course_guard(struct page *page, const struct course *course)
{
    double strikes = read_number(course->plan, "strikes");
    double warm_up = read_number(course->plan, "warm_up_left_s");
    bool takes_back = strcmp(read_text(course->plan, "on_fail", ""), "rollback") == 0;

    if (read_bool(course->plan, "failed", false)) {
        if (course_is(course, "waiting"))
            return; /* course_act has said it */
        page_print(page, INK_BAD,
                   ". The guard HAS FAILED, and stays so until the plan is started "
                   "or forced on");
    } else if (strikes > 0) {
        page_print(page, INK_BAD, ". Strike %.0f of %.0f: at the last one %s", strikes,
                   read_number(course->plan, "strikes_max"),
                   takes_back ? "the weight goes back to 0 by itself"
                              : "the plan stops and waits for you");
    }
    if (warm_up > 0)
        page_print(page, INK_PLAIN, ". Warming up: nothing is judged for %s",
                   figure_duration(warm_up).text);
    /* As the verdict's cause it has been said already. */
    if (read_bool(course->plan, "failing_over", false) &&
        strcmp(read_text(course->plan, "verdict_cause", ""), "failing_over") != 0)
        page_print(page, INK_CARE, ". Requests FAIL OVER from one side to the other now");
}

/* ---- what an order has led to ---- */

static void outcome_in_hold(struct page *page, const struct course *course)
{
    const char *gate = read_text(course->plan, "gate", "");
    double left = course_hold_left(course);
    bool is_main = strcmp(course->route, "main") == 0;

    page_print(page, INK_PLAIN, "step %u of %u: %s of users%s%.64s are on new now; ", course->step,
               course->steps, figure_percent(course->weight).text, is_main ? "" : " of ",
               is_main ? "" : course->route);
    if (gate[0] != '\0') {
        page_print(page, INK_CARE,
                   "the hook \"%.16s\" is being asked first, and the weight changes "
                   "when it says yes. See how it goes: ",
                   gate);
        page_piece(page, INK_STRONG, "cutover watch");
        return;
    }
    page_print(page, INK_PLAIN, "held for %s (until %s); ", figure_duration(left).text,
               figure_moment(left).text);
    if (course_is_auto(course)) {
        page_print(page, INK_PLAIN, "then it %s by itself if the verdict is pass",
                   course_is_last(course) ? "ends" : "goes on");
        return;
    }
    page_print(page, INK_PLAIN, "next: ");
    say_onward(page, course, "");
}

void course_outcome(struct page *page, const struct course *course)
{
    const char *gate = read_text(course->plan, "gate", "");

    if (course_is_running(course)) {
        outcome_in_hold(page, course);
    } else if (course_is(course, "paused")) {
        page_print(page, INK_PLAIN,
                   "paused in step %u of %u: %s of users are on new; %s of the "
                   "hold are left; next: ",
                   course->step, course->steps, figure_percent(course->weight).text,
                   figure_duration(course_hold_left(course)).text);
        course_command(page, course, "resume", "");
    } else if (course_is(course, "finished")) {
        page_print(page, INK_PLAIN, "the plan is finished: %s of users are on new",
                   figure_percent(course->weight).text);
    } else if (gate[0] != '\0') {
        page_print(page, INK_CARE,
                   "the hook \"%.16s\" is being asked first, and the weight (%s) "
                   "changes when it says yes. See how it goes: ",
                   gate, figure_percent(course->weight).text);
        page_piece(page, INK_STRONG, "cutover watch");
    } else if (course_is(course, "idle")) {
        page_print(page, INK_PLAIN, "the plan has ended; the weight stays at %s; to begin again: ",
                   figure_percent(course->weight).text);
        course_command(page, course, "start", "");
    } else {
        course_act(page, course);
    }
}
