/* stamp.c - what the file system says of a file, mixed into one number. */
#include "control/stamp.h"

#include <sys/stat.h>

static uint64_t mix(uint64_t stamp, uint64_t value)
{
    return (stamp ^ value) * UINT64_C(0x9E3779B97F4A7C15) + (stamp >> 29);
}

uint64_t stamp_file(uint64_t stamp, struct str path)
{
    struct stat status;

    if (stat(path.data, &status) != 0)
        return mix(stamp, 1);
    stamp = mix(stamp, (uint64_t)status.st_ino);
    stamp = mix(stamp, (uint64_t)status.st_size);
    stamp = mix(stamp, (uint64_t)status.st_mtim.tv_sec);
    return mix(stamp, (uint64_t)status.st_mtim.tv_nsec);
}
