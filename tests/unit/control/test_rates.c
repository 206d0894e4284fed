#include "control/rates.h"

#include <criterion/criterion.h>

static struct rates rates;
static struct counters *sum;

static void set_up(void)
{
    rates = (struct rates){.next = 0};
    sum = counters_new();
}

static void tear_down(void)
{
    counters_free(sum);
}

TestSuite(rates, .init = set_up, .fini = tear_down);

static void requests(enum side side, uint64_t count)
{
    counter_add(&sum->requests[side][0][REASON_COOKIE][2], count);
}

Test(rates, requests_count_over_all_routes_reasons_and_codes_of_a_side)
{
    counter_add(&sum->requests[SIDE_NEW][0][REASON_OVERRIDE][0], 1);
    counter_add(&sum->requests[SIDE_NEW][ROUTE_SLOTS - 1][REASON_COUNT - 1][STATUS_CLASSES - 1], 2);
    counter_add(&sum->requests[SIDE_OLD][3][REASON_DRAW][2], 4);
    cr_expect_eq(rates_requests(sum, SIDE_NEW), 3);
    cr_expect_eq(rates_requests(sum, SIDE_OLD), 4);
}

Test(rates, in_the_first_minute_all_requests_are_of_the_last_minute)
{
    requests(SIDE_OLD, 5);
    cr_expect_eq(rates_last_minute(&rates, sum, SIDE_OLD), 5);
    for (unsigned second = 0; second < RATES_SECONDS - 1; second++)
        rates_sample(&rates, sum);
    cr_expect_eq(rates_last_minute(&rates, sum, SIDE_OLD), 5);
}

Test(rates, what_is_older_than_a_minute_no_longer_counts)
{
    for (unsigned second = 0; second < 1000; second++) {
        requests(SIDE_OLD, 1);
        requests(SIDE_NEW, second % 2);
        rates_sample(&rates, sum);
    }
    /* The oldest of 60 samples is 59 seconds behind the newest. */
    cr_expect_eq(rates_last_minute(&rates, sum, SIDE_OLD), RATES_SECONDS - 1);
    requests(SIDE_OLD, 1);
    cr_expect_eq(rates_last_minute(&rates, sum, SIDE_OLD), RATES_SECONDS);
    cr_expect_eq(rates_last_minute(&rates, sum, SIDE_NEW), 30);
}
