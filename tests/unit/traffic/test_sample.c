#include "traffic/sample.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

Test(sample, errors_and_statuses_have_names)
{
    enum sample_shown shown;
    cr_assert_str_eq(sample_error_name(SAMPLE_CONNECT), "connect");
    cr_assert_str_eq(sample_error_name(SAMPLE_5XX), "5xx");
    cr_assert_eq(sample_shown_status(SAMPLE_413), 413);
    cr_assert(sample_shows(429, &shown));
    cr_assert_eq(shown, SAMPLE_429);
    cr_assert_not(sample_shows(400, &shown));
    cr_assert_not(sample_shows(0, &shown));
}

Test(sample, bins_begin_where_they_say_and_are_at_most_25_percent_wide)
{
    cr_assert_eq(sample_bin(0), 0);
    cr_assert_eq(sample_bin(127), 0);
    cr_assert_eq(sample_bin_us(1), 128);
    cr_assert_eq(sample_bin_us(SAMPLE_BINS - 1), (uint64_t)1 << 28);
    cr_assert_eq(sample_bin(UINT64_MAX), SAMPLE_BINS - 1);
    for (unsigned bin = 1; bin < SAMPLE_BINS; bin++) {
        uint64_t us = sample_bin_us(bin);
        cr_assert_eq(sample_bin(us), bin);
        cr_assert_eq(sample_bin(us - 1), bin - 1);
        cr_assert(bin == 1 || us * 4 <= sample_bin_us(bin - 1) * 5);
    }
}

Test(sample, sums_wrap_around)
{
    struct sample begin, end, part;
    memset(&begin, 0xff, sizeof(begin)); /* every cell is at its largest */
    memset(&part, 0, sizeof(part));
    part.requests[3] = 7;
    part.failed[3] = 2;
    part.total.bin[SAMPLE_BINS - 1] = 5;
    end = begin;
    sample_add(&end, &part);
    cr_assert_eq(end.requests[3], 6);
    sample_subtract(&end, &begin);
    cr_assert_eq(memcmp(&end, &part, sizeof(part)), 0);
    cr_assert_eq(sample_requests(&end), 7);
    cr_assert_eq(sample_failed(&end), 2);
}

Test(sample, first_bytes_of_all_groups_come_together)
{
    struct sample sample;
    struct sample_latency all;
    memset(&sample, 0, sizeof(sample));
    for (unsigned group = 0; group < SAMPLE_GROUPS; group++)
        sample.first_byte[group].bin[group % 3] = 2;
    sample_first_byte(&sample, &all);
    cr_assert_eq(sample_latency_count(&all), 2 * SAMPLE_GROUPS);
    cr_assert_eq(all.bin[0] + all.bin[1] + all.bin[2], 2 * SAMPLE_GROUPS);
    cr_assert_eq(all.bin[1], 2 * ((SAMPLE_GROUPS + 1) / 3));
}

Test(sample, a_quantile_lies_within_its_bin)
{
    struct sample_latency latency;
    memset(&latency, 0, sizeof(latency));
    cr_assert_eq(sample_quantile_us(&latency, 0.5), 0);
    latency.bin[sample_bin(1024)] = 80; /* 1024..1280 */
    latency.bin[sample_bin(2048)] = 20; /* 2048..2560 */
    cr_assert_float_eq(sample_quantile_us(&latency, 0), 1024, 1e-9);
    cr_assert_float_eq(sample_quantile_us(&latency, 0.4), 1152, 1e-9);
    cr_assert_float_eq(sample_quantile_us(&latency, 0.8), 1280, 1e-9);
    cr_assert_float_eq(sample_quantile_us(&latency, 0.9), 2304, 1e-9);
    cr_assert_float_eq(sample_quantile_us(&latency, 1), 2560, 1e-9);
}

Test(sample, the_quantiles_of_a_known_distribution_are_near)
{
    struct sample_latency latency;
    memset(&latency, 0, sizeof(latency));
    for (unsigned i = 1; i <= 100000; i++)
        latency.bin[sample_bin((uint64_t)(-50000 * log(1 - (i - 0.5) / 100000)))]++;
    for (double level = 0.05; level < 0.999; level += 0.05)
        cr_assert_float_eq(sample_quantile_us(&latency, level) / (-50000 * log(1 - level)), 1,
                           0.02);
}

Test(sample, what_is_too_slow_for_a_bin_is_where_the_last_begins)
{
    struct sample_latency latency;
    memset(&latency, 0, sizeof(latency));
    latency.bin[SAMPLE_BINS - 1] = 9;
    cr_assert_float_eq(sample_quantile_us(&latency, 0.95), 268435456.0, 1e-6);
}
