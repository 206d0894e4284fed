#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static void expect_text(uint64_t wall_ms, const char *wanted)
{
    char text[CLOCK_ISO_BYTES];
    clock_format(wall_ms, text);
    cr_expect_str_eq(text, wanted);
}

Test(clock, a_time_is_written_in_utc_with_milliseconds)
{
    expect_text(0, "1970-01-01T00:00:00.000Z");
    expect_text(1, "1970-01-01T00:00:00.001Z");
    expect_text(951827696789, "2000-02-29T12:34:56.789Z");
    expect_text(1795169999999, "2026-11-20T10:19:59.999Z");
    expect_text(1795170000000, "2026-11-20T10:20:00.000Z");
}

Test(clock, the_zone_of_the_machine_does_not_matter)
{
    setenv("TZ", "Asia/Shanghai", 1);
    tzset();
    expect_text(1795170000000, "2026-11-20T10:20:00.000Z");
}

Test(clock, a_time_beyond_four_digits_of_a_year_stays_in_its_buffer)
{
    expect_text(253402300799999, "9999-12-31T23:59:59.999Z");
    expect_text(UINT64_MAX, "9999-12-31T23:59:59.999Z");
}

Test(clock, monotonic_time_passes_and_never_steps_back)
{
    uint64_t began = clock_mono_ns();
    uint64_t last = began;
    while (last < began + 2000000) {
        uint64_t now = clock_mono_ns();
        cr_assert_geq(now, last);
        last = now;
    }
    cr_expect_geq(clock_mono_ms(), last / 1000000);
    cr_expect_leq(clock_mono_ms(), last / 1000000 + 1000);
}

Test(clock, the_wall_clock_is_the_one_of_libc)
{
    uint64_t before = (uint64_t)time(NULL);
    uint64_t wall_ms = clock_wall_ms();
    cr_expect_geq(wall_ms / 1000 + 1, before);
    cr_expect_leq(wall_ms / 1000, before + 5);
}
