/* test_course.c - who has to act, and with which command, in every state of a plan. */
#include "cli/course.h"

#include "answers.h"

static struct page page;
static struct course course;
static json_t *status;

static void fini(void)
{
    page_deinit(&page);
    json_decref(status);
}

TestSuite(course, .fini = fini);

/* The main plan, with these members. */
static void read_plan(const char *members)
{
    fini();
    status = answer_plan(members);
    page_init(&page, PAGE_ENDLESS, false);
    course_at(&course, status, 0);
}

static void expect_act(const char *members, const char *text)
{
    read_plan(members);
    course_act(&page, &course);
    answer_expect_has(&page, text);
}

static void expect_track(const char *members, const char *text)
{
    read_plan(members);
    course_track(&page, &course);
    page_end(&page);
    cr_expect(str_eq(buf_str(&page.text), str_of(text)), "%.*s", STR_ARG(buf_str(&page.text)));
}

Test(course, the_track_says_where_it_is)
{
    expect_track("{}", "10 % done -> 30 % NOW, 4d 3h of 7d left -> 70 % next, for 7d -> 100 % for "
                       "14d\n");
    expect_track("{\"state\":\"idle\",\"step\":0}",
                 "10 % for 7d -> 30 % for 7d -> 70 % for 7d -> 100 % for 14d\n");
    expect_track("{\"state\":\"rolled_back\"}",
                 "10 % for 7d -> 30 % ROLLED BACK HERE -> 70 % for 7d -> 100 % for 14d\n");
    expect_track("{\"state\":\"finished\",\"step\":4}",
                 "10 % done -> 30 % done -> 70 % done -> 100 % done\n");
}

Test(course, a_long_track_is_shown_around_the_present_step)
{
    json_t *steps = json_array();

    read_plan("{\"step\":50}");
    for (int i = 1; i <= 100; i++)
        json_array_append_new(steps, json_pack("{s:i,s:i}", "weight", i, "hold_s", 60));
    json_object_set_new(json_object_get(status, "plan"), "step_list", steps);
    course_at(&course, status, 0);
    course_track(&page, &course);
    answer_expect_has(&page, "46 before -> 47 % done ->");
    answer_expect_has(&page, "-> 50 % NOW,");
    answer_expect_has(&page, "-> 53 % for 1m -> 47 more");
}

Test(course, nobody_has_to_act_while_a_hold_lasts)
{
    expect_act("{}", "nobody now. The hold ends in 4d 3h (");
    answer_expect_has(&page, "then you: cutover plan advance --step 2 (70 % of users to new)");
    expect_act("{\"advance\":\"auto\"}", "nobody: it goes on by itself in 4d 3h");
    expect_act("{\"advance\":\"auto\",\"hold_left_s\":0}", "nobody yet: the hold is over, and");
    expect_act("{\"state\":\"soaking\",\"step\":4,\"next_weight\":null}",
               "then you: cutover plan finish --step 4");
    expect_act("{\"state\":\"soaking\",\"step\":4,\"advance\":\"auto\"}",
               "nobody: the plan ends by itself in 4d 3h");
    expect_act("{\"state\":\"finished\",\"step\":4,\"note\":\"finished by ann\"}",
               "nobody: the plan is through (finished by ann)");
    expect_act("{\"gate\":\"before\",\"gate_detail\":\"503 not yet\"}",
               "nobody: the hook \"before\" is being asked, its last answer: 503 not yet. To go on "
               "without it: "
               "cutover plan advance --step 2 --force");
    cr_expect_not(course_needs_someone(&course));
}

Test(course, whoever_has_to_act_is_told_what_to_type)
{
    expect_act("{\"state\":\"waiting\",\"note\":\"the hold of step 2 is over: advance\"}",
               "YOU: the hold is over. Go on: cutover plan advance --step 2");
    answer_expect_has_not(&page, "Why");
    cr_expect(course_needs_someone(&course));
    expect_act("{\"state\":\"waiting\",\"step\":4,\"next_weight\":null}",
               "End the plan: cutover plan finish --step 4");
    expect_act(
        "{\"state\":\"waiting\",\"failed\":true,\"note\":\"the guard: errors\"}",
        "To go back: cutover rollback; to go on in spite of it: cutover plan advance --step 2 "
        "--force. Why: the guard: errors");
    expect_act("{\"state\":\"paused\"}", "YOU: paused, nothing goes on by itself. Go on: cutover "
                                         "plan resume --step 2");
    answer_expect_has_not(&page, "again");
    expect_act("{\"state\":\"rolled_back\",\"note\":\"the guard: 9 % errors\"}",
               "begin again: cutover plan start. Why: the guard: 9 % errors");
    expect_act("{\"state\":\"idle\",\"step\":0}", "nobody. To begin the plan: cutover plan start");
}

Test(course, a_weight_that_was_set_by_hand_is_told)
{
    read_plan("{\"state\":\"paused\"}");
    answer_with(status, "{\"weight\":20}");
    course_at(&course, status, 0);
    course_act(&page, &course);
    answer_expect_has(&page, "(sets 30 % of this step again; it is 20 % now)");
}

Test(course, plans_of_routes)
{
    read_plan("{}");
    cr_expect_eq(course_count(status), 2);
    cr_expect_not(course_find(&course, status, "hooks"));
    cr_expect_not(course_find(&course, status, "none"));
    cr_expect(course_find(&course, status, "products"));
    cr_expect_eq(course.weight, 20);
    course_act(&page, &course);
    answer_expect_has(&page, "cutover plan start --route products");
}

Test(course, a_name_that_could_do_harm_never_stands_in_a_command)
{
    read_plan("{\"state\":\"waiting\"}");
    course.route = "x; rm -rf $HOME";
    course_act(&page, &course);
    answer_expect_has(&page, "--step 2 --route '?'");
    answer_expect_has_not(&page, "rm");
}

Test(course, the_guard)
{
    read_plan("{\"verdict\":\"fail\",\"strikes\":2,\"verdict_reason\":\"errors: new 9 %\"}");
    course_verdict(&page, course.plan);
    course_guard(&page, &course);
    answer_expect_has(&page,
                      "fail: errors: new 9 %. Strike 2 of 3: at the last one the weight goes "
                      "back to 0 by itself");
    read_plan("{\"verdict\":\"inconclusive\",\"requests_needed\":1200,\"seconds_needed\":null,"
              "\"warm_up_left_s\":12,\"failing_over\":true,\"failed\":true}");
    course_verdict(&page, course.plan);
    course_guard(&page, &course);
    answer_expect_has(&page, "1,200 more requests are needed");
    answer_expect_has_not(&page, "present rate");
    answer_expect_has(&page, "HAS FAILED");
    answer_expect_has(&page, "nothing is judged for 12s");
    answer_expect_has(&page, "FAIL OVER");
}

Test(course, failing_over_is_said_once)
{
    read_plan("{\"verdict\":\"inconclusive\",\"verdict_cause\":\"failing_over\","
              "\"verdict_reason\":\"neither side has a server\",\"failing_over\":true}");
    course_verdict(&page, course.plan);
    course_guard(&page, &course);
    answer_expect_has(&page, "neither side has a server");
    answer_expect_has_not(&page, "FAIL OVER");
}

Test(course, a_window_that_is_too_short_is_told)
{
    read_plan("{\"verdict\":\"inconclusive\",\"requests_needed\":1200,\"seconds_needed\":600,"
              "\"window_needed_s\":900}");
    course_verdict(&page, course.plan);
    answer_expect_has(&page, "at the present rate it takes a guard.window of 15m");
    answer_expect_has_not(&page, "10m");
}

Test(course, a_plan_that_waits_for_its_hook_waits_for_nobody)
{
    read_plan("{\"state\":\"waiting\",\"gate\":\"before\"}");
    course_brief(&page, &course);
    answer_expect_has(&page, "step 2 of 4: waiting for its hook");
}

Test(course, what_an_order_has_led_to)
{
    read_plan("{}");
    course_outcome(&page, &course);
    answer_expect_has(&page, "step 2 of 4: 30 % of users are on new now; held for 4d 3h (until ");
    answer_expect_has(&page, "next: cutover plan advance --step 2");
    read_plan("{\"gate\":\"before\"}");
    course_outcome(&page, &course);
    answer_expect_has(&page, "the hook \"before\" is being asked first");
    read_plan("{\"state\":\"idle\",\"step\":0}");
    course_outcome(&page, &course);
    answer_expect_has(&page, "the plan has ended; the weight stays at 30 %");
}

Test(course, nonsense_is_no_plan)
{
    static const char *const wrong[] = {"{\"step\":-4}",
                                        "{\"step\":1e300}",
                                        "{\"step\":\"two\"}",
                                        "{\"step_list\":7}",
                                        "{\"steps\":-1,\"step_list\":null}",
                                        "{\"state\":17}",
                                        "{\"hold_left_s\":-1e300}",
                                        "{\"step_list\":[1,null,\"x\",{}]}",
                                        "{\"strikes\":1e300,\"strikes_max\":-1}"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        read_plan(wrong[i]);
        course_brief(&page, &course);
        course_track(&page, &course);
        course_act(&page, &course);
        course_guard(&page, &course);
        course_outcome(&page, &course);
    }
}
