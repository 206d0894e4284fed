/*
 * closes.c - libuv closes descriptors by syscall(), which the thread sanitizer does not see: it then
 * takes the next owner of a descriptor for a rival of the one before. Here it is told.
 *
 * This stands instead of suppressions, which would have to name every place that gets a descriptor,
 * our own accept4 among them.
 */
#include <stdarg.h>

#ifdef __SANITIZE_THREAD__

#include <dlfcn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

static long (*real)(long number, ...);

__attribute__((constructor)) static void find_real(void)
{
    *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    CHECK(real != NULL);
}

/* As many arguments as a system call may have. */
long syscall(long number, ...)
{
    long taken[6];
    va_list arguments;

    va_start(arguments, number);
    for (int i = 0; i < 6; i++)
        taken[i] = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_close)
        return close((int)taken[0]);
    return real(number, taken[0], taken[1], taken[2], taken[3], taken[4], taken[5]);
}

#else

/* No translation unit is empty. */
typedef va_list closes_need_nothing;

#endif
