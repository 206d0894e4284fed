#include "control/history.h"

#include <criterion/criterion.h>

#define MINUTE_MS 60000

static struct history history;
static struct counters *sum;
static uint64_t now_ms;

static void set_up(void)
{
    history = (struct history){.count = 0};
    sum = counters_new();
    now_ms = 5000;
}

static void tear_down(void)
{
    counters_free(sum);
}

TestSuite(history, .init = set_up, .fini = tear_down);

static void requests(enum side side, unsigned class, uint64_t count)
{
    counter_add(&sum->requests[side][0][REASON_COOKIE][class], count);
}

static void sample(unsigned weight)
{
    history_sample(&history, sum, weight, now_ms, now_ms + 1000000);
}

/* The i-th point from the oldest. */
static const struct history_point *point(unsigned i)
{
    return &history.ring[(history.first + i) % HISTORY_POINTS];
}

Test(history, the_running_minute_grows_until_the_next_one_begins)
{
    sample(1000);
    cr_assert_eq(history.count, 1);
    requests(SIDE_OLD, 2, 9);
    requests(SIDE_NEW, 2, 1);
    now_ms += 59000;
    sample(1000);
    cr_assert_eq(history.count, 1);
    cr_expect_eq(point(0)->requests[SIDE_OLD], 9);
    cr_expect_eq(point(0)->requests[SIDE_NEW], 1);
    requests(SIDE_NEW, 2, 2);
    now_ms += 1000;
    sample(3000);
    cr_assert_eq(history.count, 2);
    cr_expect_eq(point(0)->requests[SIDE_NEW], 3,
                 "the last second belongs to the minute that ends");
    cr_expect_eq(point(1)->requests[SIDE_NEW], 0);
    cr_expect_eq(point(1)->weight, 3000);
    cr_expect_eq(point(0)->at_s, 1005);
    cr_expect_eq(point(1)->at_s, 1065);
    requests(SIDE_NEW, 2, 4);
    sample(3000);
    cr_expect_eq(point(0)->requests[SIDE_NEW], 3);
    cr_expect_eq(point(1)->requests[SIDE_NEW], 4);
}

Test(history, errors_are_5xx_and_no_answer_at_all)
{
    sample(0);
    requests(SIDE_NEW, 0, 1);
    requests(SIDE_NEW, 2, 10);
    requests(SIDE_NEW, 4, 20);
    counter_add(&sum->requests[SIDE_NEW][ROUTE_SLOTS - 1][REASON_COUNT - 1][5], 2);
    requests(SIDE_OLD, 5, 5);
    sample(0);
    cr_expect_eq(point(0)->requests[SIDE_NEW], 33);
    cr_expect_eq(point(0)->errors[SIDE_NEW], 3);
    cr_expect_eq(point(0)->errors[SIDE_OLD], 5);
}

Test(history, late_samples_do_not_shift_the_minutes_but_a_pause_does)
{
    sample(0);
    now_ms += MINUTE_MS + 900;
    sample(0);
    cr_expect_eq(history.begun_ms, 5000 + MINUTE_MS);
    now_ms += 10 * MINUTE_MS;
    sample(0);
    cr_expect_eq(history.begun_ms, now_ms);
    cr_expect_eq(history.count, 3);
}

Test(history, a_day_is_kept_and_what_is_older_falls_out)
{
    for (unsigned minute = 0; minute < HISTORY_POINTS + 10; minute++) {
        requests(SIDE_OLD, 2, minute);
        sample(0);
        now_ms += MINUTE_MS;
    }
    cr_assert_eq(history.count, HISTORY_POINTS);
    /* Each sample ends a minute: what it brings is in the one before. The first one is its own. */
    cr_expect_eq(point(0)->requests[SIDE_OLD], 11);
    cr_expect_eq(point(HISTORY_POINTS - 2)->requests[SIDE_OLD], HISTORY_POINTS + 9);
    cr_expect_eq(point(HISTORY_POINTS - 1)->requests[SIDE_OLD], 0);
    for (unsigned i = 1; i < HISTORY_POINTS; i++)
        cr_assert_eq(point(i)->at_s, point(i - 1)->at_s + 60);
}

Test(history, is_written_oldest_first)
{
    struct buf text = BUF_EMPTY;
    struct json json;
    sample(1050);
    requests(SIDE_OLD, 2, 7);
    requests(SIDE_NEW, 5, 1);
    sample(1050);
    json_init(&json, &text);
    json_object_begin(&json, NULL);
    history_write(&history, HISTORY_POINTS, &json);
    json_object_end(&json);
    cr_expect(
        str_eq(buf_str(&text),
               STR("{\"every_s\":60,\"points\":[{\"at\":\"1970-01-01T00:16:45.000Z\","
                   "\"weight\":10.5,\"old\":7,\"new\":1,\"old_errors\":0,\"new_errors\":1}]}")));
    buf_deinit(&text);
}

Test(history, only_the_newest_points_may_be_wanted)
{
    struct buf text = BUF_EMPTY;
    struct json json;
    for (unsigned minute = 0; minute < 5; minute++) {
        sample(minute * 100);
        now_ms += MINUTE_MS;
    }
    json_init(&json, &text);
    json_object_begin(&json, NULL);
    history_write(&history, 1, &json);
    json_object_end(&json);
    buf_append_char(&text, 0);
    cr_expect_null(strstr(text.data, "\"weight\":3,"));
    cr_expect_not_null(strstr(text.data, "\"weight\":4,"));
    buf_deinit(&text);
}
