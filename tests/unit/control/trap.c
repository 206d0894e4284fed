/* trap.c - the calls that change a disk, with a trap in front of each. */
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT_BYTES 20

struct trap trap;

static bool springs(void)
{
    if (trap.countdown == 0 || --trap.countdown > 0)
        return false;
    if (trap.dies)
        _exit(TRAP_DIED);
    trap.sprung = true;
    errno = trap.error;
    return true;
}

int fsync(int fd)
{
    return springs() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    trap.syncs++;
    return springs() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int rename(const char *from, const char *to)
{
    return springs() ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int link(const char *from, const char *to)
{
    return springs() ? -1 : linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

ssize_t write(int fd, const void *data, size_t size)
{
    /* Log lines are no part of it. */
    if (fd == STDERR_FILENO || !springs())
        return (ssize_t)syscall(SYS_write, fd, data, size);
    if (!trap.is_short || size <= SHORT_BYTES)
        return -1;
    trap.is_short = false;
    return (ssize_t)syscall(SYS_write, fd, data, SHORT_BYTES);
}
