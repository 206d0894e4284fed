/*
 * probe.c - one server's checks, over and over:
 *
 *     IDLE -> WAIT -> [RESOLVE ->] CONNECT [-> SHAKE] -> ANSWER -> DONE -> report -> WAIT
 *              ^                      |  ^       |                             |
 *              |                      v  |       v                             |
 *              |                      NEXT <-----+  (the next address)         |
 *              +---------------------------------------------------------------+
 *
 * The one timer is the next check's start in WAIT, and the end of patience in all other states;
 * CONNECT and SHAKE have theirs together. In NEXT and DONE the stream is closing; its close callback
 * goes on from there.
 *
 * A timer that fires late tells that this thread had no processor, or that the whole machine stood
 * still: the answer may well be here, and not have been read. So the check gets back what it has
 * lost. When that was long, its failure counts for nothing: a connection may not outlive a machine
 * that is suspended. The same holds for what is missing here and not there, descriptors and ports.
 */
#include "control/probe.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/certificates.h"
#include "control/probe_http.h"
#include "control/trouble.h"
#include "net/shortage.h"
#include "net/stream.h"

/* A timer later than this has cost the check time. */
#define LATE_MS 20

/* A timer later than this is a stopped machine, not a busy one. */
#define STOPPED_MS 500

/* At most, before the next check after one that counts for nothing. */
#define AGAIN_MS 1000

/* Connecting to one of several addresses gets its share of the timeout, but no less than this. */
#define CONNECT_SHARE_MIN_MS 500

enum probe_state {
    PROBE_IDLE = 0, /* not started */
    PROBE_WAIT,     /* for the next check */
    PROBE_RESOLVE,  /* the name has no address yet */
    PROBE_CONNECT,  /* to address addr_index */
    PROBE_SHAKE,    /* TCP is there, TLS is not yet */
    PROBE_ANSWER,   /* the request is out, the head of the answer is not all there */
    PROBE_NEXT,     /* closing; then on to the next address */
    PROBE_DONE,     /* closing; then `result` is reported */
    PROBE_GONE,     /* closing for good */
};

enum check_result { RESULT_VOID = 0, RESULT_SUCCESS, RESULT_FAILURE };

struct probe {
    struct list node;
    struct controller *controller; /* borrowed: outlives all probes */
    struct server *server;         /* owned: one reference */
    enum side side;
    unsigned index; /* of the server on its side */

    enum probe_state state;
    unsigned open_handles;
    uv_timer_t timer;
    struct stream stream;
    struct tls_resume resume;

    uint64_t started_ms;  /* of this check; monotonic, as are the next two */
    uint64_t deadline_ms; /* of this check */
    uint64_t due_ms;      /* of the timer */
    uint64_t random;      /* state of the jitter */
    unsigned addr_index;
    struct buf answer;
    size_t searched; /* of `answer` */
    bool was_late;   /* this check has been given back time */
    bool was_stopped;
    bool was_short; /* of something of ours, at one of the addresses */
    bool is_told;   /* that checks cannot be made; no news until one can */
    bool is_put_off;
    enum check_result result;
    char detail[PROBE_DETAIL_BYTES];
};

static void on_timer(uv_timer_t *timer);
static void open_connection(struct probe *probe);

static struct probe *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct probe, stream);
}

static const struct config_backend *backend_of(const struct probe *probe)
{
    return &probe->controller->config->backends[probe->side];
}

static const struct controller_server *server_of(const struct probe *probe)
{
    return &probe->controller->backends[probe->side].servers[probe->index];
}

/* libuv counts from its own idea of now, which a long write to disk leaves behind. */
static void arm(struct probe *probe, uint64_t delay_ms)
{
    probe->due_ms = clock_mono_ms() + delay_ms;
    uv_update_time(probe->controller->loop);
    uv_timer_start(&probe->timer, on_timer, delay_ms, 0);
}

/* Between checks */

/* From 0 to `most` (xorshift). */
static uint64_t random_up_to(struct probe *probe, uint64_t most)
{
    probe->random ^= probe->random << 13;
    probe->random ^= probe->random >> 7;
    probe->random ^= probe->random << 17;
    return probe->random % (most + 1);
}

/* 90 % to 110 % of the interval, so that servers and proxies do not check in step. */
static uint64_t jittered(struct probe *probe, uint64_t interval_ms)
{
    return interval_ms - interval_ms / 10 + random_up_to(probe, interval_ms / 5);
}

/* Soon, but not all servers at the same moment. */
static uint64_t soon(struct probe *probe, uint64_t interval_ms)
{
    uint64_t most_ms = interval_ms < AGAIN_MS ? interval_ms : AGAIN_MS;

    return most_ms / 2 + random_up_to(probe, most_ms - most_ms / 2);
}

static void wait_for_next(struct probe *probe)
{
    uint64_t interval_ms = backend_of(probe)->health.interval_ms;
    uint64_t now_ms = clock_mono_ms();
    uint64_t next_ms = probe->started_ms + jittered(probe, interval_ms);

    if (probe->result == RESULT_VOID)
        next_ms = now_ms + soon(probe, interval_ms);
    probe->state = PROBE_WAIT;
    arm(probe, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void report(struct probe *probe)
{
    buf_deinit(&probe->answer);
    if (probe->result != RESULT_VOID) {
        probe->is_told = false;
        controller_note_check(probe->controller, probe->side, probe->index,
                              probe->result == RESULT_SUCCESS, probe->detail);
    }
    wait_for_next(probe);
}

/* Teardown: of a connection, and of the probe */

static void free_when_closed(struct probe *probe)
{
    if (--probe->open_handles > 0)
        return;
    server_unref(probe->server);
    tls_resume_deinit(&probe->resume);
    buf_deinit(&probe->answer);
    mem_free(probe);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

static void on_close(struct stream *stream)
{
    struct probe *probe = of_stream(stream);

    if (probe->state == PROBE_GONE) {
        free_when_closed(probe);
        return;
    }
    probe->open_handles--;
    if (probe->state == PROBE_NEXT)
        open_connection(probe);
    else
        report(probe);
}

/* `next` is NEXT or DONE. */
static void close_connection(struct probe *probe, enum probe_state next)
{
    bool is_open = probe->state == PROBE_CONNECT || probe->state == PROBE_SHAKE ||
                   probe->state == PROBE_ANSWER;

    probe->state = next;
    if (is_open)
        stream_close(&probe->stream);
}

static void end_check(struct probe *probe, enum check_result result, const char *detail)
{
    bool is_void = probe->was_stopped || probe->was_short;

    probe->result = result == RESULT_FAILURE && is_void ? RESULT_VOID : result;
    snprintf(probe->detail, sizeof(probe->detail), "%s", detail);
    uv_timer_stop(&probe->timer);
    close_connection(probe, PROBE_DONE);
}

void probe_close(struct probe *probe)
{
    list_remove(&probe->node);
    close_connection(probe, PROBE_GONE);
    uv_close((uv_handle_t *)&probe->timer, on_timer_closed);
}

/* The answer */

static void judge_status(struct probe *probe, unsigned status, const char *detail)
{
    const struct health_policy *policy = &backend_of(probe)->health;
    bool success = status >= policy->success_min && status <= policy->success_max;

    end_check(probe, success ? RESULT_SUCCESS : RESULT_FAILURE, detail);
}

static void read_answer(struct probe *probe)
{
    char detail[PROBE_DETAIL_BYTES];
    unsigned status = 0;

    switch (probe_answer_read(&probe->answer, &probe->searched, &status, detail)) {
    case PARSE_MORE:
        break;
    case PARSE_DONE:
        judge_status(probe, status, detail);
        break;
    case PARSE_BAD:
        end_check(probe, RESULT_FAILURE, detail);
        break;
    }
}

static void describe(const struct probe *probe, int status, char detail[TROUBLE_BYTES])
{
    trouble_describe(&probe->stream, status, probe->state == PROBE_SHAKE, detail);
}

static void on_read(struct stream *stream, struct str data, int status)
{
    struct probe *probe = of_stream(stream);
    char detail[PROBE_DETAIL_BYTES] = "connection closed without an answer";

    if (data.len > 0) {
        buf_append_str(&probe->answer, data);
        read_answer(probe);
        return;
    }
    if (status != 0)
        describe(probe, status, detail);
    end_check(probe, RESULT_FAILURE, detail);
}

/* The request */

static uint64_t time_left(const struct probe *probe)
{
    uint64_t now_ms = clock_mono_ms();

    return probe->deadline_ms > now_ms ? probe->deadline_ms - now_ms : 0;
}

/* A write that fails is told by the read, which may also have an answer all the same. */
static void send_request(struct probe *probe)
{
    struct buf request = BUF_EMPTY;

    probe_request_write(backend_of(probe), probe->server, &request);
    struct str bytes = buf_str(&request);
    struct iovec iov = {.iov_base = (char *)bytes.data, .iov_len = bytes.len};
    probe->state = PROBE_ANSWER;
    arm(probe, time_left(probe));
    stream_start(&probe->stream);
    stream_write(&probe->stream, &iov, 1);
    buf_deinit(&request);
}

static void on_error(struct stream *stream, int status)
{
    (void)stream;
    (void)status;
}

static void on_drain(struct stream *stream)
{
    (void)stream;
}

/* Connecting */

static bool has_next_addr(const struct probe *probe)
{
    return probe->addr_index + 1 < server_of(probe)->addr_count;
}

/* That is being tried; NULL: its name has none any more. */
static const struct addr *present_addr(const struct probe *probe)
{
    const struct controller_server *server = server_of(probe);

    return server->addr_count == 0 ? NULL : &server->addrs[probe->addr_index % server->addr_count];
}

static void note_shortage(struct probe *probe, int status)
{
    probe->was_short = true;
    if (probe->is_told)
        return;
    probe->is_told = true;
    log_event(LOG_WARN, "health checks cannot be made: the server stays what it is",
              LOG_TEXT("server", probe->server->url), LOG_TEXT("error", uv_strerror(status)));
}

static void connect_failed(struct probe *probe, const char *detail)
{
    if (has_next_addr(probe) && time_left(probe) > 0) {
        probe->addr_index++;
        uv_timer_stop(&probe->timer);
        close_connection(probe, PROBE_NEXT);
    } else {
        end_check(probe, RESULT_FAILURE, detail);
    }
}

static void on_tcp(struct stream *stream)
{
    of_stream(stream)->state = PROBE_SHAKE;
}

static void on_connect(struct stream *stream, int status)
{
    struct probe *probe = of_stream(stream);
    char detail[PROBE_DETAIL_BYTES];

    if (status == 0) {
        send_request(probe);
        return;
    }
    describe(probe, status, detail);
    if (shortage_is_ours(status, present_addr(probe)))
        note_shortage(probe, status);
    connect_failed(probe, detail);
}

static const struct stream_ops probe_ops = {
    .on_tcp = on_tcp,
    .on_connect = on_connect,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

/* One dead address must not use up the time that a living one behind it needs. */
static uint64_t connect_share(const struct probe *probe)
{
    unsigned count = server_of(probe)->addr_count;
    unsigned tries_left = count > probe->addr_index ? count - probe->addr_index : 1;
    uint64_t left = time_left(probe);
    uint64_t share = left / tries_left;

    if (share < CONNECT_SHARE_MIN_MS)
        share = left < CONNECT_SHARE_MIN_MS ? left : CONNECT_SHARE_MIN_MS;
    return share;
}

static void use_tls(struct probe *probe)
{
    stream_use_tls(&probe->stream, certificates_trust(probe->controller->certificates, probe->side),
                   probe_tls_name(backend_of(probe), probe->server), &probe->resume);
}

static void open_connection(struct probe *probe)
{
    int status;

    CHECK(stream_init(&probe->stream, probe->controller->loop, &probe_ops) == 0);
    if (probe->server->is_tls)
        use_tls(probe);
    probe->open_handles++;
    probe->state = PROBE_CONNECT;
    probe->searched = 0;
    buf_clear(&probe->answer);
    arm(probe, connect_share(probe));
    status = stream_connect(&probe->stream, present_addr(probe));
    if (status == 0)
        return;
    if (shortage_is_ours(status, present_addr(probe)))
        note_shortage(probe, status);
    connect_failed(probe, uv_strerror(status));
}

static void begin_check(struct probe *probe)
{
    probe->started_ms = clock_mono_ms();
    probe->deadline_ms = probe->started_ms + backend_of(probe)->health.timeout_ms;
    probe->addr_index = 0;
    probe->was_late = probe->was_stopped = probe->was_short = false;
    if (server_of(probe)->addr_count > 0) {
        open_connection(probe);
        return;
    }
    probe->state = PROBE_RESOLVE;
    arm(probe, time_left(probe));
}

/* Time */

static uint64_t lateness(const struct probe *probe)
{
    uint64_t now_ms = clock_mono_ms();

    return now_ms > probe->due_ms ? now_ms - probe->due_ms : 0;
}

/* Once for each check, and no more than its whole timeout: a server that is silent must be found so
 * also where every timer is late. */
static bool give_time_back(struct probe *probe)
{
    uint64_t timeout_ms = backend_of(probe)->health.timeout_ms;
    uint64_t late_ms = lateness(probe);
    uint64_t back_ms = late_ms < timeout_ms ? late_ms : timeout_ms;

    probe->was_stopped = probe->was_stopped || late_ms > STOPPED_MS;
    if (late_ms <= LATE_MS || probe->was_late)
        return false;
    probe->was_late = true;
    probe->deadline_ms = clock_mono_ms() + back_ms;
    arm(probe, back_ms);
    return true;
}

static void time_is_up(struct probe *probe)
{
    uint64_t timeout_ms = backend_of(probe)->health.timeout_ms;
    bool is_whole = timeout_ms % 1000 == 0;
    const char *step = probe->state == PROBE_SHAKE ? "TLS handshake: " : "";
    char detail[64];

    snprintf(detail, sizeof(detail), "%stimeout after %u%s", step,
             (unsigned)(is_whole ? timeout_ms / 1000 : timeout_ms), is_whole ? "s" : "ms");
    if (probe->state == PROBE_CONNECT || probe->state == PROBE_SHAKE)
        connect_failed(probe, detail);
    else
        end_check(probe, RESULT_FAILURE, detail);
}

static void on_timer(uv_timer_t *timer)
{
    struct probe *probe = timer->data;

    if (probe->state == PROBE_WAIT && lateness(probe) > STOPPED_MS && !probe->is_put_off) {
        /* All are late now: put off, so that they do not all check at the same moment. */
        probe->is_put_off = true;
        arm(probe, soon(probe, backend_of(probe)->health.interval_ms));
    } else if (probe->state == PROBE_WAIT) {
        probe->is_put_off = false;
        begin_check(probe);
    } else if (give_time_back(probe)) {
        return;
    } else if (probe->state == PROBE_RESOLVE) {
        end_check(probe, RESULT_FAILURE, "the name has not resolved");
        report(probe); /* no connection was opened, so no callback does it */
    } else {
        time_is_up(probe);
    }
}

/* Life cycle */

struct probe *probe_new(struct controller *controller, enum side side, unsigned index,
                        struct list *probes)
{
    struct probe *probe = mem_zalloc(1, sizeof(*probe));

    probe->controller = controller;
    probe->server = server_ref(controller->backends[side].servers[index].server);
    probe->side = side;
    probe->index = index;
    probe->random = (clock_mono_ns() ^ (uint64_t)(uintptr_t)probe) | 1;
    uv_timer_init(controller->loop, &probe->timer);
    probe->timer.data = probe;
    probe->open_handles = 1;
    list_push_back(probes, &probe->node);
    return probe;
}

void probe_start(struct probe *probe)
{
    if (probe->state == PROBE_IDLE)
        begin_check(probe);
}

struct probe *probe_of_node(struct list *node)
{
    return CONTAINER_OF(node, struct probe, node);
}

const struct server *probe_server(const struct probe *probe)
{
    return probe->server;
}

void probe_update(struct probe *probe, unsigned index)
{
    uint64_t interval_ms = backend_of(probe)->health.interval_ms;

    probe->index = index;
    if (probe->state == PROBE_RESOLVE && server_of(probe)->addr_count > 0)
        open_connection(probe);
    else if (probe->state == PROBE_WAIT && uv_timer_get_due_in(&probe->timer) > interval_ms)
        arm(probe, interval_ms);
}
