/* rig.h - a controller with a fake publish, on a real disk and a real loop, one for each test file. */
#ifndef TESTS_CONTROL_RIG_H
#define TESTS_CONTROL_RIG_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "control/controller.h"
#include "control/orders.h"
#include "tempdir.h"

static struct tempdir dir;
static uv_loop_t loop;
static struct controller *controller;
static struct error error;
static struct config_problems problems;

/* What publish was given last. */
static struct {
    unsigned count;
    uint64_t generation;
    unsigned weight;
} published;

static inline void publish(void *data, struct snapshot *snapshot)
{
    (void)data;
    cr_assert_gt(snapshot->generation, published.generation);
    published.count++;
    published.generation = snapshot->generation;
    published.weight = snapshot->policy.weight;
}

static inline bool try_start(bool reset)
{
    struct config *config = config_load(tempdir_file(&dir, "cutover.yaml"), &problems);
    struct controller_options options = {
        .loop = &loop,
        .config = config,
        .config_path = tempdir_file(&dir, "cutover.yaml"),
        .reset_state = reset,
        .publish = publish,
    };

    cr_assert_not_null(config, "%.*s", STR_ARG(problems.items[0].text));
    published.count = 0;
    published.generation = 0;
    cr_assert_eq(uv_loop_init(&loop), 0);
    controller = mem_zalloc(1, sizeof(*controller));
    bool started = controller_init(controller, &options, &error);
    config_unref(config);
    if (!started) {
        mem_free(controller);
        controller = NULL;
        cr_assert_eq(uv_loop_close(&loop), 0);
    }
    return started;
}

static inline void start(void)
{
    cr_assert(try_start(false), "%s", error.text);
}

/* Everything must close: a handle that is left keeps the loop from closing. */
static inline void stop(void)
{
    controller_stop(controller);
    uv_run(&loop, UV_RUN_DEFAULT);
    controller_deinit(controller);
    mem_free(controller);
    controller = NULL;
    cr_assert_eq(uv_loop_close(&loop), 0);
}

static inline void restart(void)
{
    stop();
    start();
}

static const struct control_request nobody = {.actor = STR_INIT("test"), .reason = STR_INIT("why")};

static inline enum control_result set_weight(const char *route, unsigned weight)
{
    return order_weight(controller, &nobody, str_of(route), weight, &error);
}

static inline enum control_result reload(void)
{
    config_problems_deinit(&problems);
    config_problems_init(&problems);
    return order_reload(controller, &nobody, &problems, &error);
}

/* The disk takes nothing: a folder stands where the new file has to be made. */
static inline void break_disk(void)
{
    cr_assert_eq(mkdir(tempdir_file(&dir, "state/state.json.tmp"), 0700), 0);
}

static inline void mend_disk(void)
{
    cr_assert_eq(rmdir(tempdir_file(&dir, "state/state.json.tmp")), 0);
}

static inline void run_until_durable(uint64_t at_most_ms)
{
    uint64_t end_ms = clock_mono_ms() + at_most_ms;

    while (!controller->durable && clock_mono_ms() < end_ms) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(5000);
    }
}

static inline const struct event *last_event(void)
{
    return events_get(&controller->events, controller->events.next_id - 1);
}

/* What criterion prints goes to stdout; the log of the controller is in the way. */
static inline void setup_rig(void)
{
    cr_assert_geq(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), 0);
    tempdir_make(&dir);
    config_problems_init(&problems);
}

static inline void teardown_rig(void)
{
    if (controller != NULL)
        stop();
    config_problems_deinit(&problems);
    tempdir_remove(&dir);
}

#endif
