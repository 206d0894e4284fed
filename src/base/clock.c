/* clock.c - reads the system's clocks; the only file that does. */
#include "base/clock.h"

#include <fcntl.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

/* The last millisecond that has a year of four digits. */
#define LAST_MS UINT64_C(253402300799999)

static struct timespec read_clock(clockid_t clock)
{
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return now;
}

uint64_t clock_mono_ns(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_wall_ms(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t clock_boot_ms(void)
{
    struct timespec now = read_clock(CLOCK_BOOTTIME);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void clock_boot_id(char id[CLOCK_BOOT_ID_BYTES])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, id, CLOCK_BOOT_ID_BYTES - 1);

    if (fd >= 0)
        close(fd);
    while (got > 0 && id[got - 1] <= ' ')
        got--;
    id[got > 0 ? got : 0] = '\0';
}

/* Digits by hand: every log line has a time, and printf would be most of its cost. */
static char *put_digits(char *at, unsigned value, size_t count, char behind)
{
    for (size_t i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    at[count] = behind;
    return at + count + 1;
}

void clock_format(uint64_t wall_ms, char text[CLOCK_ISO_BYTES])
{
    if (wall_ms > LAST_MS)
        wall_ms = LAST_MS;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    CHECK(gmtime_r(&seconds, &utc) != NULL);

    char *at = put_digits(text, (unsigned)utc.tm_year + 1900, 4, '-');
    at = put_digits(at, (unsigned)utc.tm_mon + 1, 2, '-');
    at = put_digits(at, (unsigned)utc.tm_mday, 2, 'T');
    at = put_digits(at, (unsigned)utc.tm_hour, 2, ':');
    at = put_digits(at, (unsigned)utc.tm_min, 2, ':');
    at = put_digits(at, (unsigned)utc.tm_sec, 2, '.');
    at = put_digits(at, (unsigned)(wall_ms % 1000), 3, 'Z');
    *at = '\0';
}
