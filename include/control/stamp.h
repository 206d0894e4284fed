/* stamp.h - whether files are still those that were read: a number that changes when they do. */
#ifndef CONTROL_STAMP_H
#define CONTROL_STAMP_H

#include "base/str.h"

/* `stamp` (of the files before; 1 for the first) with one more file: which one it is, its size and
 * when it was written. A file that is missing has a stamp, too. `path` ends in NUL. */
uint64_t stamp_file(uint64_t stamp, struct str path);

#endif
