#include "cli/figures.h"

#include <criterion/criterion.h>
#include <math.h>

Test(figures, durations)
{
    cr_expect_str_eq(figure_duration(0).text, "0s");
    cr_expect_str_eq(figure_duration(59).text, "59s");
    cr_expect_str_eq(figure_duration(60).text, "1m");
    cr_expect_str_eq(figure_duration(843).text, "14m 3s");
    cr_expect_str_eq(figure_duration(11520).text, "3h 12m");
    cr_expect_str_eq(figure_duration(356400).text, "4d 3h");
    cr_expect_str_eq(figure_duration(604800).text, "7d");
}

Test(figures, counts_percentages_and_times)
{
    cr_expect_str_eq(figure_count(0).text, "0");
    cr_expect_str_eq(figure_count(999).text, "999");
    cr_expect_str_eq(figure_count(12034).text, "12,034");
    cr_expect_str_eq(figure_count(1234567).text, "1,234,567");
    cr_expect_str_eq(figure_percent(30).text, "30 %");
    cr_expect_str_eq(figure_percent(0.25).text, "0.25 %");
    cr_expect_str_eq(figure_percent(0.1).text, "0.1 %");
    cr_expect_str_eq(figure_percent(100).text, "100 %");
    cr_expect_str_eq(figure_percent(0).text, "0 %");
    cr_expect_str_eq(figure_ms(0.314).text, "0.31 ms");
    cr_expect_str_eq(figure_ms(4.21).text, "4.2 ms");
    cr_expect_str_eq(figure_ms(120.4).text, "120 ms");
    cr_expect_str_eq(figure_ms(12340).text, "12.3 s");
}

Test(figures, stamps)
{
    cr_expect_str_eq(figure_stamp("2026-11-25T13:00:04.123Z").text, "11-25 13:00:04");
    cr_expect_str_eq(figure_stamp("now").text, "now");
    cr_expect_eq(strlen(figure_moment(60).text), strlen("2026-11-25 13:00 UTC"));
}

Test(figures, whatever_comes_has_room)
{
    static const double wild[] = {-1, -1e300, 1e300, 1e15, 9e9, (double)INFINITY, (double)NAN};

    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        cr_expect_lt(strlen(figure_duration(wild[i]).text), FIGURE_BYTES - 1);
        cr_expect_lt(strlen(figure_count(wild[i]).text), FIGURE_BYTES - 1);
        cr_expect_lt(strlen(figure_ms(wild[i]).text), FIGURE_BYTES - 1);
        cr_expect_lt(strlen(figure_percent(wild[i]).text), FIGURE_BYTES - 1);
        cr_expect_lt(strlen(figure_moment(wild[i]).text), FIGURE_BYTES - 1);
    }
}
