/*
 * server.c - the proxy process: what is started in which order, and stopped in reverse.
 *
 *     configuration -> log -> workers (their sockets bound) -> admin port -> controller (state,
 *       first snapshot) -> workers' threads -> health checks -> "ready"
 *
 *     TERM/INT: listeners close, readyz says 503, what is under way ends within timeouts.drain;
 *               a second one, or the end of that time, cuts the rest
 *     HUP: reload    USR1: the log file is opened anew
 *
 * Everything that can be wrong with the configuration, an address or the state is found before the
 * first connection is accepted.
 */
#include "server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/admin.h"
#include "control/memory.h"
#include "control/orders.h"
#include "http/parser.h"
#include "proxy/worker.h"

/* After a stall: so long what was under way may still end by itself. */
#define DRAIN_LATE_MS 1000

/* Descriptors that are neither a client's nor a server's: the log, the state, the admin port. */
#define RESERVED_DESCRIPTORS 128

enum { SIGNALS = 4 };

struct process {
    uv_loop_t loop;
    struct stream_loop io; /* loop.data */
    struct config *config;
    struct worker_shared common;
    struct worker **workers; /* owned array */
    unsigned worker_count;
    unsigned started;           /* worker threads that run */
    _Atomic unsigned drained;   /* worker threads that have ended */
    struct counters **counters; /* owned array; entries borrowed: from workers */
    struct evidence **evidence; /* likewise */
    struct controller controller;
    bool has_controller;
    struct admin *admin;
    uv_signal_t signals[SIGNALS];
    uv_async_t wake;        /* a worker has ended */
    uv_timer_t drain_timer; /* timeouts.drain */
    uint64_t drain_due_ms;  /* monotonic */
    bool drain_is_prolonged;
    bool is_stopping;
    bool is_ending;
};

static int fail(const char *text)
{
    fprintf(stderr, "cutover: %s\n", text);
    return 1;
}

/* Preparing */

/*
 * Started without standard input, output or error the loop's own descriptors would get their
 * numbers, and log lines would go there. What takes their place takes as little as they would.
 */
static void fill_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

static struct config *load_config(const char *path)
{
    struct config_problems problems;
    struct buf text = BUF_EMPTY;

    config_problems_init(&problems);
    struct config *config = config_load(path, &problems);
    if (config == NULL) {
        config_problems_format(&problems, &text);
        fprintf(stderr, "%.*s", STR_ARG(buf_str(&text)));
    }
    buf_deinit(&text);
    config_problems_deinit(&problems);
    return config;
}

/* As many clients as descriptors allow: each may need one more for its server. limits.connections
 * counts instead where it is set, also after a reload. */
static unsigned connections_max(const struct config *config)
{
    unsigned wanted = config->limits.connections;
    unsigned most = RESERVED_DESCRIPTORS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * RESERVED_DESCRIPTORS) {
        rlim_t half = (limit.rlim_cur - RESERVED_DESCRIPTORS) / 2;
        most = half > UINT32_MAX ? UINT32_MAX : (unsigned)half;
    }
    if (wanted > most) {
        log_event(LOG_WARN, "limits.connections is more than the descriptors allow",
                  LOG_U64("connections", wanted), LOG_U64("allowed", most));
    }
    return most;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Workers */

static void publish(void *data, struct snapshot *snapshot)
{
    struct process *process = data;

    for (unsigned i = 0; i < process->worker_count; i++)
        worker_publish(process->workers[i], snapshot);
}

static void on_worker_drained(void *data)
{
    struct process *process = data;

    atomic_fetch_add(&process->drained, 1);
    uv_async_send(&process->wake);
}

static bool probe_addresses(struct addr *addresses, unsigned count, struct error *error)
{
    for (unsigned i = 0; i < count; i++)
        if (!listener_probe(&addresses[i], error))
            return false;
    return true;
}

/* Another name for each process: so that a request that comes back is told from one that went
 * through another cutover in front of us. */
static void name_ourselves(char via[VIA_BYTES])
{
    uint32_t number;

    CHECK(getrandom(&number, sizeof(number), 0) == sizeof(number));
    snprintf(via, VIA_BYTES, "cutover-%08x", (unsigned)number);
}

static bool make_workers(struct process *process, struct error *error)
{
    const struct config *config = process->config;
    unsigned count = config->workers > 0 ? config->workers : uv_available_parallelism();
    struct addr *addresses = mem_zalloc(config->listen_count, sizeof(*addresses));
    uint64_t first_draw;

    process->common.connections_max = connections_max(config);
    process->common.tally = tally_new();
    /* Where the draw sequence begins is of no meaning, but always beginning at bucket 0 would give
     * the first user after each restart to new. */
    CHECK(getrandom(&first_draw, sizeof(first_draw), 0) == sizeof(first_draw));
    atomic_init(&process->common.draws, first_draw);
    name_ourselves(process->common.via);
    process->common.on_drained = on_worker_drained;
    process->common.on_drained_data = process;
    process->workers = mem_zalloc(count, sizeof(*process->workers));
    process->counters = mem_zalloc(count, sizeof(*process->counters));
    process->evidence = mem_zalloc(count, sizeof(*process->evidence));
    for (unsigned i = 0; i < config->listen_count; i++)
        addresses[i] = config->listen[i].address;
    bool free_to_use = probe_addresses(addresses, config->listen_count, error);
    for (unsigned i = 0; i < count && free_to_use; i++) {
        struct worker *worker =
            worker_new(i, &process->common, addresses, config->listen_count, error);
        if (worker == NULL)
            break;
        process->workers[i] = worker;
        process->counters[i] = worker->counters;
        process->evidence[i] = worker->evidence;
        process->worker_count++;
    }
    mem_free(addresses);
    return process->worker_count == count;
}

static void set_stage(struct process *process, enum worker_stage stage)
{
    for (unsigned i = 0; i < process->started; i++)
        worker_set_stage(process->workers[i], stage);
}

/* Stopping */

/* The handles that stay to the very end, so that a late signal is still handled. */
static void close_handles(struct process *process)
{
    sigset_t late;

    /* A reload or a new log file that is asked for now comes too late, and must not be what ends us. */
    sigemptyset(&late);
    sigaddset(&late, SIGHUP);
    sigaddset(&late, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &late, NULL);
    for (int i = 0; i < SIGNALS; i++)
        uv_close((uv_handle_t *)&process->signals[i], NULL);
    uv_close((uv_handle_t *)&process->drain_timer, NULL);
    if (!uv_is_closing((uv_handle_t *)&process->wake))
        uv_close((uv_handle_t *)&process->wake, NULL);
}

/* All workers have ended: the control path closes, and the loop ends by itself. */
static void end(struct process *process)
{
    if (process->is_ending)
        return;
    process->is_ending = true;
    admin_stop(process->admin);
    controller_stop(&process->controller);
    uv_close((uv_handle_t *)&process->wake, NULL);
    uv_timer_stop(&process->drain_timer);
}

static void on_wake(uv_async_t *wake)
{
    struct process *process = wake->data;

    if (atomic_load(&process->drained) == process->started)
        end(process);
}

static void on_drain_over(uv_timer_t *timer)
{
    struct process *process = timer->data;

    /* Long after it was due: the machine stood still, and what was under way may soon end. */
    if (!process->drain_is_prolonged && clock_mono_ms() > process->drain_due_ms + DRAIN_LATE_MS) {
        process->drain_is_prolonged = true;
        uv_timer_start(timer, on_drain_over, DRAIN_LATE_MS, 0);
        return;
    }
    log_event(LOG_WARN, "drain time is over: what is left is cut",
              LOG_U64("connections", atomic_load(&process->common.connections)));
    set_stage(process, WORKER_STOPPING);
}

static void on_stop(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    (void)number;
    if (process->is_stopping) {
        log_message(LOG_WARN, "second signal: stopping now");
        set_stage(process, WORKER_STOPPING);
        return;
    }
    process->is_stopping = true;
    process->controller.draining = true;
    log_event(LOG_INFO, "draining",
              LOG_U64("connections", atomic_load(&process->common.connections)),
              LOG_U64("drain_ms", process->controller.config->timeouts.drain));
    set_stage(process, WORKER_DRAINING);
    process->drain_due_ms = clock_mono_ms() + process->controller.config->timeouts.drain;
    uv_timer_start(&process->drain_timer, on_drain_over, process->controller.config->timeouts.drain,
                   0);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;
    struct control_request request = {.actor = STR("SIGHUP")};
    struct config_problems problems;
    struct error error;

    (void)number;
    /* The checks and look-ups that a reload would start anew are being stopped, or have been. */
    if (process->is_stopping)
        return;
    config_problems_init(&problems);
    order_reload(&process->controller, &request, &problems, &error); /* a refusal is in the log */
    config_problems_deinit(&problems);
}

static void on_reopen(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    log_reopen();
}

/* Starting */

static void init_handles(struct process *process)
{
    static const struct {
        int number;
        uv_signal_cb on_signal;
    } handled[SIGNALS] = {
        {SIGTERM, on_stop}, {SIGINT, on_stop}, {SIGHUP, on_hangup}, {SIGUSR1, on_reopen}};

    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&process->loop, &process->signals[i]);
        process->signals[i].data = process;
        uv_signal_start(&process->signals[i], handled[i].on_signal, handled[i].number);
        uv_unref((uv_handle_t *)&process->signals[i]);
    }
    uv_async_init(&process->loop, &process->wake, on_wake);
    process->wake.data = process;
    uv_timer_init(&process->loop, &process->drain_timer);
    process->drain_timer.data = process;
}

static void log_ready(const struct process *process)
{
    char admin_text[ADDR_TEXT_BYTES];
    struct addr admin_addr = admin_address(process->admin);
    const struct worker *first = process->workers[0];

    for (unsigned i = 0; i < first->listener_count; i++) {
        char text[ADDR_TEXT_BYTES];
        log_event(LOG_INFO, "listening",
                  LOG_STR("address", addr_format(&first->listeners[i].address, text)));
    }
    log_event(LOG_INFO, "ready", LOG_TEXT("version", CUTOVER_VERSION),
              LOG_U64("workers", process->worker_count),
              LOG_STR("admin", addr_format(&admin_addr, admin_text)),
              LOG_U64("connections_max", process->config->limits.connections > 0
                                             ? process->config->limits.connections
                                             : process->common.connections_max),
              LOG_U64("pid", getpid()));
}

/* In order; what was begun is undone by finish. */
static bool start(struct process *process, const struct server_options *options,
                  struct error *error)
{
    if (!make_workers(process, error))
        return false;
    struct controller_options control = {
        .loop = &process->loop,
        .config = process->config,
        .config_path = options->config_path,
        .reset_state = options->reset_state,
        .short_of_memory = &process->common.short_of_memory,
        .counters = process->counters,
        .counters_count = process->worker_count,
        .evidence = process->evidence,
        .publish = publish,
        .publish_data = process,
    };
    /* First all addresses, then the state: a start that fails leaves no state behind. */
    process->admin =
        admin_start(&process->controller, &process->loop, &process->config->admin, error);
    if (process->admin == NULL || !controller_init(&process->controller, &control, error))
        return false;
    process->has_controller = true;
    for (; process->started < process->worker_count; process->started++)
        if (!worker_start(process->workers[process->started], error))
            return false;
    controller_start(&process->controller);
    return true;
}

/* Everything has stopped, or was never started: gives back what there is. */
static void finish(struct process *process)
{
    for (unsigned i = 0; i < process->started; i++)
        worker_join(process->workers[i]);
    if (process->admin != NULL)
        admin_free(process->admin);
    for (unsigned i = 0; i < process->worker_count; i++)
        worker_free(process->workers[i]);
    if (process->has_controller)
        controller_deinit(&process->controller);
    tally_free(process->common.tally);
    config_unref(process->config);
    mem_free(process->workers);
    mem_free(process->counters);
    mem_free(process->evidence);
    uv_loop_close(&process->loop);
    stream_loop_deinit(&process->io);
    mem_free(process);
}

/* Start failed: the handles that were opened close before they are freed. */
static int give_up(struct process *process, const struct error *error)
{
    for (unsigned i = 0; i < process->started; i++)
        worker_set_stage(process->workers[i], WORKER_STOPPING);
    if (process->admin != NULL)
        admin_stop(process->admin);
    if (process->has_controller)
        controller_stop(&process->controller);
    log_stop();
    uv_run(&process->loop, UV_RUN_DEFAULT);
    fprintf(stderr, "cutover: %s\n", error->text);
    finish(process);
    return 1;
}

int server_run(const struct server_options *options)
{
    struct error error = {{0}};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    fill_standard_descriptors();
    raise_descriptor_limit();
    memory_prepare();
    if (!parser_self_test())
        return fail("this build's llhttp accepts malformed requests: build it with "
                    "LLHTTP_STRICT_MODE=1 or use 9.0 or newer");
    struct config *config = load_config(options->config_path);
    if (config == NULL)
        return 2;
    struct process *process = mem_zalloc(1, sizeof(*process));
    process->config = config;
    CHECK(uv_loop_init(&process->loop) == 0);
    process->loop.data = &process->io;
    const struct str *file = &config->log.file;
    if (!log_start(str_is_empty(*file) ? NULL : file->data, LOG_INFO, &error))
        return give_up(process, &error);
    init_handles(process);
    if (!start(process, options, &error)) {
        close_handles(process);
        return give_up(process, &error);
    }
    log_ready(process);
    uv_run(&process->loop, UV_RUN_DEFAULT);

    close_handles(process);
    uv_run(&process->loop, UV_RUN_NOWAIT);
    log_message(LOG_INFO, "stopped");
    finish(process);
    log_stop();
    return 0;
}
