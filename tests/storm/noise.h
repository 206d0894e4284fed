/*
 * noise.h - what goes on beside the proxy: threads that log and have the log file opened anew, and
 * one that looks up names and does not wait for the answers.
 */
#ifndef STORM_NOISE_H
#define STORM_NOISE_H

#include <stdint.h>

void noise_start(uint64_t seed);

/* Ends the log and starts it again, while the others go on. The control thread. */
void noise_restart_log(void);

/* After storm_is_over; ends the log as well. */
void noise_stop(void);

/* Every line of every log file is whole, and each thread's lines stand in order, none twice; none is
 * missing that was not counted as dropped. */
void noise_judge(void);

#endif
