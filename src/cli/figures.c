/*
 * figures.c - whatever comes is made printable: numbers from the network may be huge or below zero.
 */
#include "cli/figures.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define COUNT_MOST   1e15
#define SECONDS_MOST 3e9 /* a century: what a date has room for */

static uint64_t whole(double value)
{
    if (!(value > 0))
        return 0;
    return value > COUNT_MOST ? (uint64_t)COUNT_MOST : (uint64_t)llround(value);
}

static struct figure two_units(uint64_t large, char large_unit, uint64_t small, char small_unit)
{
    struct figure figure;

    if (small == 0)
        snprintf(figure.text, sizeof(figure.text), "%" PRIu64 "%c", large, large_unit);
    else
        snprintf(figure.text, sizeof(figure.text), "%" PRIu64 "%c %" PRIu64 "%c", large, large_unit,
                 small, small_unit);
    return figure;
}

struct figure figure_duration(double seconds)
{
    uint64_t s = whole(seconds);

    if (s >= 86400)
        return two_units(s / 86400, 'd', s / 3600 % 24, 'h');
    if (s >= 3600)
        return two_units(s / 3600, 'h', s / 60 % 60, 'm');
    if (s >= 60)
        return two_units(s / 60, 'm', s % 60, 's');
    return two_units(s, 's', 0, ' ');
}

struct figure figure_count(double count)
{
    struct figure figure = {.text = ""};
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%" PRIu64, whole(count));
    size_t at = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            figure.text[at++] = ',';
        figure.text[at++] = digits[i];
    }
    figure.text[at] = '\0';
    return figure;
}

struct figure figure_ms(double ms)
{
    struct figure figure;

    if (!(ms > 0))
        snprintf(figure.text, sizeof(figure.text), "0 ms");
    else if (ms < 1)
        snprintf(figure.text, sizeof(figure.text), "%.2f ms", ms);
    else if (ms < 10)
        snprintf(figure.text, sizeof(figure.text), "%.1f ms", ms);
    else if (ms < 10000)
        snprintf(figure.text, sizeof(figure.text), "%.0f ms", ms);
    else
        snprintf(figure.text, sizeof(figure.text), "%.1f s", fmin(ms, COUNT_MOST) / 1000);
    return figure;
}

struct figure figure_percent(double percent)
{
    struct figure figure;
    double shown = fmax(fmin(percent, COUNT_MOST), -COUNT_MOST);

    snprintf(figure.text, sizeof(figure.text), "%.2f", shown);
    size_t len = strlen(figure.text);
    while (figure.text[len - 1] == '0')
        len--;
    len -= figure.text[len - 1] == '.' ? 1 : 0;
    snprintf(figure.text + len, sizeof(figure.text) - len, " %%");
    return figure;
}

struct figure figure_moment(double seconds)
{
    struct figure figure;
    char iso[CLOCK_ISO_BYTES];

    clock_format(clock_wall_ms() + whole(fmin(seconds, SECONDS_MOST)) * 1000, iso);
    snprintf(figure.text, sizeof(figure.text), "%.10s %.5s UTC", iso, iso + 11);
    return figure;
}

struct figure figure_stamp(const char *iso)
{
    struct figure figure;

    if (strlen(iso) == CLOCK_ISO_BYTES - 1 && iso[10] == 'T')
        snprintf(figure.text, sizeof(figure.text), "%.5s %.8s", iso + 5, iso + 11);
    else
        snprintf(figure.text, sizeof(figure.text), "%.24s", iso);
    return figure;
}
