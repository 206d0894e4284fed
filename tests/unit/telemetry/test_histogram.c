#include "telemetry/histogram.h"

#include <criterion/criterion.h>

static struct histogram histogram;

static void set_up(void)
{
    histogram = (struct histogram){0};
}

TestSuite(histogram, .init = set_up);

/* The bucket that a duration is counted in. */
static unsigned bucket_of(uint64_t duration_us)
{
    set_up();
    histogram_note(&histogram, duration_us);
    unsigned found = HISTOGRAM_BUCKETS;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram.bucket[i] > 0) {
            cr_assert_eq(found, HISTOGRAM_BUCKETS, "counted twice");
            cr_assert_eq(histogram.bucket[i], 1);
            found = i;
        }
    }
    cr_assert_lt(found, HISTOGRAM_BUCKETS);
    return found;
}

Test(histogram, bounds_rise_and_the_last_has_none)
{
    cr_assert_eq(histogram_bound_us(0), 500);
    for (unsigned i = 1; i < HISTOGRAM_BUCKETS; i++)
        cr_assert_gt(histogram_bound_us(i), histogram_bound_us(i - 1));
    cr_assert_eq(histogram_bound_us(HISTOGRAM_BUCKETS - 2), 300000000);
    cr_assert_eq(histogram_bound_us(HISTOGRAM_BUCKETS - 1), UINT64_MAX);
}

Test(histogram, a_duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed)
{
    cr_assert_eq(bucket_of(0), 0);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        cr_assert_eq(bucket_of(histogram_bound_us(i)), i);
        cr_assert_eq(bucket_of(histogram_bound_us(i) + 1), i + 1);
    }
    cr_assert_eq(bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

Test(histogram, the_sum_is_exact)
{
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_note(&histogram, i * 1000);
    cr_assert_eq(histogram.sum_us, 500500000);
    cr_assert_eq(histogram.bucket[bucket_of(1)], 1);
}
