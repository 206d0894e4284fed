/*
 * clock.h - three clocks: a monotonic one to measure and time out, the wall clock to tell people, and
 * one for holds of days, which nobody sets and which a restart of the process does not touch.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* "2026-11-20T10:01:02.345Z" and its NUL. */
#define CLOCK_ISO_BYTES 25

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);

/* Milliseconds since 1970, UTC. May step back and forth. */
uint64_t clock_wall_ms(void);

/* Milliseconds since the machine was started, with those that it slept. The same clock for every
 * process until the next boot: clock_boot_id tells which boot it counts from. */
uint64_t clock_boot_ms(void);

/* The kernel's name for this boot, 36 characters; empty when it does not tell. */
#define CLOCK_BOOT_ID_BYTES 40
void clock_boot_id(char id[CLOCK_BOOT_ID_BYTES]);

/* RFC 3339 in UTC with milliseconds. */
void clock_format(uint64_t wall_ms, char text[CLOCK_ISO_BYTES]);

#endif
