/* clock.h - the two clocks: a monotonic one to measure and time out, the wall clock to tell people.
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

/* RFC 3339 in UTC with milliseconds. */
void clock_format(uint64_t wall_ms, char text[CLOCK_ISO_BYTES]);

#endif
