/*
 * clients.h - threads that ask all the time, also while there is no proxy, and hold each answer
 * against what they asked for.
 */
#ifndef STORM_CLIENTS_H
#define STORM_CLIENTS_H

#include <stdint.h>

void clients_start(uint64_t seed, unsigned count);

/* After storm_is_over. */
void clients_join(void);

/* Prints what the proxy's own answers were. */
void clients_tell(void);

#endif
