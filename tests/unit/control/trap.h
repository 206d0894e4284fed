/* trap.h - makes the n-th call that changes a disk fail, or ends the process in front of it, so that
 * every gap between two of them can be tried. The calls are interposed, in trap.c. */
#ifndef TESTS_CONTROL_TRAP_H
#define TESTS_CONTROL_TRAP_H

#include <stdbool.h>

/* What _exit is given. */
#define TRAP_DIED 77

/* fsync, fdatasync, rename, link and write count. */
struct trap {
    unsigned countdown; /* springs when it comes to 0; 0: not set */
    bool dies;
    bool is_short; /* a write takes 20 bytes instead of failing, once */
    int error;
    bool sprung;
    unsigned syncs; /* calls of fdatasync */
};
extern struct trap trap;

#endif
