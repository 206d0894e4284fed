/* loop.c - what stands between the proxy and threads, time and the log. */
#include "loop.h"

#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"

/* The linker's names. */
int __real_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode);
int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *argument);
void __wrap_log_fields(enum log_level level, const char *message, const struct log_field *fields,
                       size_t count);
void __wrap_log_lines(struct str lines);

static uint64_t clock_ms = 1000000;

void loop_clock_add(uint64_t ms)
{
    clock_ms += ms;
}

/* Also libuv's. The fuzzer measures its own time by another clock. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, id, now);
    now->tv_sec = (time_t)(clock_ms / 1000);
    now->tv_nsec = (long)(clock_ms % 1000) * 1000000;
    return 0;
}

void loop_turn(uv_loop_t *loop)
{
    (void)__real_uv_run(loop, UV_RUN_NOWAIT);
}

bool loop_is_busy(const uv_loop_t *loop)
{
    struct pollfd events = {.fd = uv_backend_fd(loop), .events = POLLIN};

    return uv_backend_timeout(loop) == 0 || poll(&events, 1, 0) > 0;
}

/* The worker's thread begins, and ends at once: it leaves its loop ready to be turned. */
int __wrap_uv_thread_create(uv_thread_t *thread, uv_thread_cb entry, void *argument)
{
    (void)thread;
    entry(argument);
    return 0;
}

int __wrap_uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    (void)loop;
    (void)mode;
    return 0;
}

void __wrap_log_fields(enum log_level level, const char *message, const struct log_field *fields,
                       size_t count)
{
    (void)level;
    (void)message;
    (void)fields;
    (void)count;
}

/* Whatever a client sent, a line is a line. */
void __wrap_log_lines(struct str lines)
{
    CHECK(lines.len == 0 || lines.data[lines.len - 1] == '\n');
    for (size_t i = 0; i < lines.len; i++) {
        unsigned char c = (unsigned char)lines.data[i];
        CHECK(c >= ' ' || c == '\n');
        CHECK(c != '\n' || (i > 0 && lines.data[i - 1] == '}'));
    }
}
