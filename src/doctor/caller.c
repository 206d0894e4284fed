/* caller.c - a loop of its own, run until what is awaited is there. */
#include "doctor/caller.h"

#include "base/check.h"

void caller_init(struct caller *caller)
{
    *caller = (struct caller){.awaited = 0};
    CHECK(uv_loop_init(&caller->loop) == 0);
    caller->io = mem_zalloc(1, sizeof(*caller->io));
    caller->loop.data = caller->io;
    caller->lookups = lookups_new(&caller->loop);
    CHECK(uv_timer_init(&caller->loop, &caller->limit) == 0);
    caller->limit.data = caller;
}

void caller_deinit(struct caller *caller)
{
    CHECK(caller->awaited == 0 && caller->patient == 0);
    lookups_free(caller->lookups);
    uv_close((uv_handle_t *)&caller->limit, NULL);
    uv_run(&caller->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&caller->loop) == 0);
    stream_loop_deinit(caller->io);
    mem_free(caller->io);
}

static void on_limit(uv_timer_t *timer)
{
    struct caller *caller = timer->data;

    caller->is_late = true;
}

bool caller_wait(struct caller *caller, uint64_t most_ms)
{
    caller->is_late = false;
    uv_update_time(&caller->loop);
    if (most_ms > 0)
        uv_timer_start(&caller->limit, on_limit, most_ms, 0);
    while (caller->awaited > 0 && !caller->is_late)
        uv_run(&caller->loop, UV_RUN_ONCE);
    uv_timer_stop(&caller->limit);
    return caller->awaited == 0;
}

void caller_wait_all(struct caller *caller)
{
    while (caller->awaited + caller->patient > 0)
        uv_run(&caller->loop, UV_RUN_ONCE);
}
