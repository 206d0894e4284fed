#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
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

/* The same for every process until the machine starts anew, with the time that it slept. */
Test(clock, time_since_the_boot_passes_and_never_steps_back)
{
    uint64_t mono_ms = clock_mono_ms();
    uint64_t last = clock_boot_ms();
    cr_expect_geq(last, mono_ms);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = clock_boot_ms();
        cr_assert_geq(now, last);
        last = now;
    }
    struct timespec wanted;
    cr_assert_eq(clock_gettime(CLOCK_BOOTTIME, &wanted), 0);
    cr_expect_geq((uint64_t)wanted.tv_sec * 1000 + (uint64_t)wanted.tv_nsec / 1000000, last);
    cr_expect_leq((uint64_t)wanted.tv_sec * 1000, last + 1000);
}

Test(clock, a_boot_has_one_name)
{
    char first[CLOCK_BOOT_ID_BYTES], second[CLOCK_BOOT_ID_BYTES];
    memset(first, 'x', sizeof(first));
    memset(second, 'y', sizeof(second));
    clock_boot_id(first);
    clock_boot_id(second);
    cr_expect_eq(strlen(first), 36u, "%s", first);
    cr_expect_str_eq(first, second);
}
