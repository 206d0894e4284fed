#include "cli/screen.h"

#include "answers.h"
#include "cli/board.h"
#include "cli/compare.h"
#include "cli/freeze.h"
#include "cli/plan.h"
#include "cli/show.h"

static struct page page;
static json_t *status, *compare;

static void init(void)
{
    compare = answer_compare();
    page_init(&page, 80, false);
}

static void fini(void)
{
    page_deinit(&page);
    json_decref(status);
    json_decref(compare);
}

TestSuite(screen, .init = init, .fini = fini);

static unsigned count_lines(const struct page *shown)
{
    unsigned count = 0;

    for (size_t i = 0; i < buf_len(&shown->text); i++)
        count += buf_str(&shown->text).data[i] == '\n' ? 1 : 0;
    return count;
}

static void expect_first_line(const char *text)
{
    struct str all = buf_str(&page.text);
    struct str line = str_slice(all, 0, (size_t)str_find_char(all, '\n', 0));

    cr_expect(str_eq(line, str_of(text)), "%.*s", STR_ARG(line));
}

Test(screen, the_first_line_says_all)
{
    status = answer_status();
    cr_assert(screen_status(&page, status, compare, true));
    expect_first_line("30 % on new | step 2 of 4: holding, 4d 3h left | verdict pass");
}

Test(screen, the_first_line_fits_also_at_the_worst)
{
    status = answer_with(answer_plan("{\"state\":\"waiting\",\"verdict\":\"inconclusive\"}"),
                         "{\"weight\":12.34,\"freeze\":{\"on\":true,\"since\":"
                         "\"2026-11-25T13:00:04.123Z\",\"retry_after_s\":30,\"routes\":[],"
                         "\"writes_open\":1}}");
    cr_assert(screen_status(&page, status, compare, true));
    expect_first_line(
        "12.34 % on new | step 2 of 4: WAITING FOR YOU | verdict inconclusive | FROZEN");
    answer_expect_has(&page, "ON since 11-25 13:00:04 UTC: writes on all routes");
    answer_expect_has(&page, "1 write is still open");
}

Test(screen, a_plan_under_way_fits_into_24_rows)
{
    status = answer_status();
    cr_assert(screen_status(&page, status, compare, true));
    cr_expect_leq(count_lines(&page), 24, "%.*s", STR_ARG(buf_str(&page.text)));
    answer_expect_has(&page, "act       nobody now.");
    answer_expect_has(&page, "rollback  ready");
    answer_expect_has(&page,
                      "old   railway      ready up          1,204       3    0.1 %   120 ms");
    answer_expect_has(&page,
                      "new   lightsail    ready up            512      14   0.83 %   110 ms");
    answer_expect_has(&page, "http://10.0.0.6:3000");
    answer_expect_has(&page, "hooks                always to old (pinned)");
    answer_expect_has(&page,
                      "changed   11-21 10:00:00 UTC by ann@desk: weight of main, 10 % -> 30 %");
    answer_expect_has(&page, "generation 7");
}

Test(screen, the_last_change_says_of_what)
{
    static const char *const changes[][2] = {
        {"\"what\":\"rollback\",\"route\":null,\"from\":30,\"to\":0",
         "by ann: rollback of all weights, 30 % -> 0 %"},
        {"\"what\":\"rollback\",\"route\":\"products\",\"from\":30,\"to\":0",
         "by ann: rollback of products, 30 % -> 0 %"},
        {"\"what\":\"weight\",\"route\":\"main\",\"from\":10,\"to\":10",
         "by ann: weight of main, stays at 10 %"},
    };
    for (size_t i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof(text), "{\"last_change\":{\"actor\":\"ann\",%s}}", changes[i][0]);
        json_decref(status);
        status = answer_with(answer_status(), text);
        cr_assert(screen_status(&page, status, compare, true));
        answer_expect_has(&page, changes[i][1]);
    }
}

Test(screen, nothing_is_compared_with_no_requests)
{
    answer_with(json_object_get(json_object_get(compare, "backends"), "new"), "{\"requests\":0}");
    cr_assert(compare_show(&page, compare));
    answer_expect_has(&page, "errors, new - old  nothing to compare: one side has no requests");
    answer_expect_has_not(&page, "points");
}

Test(screen, without_a_plan_and_without_a_comparison)
{
    status = answer_plan("{\"state\":\"idle\",\"step\":0,\"steps\":0,\"step_list\":[],"
                         "\"verdict\":null}");
    cr_assert(screen_status(&page, status, NULL, true));
    expect_first_line("30 % on new | no plan");
    answer_expect_has(&page, "none in the configuration: weights are set by hand");
    answer_expect_has_not(&page, "verdict");
    answer_expect_has_not(&page, "P95");
}

Test(screen, what_is_wrong_is_loud)
{
    status =
        answer_with(answer_plan("{\"state\":\"rolled_back\"}"),
                    "{\"rollback_ready\":false,\"rollback_not_ready_reason\":\"old is in "
                    "maint\",\"durable\":false,\"draining\":true,\"warnings\":[\"mind this\"]}");
    cr_assert(screen_status(&page, status, compare, false));
    answer_expect_has(&page, "ROLLED BACK");
    answer_expect_has(&page, "rollback  NOT READY: old is in maint");
    answer_expect_has(&page, "WARNING   not on disk yet");
    answer_expect_has(&page, "WARNING   the proxy is draining");
    answer_expect_has(&page, "WARNING   mind this");
    answer_expect_has(&page, "http://10.0.0.6:3000");
    answer_expect_has_not(&page, "http://10.0.0.5:3000"); /* is well */
}

Test(screen, the_plans_of_routes_that_wait_are_told_too)
{
    status = answer_status();
    json_t *route = json_array_get(json_object_get(status, "routes"), 2);
    answer_with(json_object_get(route, "plan"), "{\"state\":\"waiting\",\"step\":1}");
    cr_assert(screen_status(&page, status, compare, true));
    answer_expect_has(&page, "act       products, step 1 of 1: YOU:");
    answer_expect_has(&page, "cutover plan finish --step 1 --route products");
}

/* Every text of the answer is as bad as can be. */
static void poison(json_t *json)
{
    static const char bad[] =
        "\x1b[2J\x1b]0;x\x07\nWARNING   fake\r\x7f\xc2\x9b"
        "31m a-very-long-word-that-does-not-fit-anywhere-at-all-and-goes-on-and-on";
    const char *key;
    json_t *value;
    size_t index;

    if (json_is_string(json))
        json_string_set(json, bad);
    else if (json_is_array(json))
        json_array_foreach(json, index, value) poison(value);
    else if (json_is_object(json))
        json_object_foreach(json, key, value) poison(value);
}

static void expect_tame(const struct page *shown)
{
    struct str rest = buf_str(&shown->text);
    ptrdiff_t end;

    for (size_t i = 0; i < rest.len; i++)
        cr_assert(rest.data[i] == '\n' || (rest.data[i] >= 0x20 && rest.data[i] < 0x7f));
    while ((end = str_find_char(rest, '\n', 0)) >= 0) {
        cr_assert_leq((size_t)end, shown->width, "%.*s", (int)end, rest.data);
        cr_assert_not(str_starts_with(rest, STR("WARNING   fake")));
        rest = str_slice(rest, (size_t)end + 1, rest.len);
    }
}

static void show_all(unsigned width, json_t *event)
{
    struct page all;

    page_init(&all, width, false);
    (void)screen_status(&all, status, compare, true);
    (void)plan_show(&all, status, NULL);
    (void)plan_show_outcome(&all, status, NULL);
    (void)compare_show(&all, compare);
    (void)freeze_show(&all, status);
    (void)show_rollback(&all, status);
    (void)show_weight_change(&all, status);
    show_event(&all, event, false);
    all.is_cut = true;
    show_event(&all, event, true);
    expect_tame(&all);
    page_deinit(&all);
}

Test(screen, hostile_texts_stay_tame_at_any_width)
{
    json_t *event = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "at", "", "what", "", "subject",
                              "", "from", "", "to", "", "actor", "", "reason", "", "id", 3);

    status =
        answer_with(answer_plan("{\"gate\":\"x\",\"note\":\"x\"}"),
                    "{\"warnings\":[\"x\",\"y\"],\"freeze\":{\"on\":true,\"since\":\"x\","
                    "\"routes\":[\"x\"]},\"rollback\":{\"to\":0,\"pinned_to_new\":[\"x\"]},"
                    "\"change\":{\"route\":\"x\",\"from\":1,\"to\":2},\"rollback_ready\":false,"
                    "\"rollback_not_ready_reason\":\"x\"}");
    poison(status);
    poison(compare);
    poison(event);
    for (unsigned width = 1; width < 140; width++)
        show_all(width, event);
    json_decref(event);
}

Test(screen, an_answer_of_another_kind_is_refused)
{
    status = json_pack("{s:i}", "backends", 3);
    cr_expect_not(screen_status(&page, status, NULL, true));
    cr_expect_not(screen_status(&page, NULL, NULL, true));
    cr_expect_not(plan_show(&page, status, NULL));
    cr_expect_not(plan_show_outcome(&page, status, NULL));
    cr_expect_not(compare_show(&page, status));
    cr_expect_not(freeze_show(&page, status));
    cr_expect_not(show_rollback(&page, status));
    cr_expect_not(show_weight_change(&page, status));
}

/* ---- what the verbs print ---- */

Test(screen, both_sides_in_a_table)
{
    cr_assert(compare_show(&page, compare));
    answer_expect_has(&page, "requests           12,034                     120\n");
    answer_expect_has(&page, "errors             12 (0.1 %)                 1 (0.83 %)\n");
    answer_expect_has(&page, "  with 95 %        0.05 % to 0.17 %           0.02 % to 4.5 %\n");
    answer_expect_has(&page, "  connect          0                          1\n");
    answer_expect_has(&page, "  5xx              9                          0\n");
    answer_expect_has_not(&page, "tls");
    answer_expect_has(&page, "not judged: 404    12                         1\n");
    answer_expect_has(&page, "connect            1.2 ms, 3.0 ms, 8.0 ms     -, -, -\n");
    answer_expect_has(&page,
                      "first byte         40 ms, 120 ms, 300 ms      38 ms, 110 ms, 280 ms\n");
    answer_expect_has(&page, "+0.73 points (95 %: -0.10 to +4.40), limit +0.5, at most 1 %");
    answer_expect_has(&page, "0.92 x (95 %: 0.80 to 1.10), limit 2; -10.0 ms, limit +200");
    answer_expect_has(&page, "are needed, about 14m 3s at the present rate");
}

Test(screen, the_table_of_a_plan)
{
    status = answer_status();
    cr_assert(plan_show(&page, status, "main"));
    answer_expect_has(&page, "     1     10 %       7d  -             done\n");
    answer_expect_has(
        &page, ">    2     30 %       7d  before        NOW: held 2d 21h, 4d 3h left, until\n");
    answer_expect_has(&page, "     3     70 %       7d  after         next\n");
    answer_expect_has_not(&page, "products");
}

Test(screen, a_rollback_names_what_stays)
{
    status = answer_with(answer_plan("{\"state\":\"rolled_back\"}"),
                         "{\"weight\":0,\"rollback\":{\"to\":0,\"pinned_to_new\":[\"beta\"]}}");
    cr_assert(show_rollback(&page, status));
    answer_expect_has(&page, "rolled back: every weight is 0 %\n");
    answer_expect_has(
        &page, "plan of main: rolled back in step 2 of 4; to begin again: cutover plan start");
    answer_expect_has_not(&page, "plan of products");
    answer_expect_has(&page, "EXCEPT route beta");
    answer_expect_has(&page, "14 open WebSockets on new stay there until closed");
}

Test(screen, a_freeze_says_when_the_copy_can_begin)
{
    status =
        answer_with(answer_status(), "{\"freeze\":{\"on\":true,\"retry_after_s\":60,\"routes\":"
                                     "[\"api\",\"main\"],\"writes_open\":2}}");
    cr_assert(freeze_show(&page, status));
    answer_expect_has(&page, "writes on api, main are answered 503, Retry-After 60;");
    answer_expect_has(&page, "2 writes are still open: the copy can begin when there is none");
}

/* ---- watch ---- */

static struct board board;

static void take(const char *kind, const char *text)
{
    cr_assert(board_take(&board, str_of(kind), str_of(text), 1000), "%s", text);
}

static void begin_board(void)
{
    char *text;

    status = answer_status();
    text = json_dumps(status, 0);
    board_init(&board, "http://127.0.0.1:9901");
    take("status", text);
    free(text);
    for (int i = 1; i <= 40; i++) {
        char event[200];
        snprintf(event, sizeof(event),
                 "{\"id\":%d,\"at\":\"2026-11-21T10:00:00.000Z\",\"what\":"
                 "\"plan\",\"subject\":\"main\",\"to\":\"event-%d\"}",
                 i, i);
        take("event", event);
    }
}

Test(screen, a_window_of_any_size_is_filled_and_never_more)
{
    begin_board();
    for (unsigned rows = 1; rows < 60; rows++) {
        struct page window;

        page_init(&window, 79, false);
        board_draw(&board, &window, rows, 1500);
        cr_expect_leq(count_lines(&window), rows, "%u", rows);
        expect_tame(&window);
        if (rows >= 2)
            answer_expect_has(&window, "q quits");
        if (rows >= 20)
            answer_expect_has(&window, "event-40");
        page_deinit(&window);
    }
    board_deinit(&board);
}

Test(screen, events_that_come_again_are_shown_once)
{
    const char *event = "{\"id\":40,\"at\":\"2026-11-21T10:00:00.000Z\",\"what\":\"plan\"}";

    begin_board();
    cr_expect_not(board_take(&board, STR("event"), str_of(event), 1000));
    cr_expect_not(board_take(&board, STR("event"), STR("no JSON"), 1000));
    cr_expect_not(board_take(&board, STR("status"), STR("[1]"), 1000));
    cr_expect_eq(board.event_count, BOARD_EVENTS);
    board_deinit(&board);
}

Test(screen, what_is_compared_of_a_route_is_not_taken_for_the_main_weight)
{
    begin_board();
    char *text = json_dumps(compare, 0);
    take("compare", text);
    free(text);
    take("compare", "{\"route\":\"products\",\"window_s\":20,\"verdict\":\"fail\"}");
    cr_expect_str_eq(json_string_value(json_object_get(board.compare, "route")), "main");
    cr_expect_not(board_take(&board, STR("compare"), STR("no JSON"), 1000));
    cr_expect_str_eq(json_string_value(json_object_get(board.compare, "route")), "main");
    board_deinit(&board);
}

Test(screen, silence_is_told_with_its_age_and_ends)
{
    begin_board();
    take("trouble", "Connection refused");
    board_draw(&board, &page, 30, 1000 + BOARD_SILENT_MS - 1);
    answer_expect_has_not(&page, "NO ANSWER");
    board_draw(&board, &page, 30, 6400);
    answer_expect_has(&page, "NO ANSWER since 5s: Connection refused\n");
    page_deinit(&page);
    page_init(&page, 80, false);
    char *text = json_dumps(status, 0);
    cr_assert(board_take(&board, STR("status"), str_of(text), 7000));
    free(text);
    board_draw(&board, &page, 30, 7100);
    answer_expect_has_not(&page, "NO ANSWER");
    board_deinit(&board);
}

Test(screen, a_line_for_a_log)
{
    begin_board();
    page.width = PAGE_ENDLESS;
    board_line(&board, &page, STR("status"));
    answer_expect_has(&page, "30 % on new | step 2 of 4: holding, 4d 3h left | verdict pass");
    board_deinit(&board);
}
