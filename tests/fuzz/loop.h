/*
 * loop.h - the worker's loop, run by the fuzz target and not by a thread, on a clock that only
 * moves when it is told to. So all that an input leads to happens in the same order each time.
 *
 * worker_start runs as it is: what it calls (uv_thread_create, uv_run, clock_gettime, the log) is
 * put aside by the linker (--wrap, see CMakeLists.txt) and by loop.c.
 */
#ifndef TESTS_FUZZ_LOOP_H
#define TESTS_FUZZ_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* One turn, without waiting. */
void loop_turn(uv_loop_t *loop);

/* Something is to be done in the next turn. */
bool loop_is_busy(const uv_loop_t *loop);

/* The monotonic clock goes on by this. */
void loop_clock_add(uint64_t ms);

#endif
