/*
 * figures.h - numbers as people read them. Each comes as a value: use its .text in the call that
 * prints it.
 */
#ifndef CLI_FIGURES_H
#define CLI_FIGURES_H

#define FIGURE_BYTES 40

struct figure {
    char text[FIGURE_BYTES];
};

/* Seconds: "23s", "14m 3s", "3h 12m", "4d 3h", "7d". */
struct figure figure_duration(double seconds);

/* "12,034" */
struct figure figure_count(double count);

/* "0.31 ms", "4.2 ms", "120 ms", "12.3 s" */
struct figure figure_ms(double ms);

/* "0.1 %", "30 %", "0.25 %": at most two decimals. */
struct figure figure_percent(double percent);

/* The minute that is `seconds` from now: "2026-11-25 13:00 UTC". */
struct figure figure_moment(double seconds);

/* "2026-11-25T13:00:04.123Z" as "11-25 13:00:04"; anything else: as it is, cut. */
struct figure figure_stamp(const char *iso);

#endif
