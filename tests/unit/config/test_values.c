/* test_values.c - durations, sizes, percentages and their way back to text. */
#include "config/values.h"

#include <criterion/criterion.h>

static uint64_t duration(const char *text)
{
    struct error error;
    uint64_t ms = 0;
    return value_duration(str_of(text), &ms, &error) ? ms : 12345678;
}

Test(values, durations)
{
    cr_assert_eq(duration("250ms"), 250u);
    cr_assert_eq(duration("5s"), 5000u);
    cr_assert_eq(duration("5m"), 300000u);
    cr_assert_eq(duration("2h"), 7200000u);
    cr_assert_eq(duration("7d"), 604800000u);
    cr_assert_eq(duration("0"), 0u);
    cr_assert_eq(duration("99999999999999999999d"), UINT64_MAX);
    cr_assert_eq(duration("18446744073709551615s"), UINT64_MAX);
    const char *const bad[] = {"", "5", "s", "-5s", "5 s", "1.5s", "5S", "5sec", "5s5"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_eq(duration(bad[i]), 12345678u, "%s", bad[i]);
}

Test(values, sizes)
{
    struct error error;
    uint64_t bytes;
    cr_assert(value_size(STR("64k"), &bytes, &error) && bytes == 65536);
    cr_assert(value_size(STR("1m"), &bytes, &error) && bytes == 1048576);
    cr_assert(value_size(STR("2g"), &bytes, &error) && bytes == 2147483648u);
    cr_assert(value_size(STR("77"), &bytes, &error) && bytes == 77);
    cr_assert(value_size(STR("99999999999999999g"), &bytes, &error) && bytes == UINT64_MAX);
    cr_assert_not(value_size(STR("1kb"), &bytes, &error));
    cr_assert_not(value_size(STR(""), &bytes, &error));
}

Test(values, percentages)
{
    struct error error;
    uint64_t share;
    cr_assert(value_percentage(STR("30"), &share, &error) && share == 3000);
    cr_assert(value_percentage(STR("0.25"), &share, &error) && share == 25);
    cr_assert(value_percentage(STR("0.5%"), &share, &error) && share == 50);
    cr_assert(value_percentage(STR("100"), &share, &error) && share == 10000);
    const char *const bad[] = {"", "%", "100.01", "1.234", ".5", "5.", "-1", "1%%", "1 %", "1e1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_not(value_percentage(str_of(bad[i]), &share, &error), "%s", bad[i]);
}

Test(values, status_ranges)
{
    struct error error;
    unsigned min;
    unsigned max;
    cr_assert(value_status_range(STR("200-399"), &min, &max, &error) && min == 200 && max == 399);
    cr_assert(value_status_range(STR("204"), &min, &max, &error) && min == 204 && max == 204);
    cr_assert_not(value_status_range(STR("399-200"), &min, &max, &error));
    cr_assert_not(value_status_range(STR("100"), &min, &max, &error));
    cr_assert_not(value_status_range(STR("200-"), &min, &max, &error));
    cr_assert_not(value_status_range(STR("200-600"), &min, &max, &error));
}

Test(values, ratios)
{
    struct error error;
    uint64_t ratio;
    cr_assert(value_ratio(STR("2.0"), &ratio, &error) && ratio == 200);
    cr_assert(value_ratio(STR("1.25"), &ratio, &error) && ratio == 125);
    cr_assert_not(value_ratio(STR("1.255"), &ratio, &error));
    cr_assert_not(value_ratio(STR("x"), &ratio, &error));
}

Test(values, back_to_text_in_the_largest_exact_unit)
{
    char text[VALUE_TEXT_BYTES];
    value_duration_text(90000, text);
    cr_assert_str_eq(text, "90s");
    value_duration_text(86400000, text);
    cr_assert_str_eq(text, "1d");
    value_duration_text(0, text);
    cr_assert_str_eq(text, "0");
    value_size_text(1536, text);
    cr_assert_str_eq(text, "1536");
    value_size_text(16 * 1024 * 1024, text);
    cr_assert_str_eq(text, "16m");
}
