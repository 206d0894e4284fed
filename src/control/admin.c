/*
 * admin.c - the listener of the admin port, on the control loop:
 *
 *     listener -> admin_conn (reads, asks the gate) -> api_answer -> admin_conn (writes)
 *                          `-> admin_stream (SSE)  <- events, admin_feed
 *
 * Also owns the second's timer that samples the requests of the last minute and day, and looks for
 * what else is to be told: ejected servers, lost log lines, memory that ends, a stall.
 */
#include "control/admin.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/admin_conn.h"
#include "control/warnings.h"

#define BACKLOG   128
#define SECOND_MS 1000
#define STALL_MS  2000 /* a second that was as long as this */

static void on_connection(uv_stream_t *listener, int status)
{
    struct admin *admin = listener->data;
    if (status < 0) {
        log_event(LOG_WARN, "admin connection failed", LOG_TEXT("error", uv_strerror(status)));
        return;
    }
    admin_conn_accept(admin);
}

/* The machine was suspended, or the process stopped: what else is late then has its reason here. */
static void watch_clock(struct admin *admin)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t since_ms = now_ms - admin->second_ms;

    if (since_ms > STALL_MS)
        log_event(LOG_WARN, "the process stood still", LOG_U64("ms", since_ms - SECOND_MS));
    admin->second_ms = now_ms;
}

static void on_second(uv_timer_t *timer)
{
    struct admin *admin = timer->data;
    controller_sum_counters(admin->controller, admin->sum);
    rates_sample(&admin->rates, admin->sum);
    history_sample(&admin->history, admin->sum, admin->controller->snapshot->policy.weight,
                   clock_mono_ms(), clock_wall_ms());
    controller_watch_ejections(admin->controller);
    warnings_watch_log(admin->controller);
    controller_watch_memory(admin->controller);
    events_sync(&admin->controller->events);
    watch_clock(admin);
    admin_feed_tick(admin);
}

static void on_closed(uv_handle_t *handle)
{
    struct admin *admin = handle->data;
    admin->open_handles--;
}

/* 0 or UV_E*. */
static int bind_and_listen(struct admin *admin, const struct addr *wanted)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    int len = sizeof(storage);
    int status = uv_tcp_bind(&admin->listener, &wanted->any, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&admin->listener, BACKLOG, on_connection);
    if (status == 0)
        status = uv_tcp_getsockname(&admin->listener, (struct sockaddr *)&storage, &len);
    if (status == 0)
        admin->bound = addr_from_sockaddr((const struct sockaddr *)&storage);
    return status;
}

struct admin *admin_start(struct controller *controller, uv_loop_t *loop,
                          const struct config_admin *config, struct error *error)
{
    struct admin *admin = mem_zalloc(1, sizeof(*admin));
    admin->controller = controller;
    admin->sum = counters_new();
    list_init(&admin->conns);
    CHECK(uv_tcp_init(loop, &admin->listener) == 0);
    CHECK(uv_timer_init(loop, &admin->second) == 0);
    admin->listener.data = admin;
    admin->second.data = admin;
    admin_feed_init(admin, loop);
    admin->open_handles = 3;

    int status = bind_and_listen(admin, &config->address);
    if (status < 0) {
        error_set(error, "admin.address: cannot listen on %.*s: %s", STR_ARG(config->text),
                  uv_strerror(status));
        admin_stop(admin);
        uv_run(loop, UV_RUN_NOWAIT); /* the close callbacks */
        admin_free(admin);
        return NULL;
    }
    admin->second_ms = clock_mono_ms();
    CHECK(uv_timer_start(&admin->second, on_second, SECOND_MS, SECOND_MS) == 0);
    return admin;
}

struct addr admin_address(const struct admin *admin)
{
    return admin->bound;
}

void admin_stop(struct admin *admin)
{
    if (admin->is_stopping)
        return;
    admin->is_stopping = true;
    uv_close((uv_handle_t *)&admin->listener, on_closed);
    uv_close((uv_handle_t *)&admin->second, on_closed);
    admin_feed_stop(admin, on_closed);
    LIST_FOREACH (&admin->conns, node)
        admin_conn_wind_up(CONTAINER_OF(node, struct admin_conn, node));
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    CHECK(admin->open_handles == 0 && list_is_empty(&admin->conns));
    counters_free(admin->sum);
    mem_free(admin);
}
