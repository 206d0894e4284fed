/*
 * worker.c - a thread with its loop: adopts snapshots, sweeps deadlines, ends when it has drained.
 *
 *     control thread                          worker thread
 *     worker_publish: inbox <- snapshot       on_wake: adopt what is in the inbox
 *                     uv_async_send    ---->           look at the stage
 *     worker_set_stage: stage, async   ---->  on_sweep: deadlines, waiting exchanges, access lines
 */
#include "proxy/worker.h"

#include <malloc.h>
#include <signal.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"
#include "proxy/account.h"
#include "proxy/attempt.h"
#include "proxy/conn.h"
#include "proxy/exchange.h"
#include "proxy/reply.h"

/* So many connections at once leave memory behind that is worth giving back. */
#define FLOOD_CONNS 100

/* Sweeps so far apart: the machine was suspended, or the process stopped, or starved. */
#define STALL_MS 1000

/* What came during a stall is read, and answered, within this. */
#define SETTLE_MS 1000

/* A Date that has been written out serves so long. */
#define DATE_FOR_MS 100

/* Snapshots */

static void adopted_free(struct adopted *adopted)
{
    for (int side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < adopted->snapshot->backends[side].count; i++)
            pool_unuse(adopted->pools[side][i]);
        mem_free(adopted->pools[side]);
    }
    snapshot_unref(adopted->snapshot);
    mem_free(adopted);
}

struct adopted *worker_pin(struct worker *worker)
{
    worker->adopted->pins++;
    return worker->adopted;
}

void worker_unpin(struct worker *worker, struct adopted *adopted)
{
    (void)worker;
    if (--adopted->pins == 0)
        adopted_free(adopted);
}

static bool snapshot_has_server(const struct snapshot *snapshot, const struct server *server)
{
    const struct snapshot_backend *backend = &snapshot->backends[server->side];

    for (unsigned i = 0; i < backend->count; i++)
        if (backend->servers[i].server == server)
            return true;
    return false;
}

static void follow_timeouts(struct worker *worker, const struct config_timeouts *timeouts)
{
    struct worker_deadlines *deadlines = &worker->deadlines;
    uint64_t now_ms = worker_now_ms(worker);

    deadline_list_change(&deadlines->client_header, timeouts->client_header, now_ms);
    deadline_list_change(&deadlines->client_body, timeouts->client_body, now_ms);
    deadline_list_change(&deadlines->client_idle, timeouts->client_idle, now_ms);
    deadline_list_change(&deadlines->connect, timeouts->connect, now_ms);
    deadline_list_change(&deadlines->tls_handshake, timeouts->tls_handshake, now_ms);
    deadline_list_change(&deadlines->response_header, timeouts->response_header, now_ms);
    deadline_list_change(&deadlines->response_body, timeouts->response_body, now_ms);
    deadline_list_change(&deadlines->upstream_idle, timeouts->upstream_idle, now_ms);
    deadline_list_change(&deadlines->tunnel_idle, timeouts->tunnel_idle, now_ms);
}

/* Takes over the reference on `snapshot`. */
static void adopt(struct worker *worker, struct snapshot *snapshot)
{
    struct adopted *before = worker->adopted;
    struct adopted *adopted = mem_zalloc(1, sizeof(*adopted));

    adopted->snapshot = snapshot;
    adopted->pins = 1;
    for (int side = 0; side < SIDES; side++) {
        struct snapshot_backend *backend = &snapshot->backends[side];
        adopted->pools[side] = mem_zalloc(backend->count, sizeof(struct pool *));
        for (unsigned i = 0; i < backend->count; i++) {
            const struct snapshot_server *server = &backend->servers[i];
            adopted->pools[side][i] = pool_of(worker, server->server);
            pool_follow(adopted->pools[side][i], server->addrs, server->addr_count);
        }
        /* The rotation goes on where it was, and starts elsewhere in each worker. */
        adopted->cursor[side] = before == NULL ? worker->index : before->cursor[side];
    }
    worker->adopted = adopted;
    LIST_FOREACH (&worker->pools, node) {
        struct pool *pool = CONTAINER_OF(node, struct pool, node);
        if (!snapshot_has_server(snapshot, pool->server))
            pool_retire(pool);
    }
    follow_timeouts(worker, &snapshot->config->timeouts);
    if (worker->response.capacity != snapshot->config->limits.headers) {
        message_deinit(&worker->response);
        message_init(&worker->response, snapshot->config->limits.headers);
    }
    if (before != NULL)
        worker_unpin(worker, before);
}

void worker_publish(struct worker *worker, struct snapshot *snapshot)
{
    struct snapshot *unread = atomic_exchange_explicit(
        &worker->shared.inbox, snapshot_ref(snapshot), memory_order_acq_rel);

    snapshot_unref(unread);
    uv_async_send(&worker->wake);
}

/* Who has sent nothing yet may have to go elsewhere now. */
static void follow_snapshot(struct worker *worker)
{
    LIST_FOREACH (&worker->conns, node) {
        struct conn *conn = CONTAINER_OF(node, struct conn, node);
        if (conn->exchange != NULL)
            attempt_follow(conn->exchange);
    }
}

static void look_into_inbox(struct worker *worker)
{
    struct snapshot *snapshot =
        atomic_exchange_explicit(&worker->shared.inbox, NULL, memory_order_acq_rel);

    if (snapshot == NULL)
        return;
    adopt(worker, snapshot);
    follow_snapshot(worker);
}

void worker_shed(struct worker *worker)
{
    LIST_FOREACH (&worker->pools, node)
        pool_shed(CONTAINER_OF(node, struct pool, node));
}

/* Whoever gives up waiting may have been the last to use a pool, this one or the next: none goes
 * before all are done. */
static void sweep_pools(struct worker *worker)
{
    LIST_FOREACH (&worker->pools, node)
        CONTAINER_OF(node, struct pool, node)->users++;
    LIST_FOREACH (&worker->pools, node)
        pool_sweep(CONTAINER_OF(node, struct pool, node));
    LIST_FOREACH (&worker->pools, node)
        pool_unuse(CONTAINER_OF(node, struct pool, node));
}

/* Draining */

static void on_listener_closed(struct listener *listener)
{
    struct worker *worker = listener->owner;

    worker->open_listeners--;
    worker_note_closed(worker);
}

static void start_draining(struct worker *worker)
{
    worker->is_draining = true;
    for (unsigned i = 0; i < worker->listener_count; i++)
        listener_stop(&worker->listeners[i]);
    LIST_FOREACH (&worker->conns, node) {
        struct conn *conn = CONTAINER_OF(node, struct conn, node);
        /* One that has not asked yet may be about to: it was in the queue a moment ago. */
        if (conn_is_idle(conn))
            conn_end(conn);
        else
            conn_watch(conn);
    }
    worker_note_closed(worker);
}

static void close_all(struct worker *worker)
{
    /* From the front each time: what is closed leaves the list, and may take others along. */
    while (!list_is_empty(&worker->conns)) {
        struct conn *conn = CONTAINER_OF(worker->conns.next, struct conn, node);
        /* Who has nothing yet is told; what is half an answer is cut, so that it is seen. */
        if (conn->exchange != NULL && conn->exchange->status == 0)
            reply_outcome(conn->exchange, OUTCOME_SHUTDOWN, NULL);
        bool is_half = conn->exchange != NULL;
        if (is_half)
            exchange_abort(conn->exchange, OUTCOME_SHUTDOWN);
        conn_close(conn, is_half || stream_pending(&conn->stream) > 0);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct worker *worker = wake->data;
    int stage = atomic_load_explicit(&worker->shared.stage, memory_order_acquire);

    look_into_inbox(worker);
    sweep_pools(worker);
    if (stage >= WORKER_DRAINING && !worker->is_draining)
        start_draining(worker);
    if (stage == WORKER_STOPPING)
        close_all(worker);
}

/* Nothing is left but the idle connections to servers: those go, then the loop's own handles. */
void worker_note_closed(struct worker *worker)
{
    if (!worker->is_draining || worker->conn_count > 0 || worker->open_listeners > 0)
        return;
    if (!worker->is_finishing) {
        worker->is_finishing = true;
        LIST_FOREACH (&worker->pools, node)
            pool_retire(CONTAINER_OF(node, struct pool, node));
    }
    if (worker->upstream_count > 0 || uv_is_closing((uv_handle_t *)&worker->sweep))
        return;
    account_flush(worker);
    uv_close((uv_handle_t *)&worker->sweep, NULL);
    uv_close((uv_handle_t *)&worker->wake, NULL);
}

/* Time */

static void on_upstream_deadline(struct deadline *deadline)
{
    struct upstream *upstream = CONTAINER_OF(deadline, struct upstream, deadline);

    if (upstream->exchange != NULL)
        exchange_on_upstream_deadline(upstream->exchange);
    else
        upstream_close(upstream, false);
}

static void init_deadlines(struct worker_deadlines *deadlines)
{
    deadline_list_init(&deadlines->client_header, 0, conn_on_deadline);
    deadline_list_init(&deadlines->client_body, 0, conn_on_deadline);
    deadline_list_init(&deadlines->client_idle, 0, conn_on_deadline);
    deadline_list_init(&deadlines->linger, LINGER_MS, conn_on_deadline);
    deadline_list_init(&deadlines->connect, 0, on_upstream_deadline);
    deadline_list_init(&deadlines->tls_handshake, 0, on_upstream_deadline);
    deadline_list_init(&deadlines->response_header, 0, on_upstream_deadline);
    deadline_list_init(&deadlines->response_body, 0, on_upstream_deadline);
    deadline_list_init(&deadlines->upstream_idle, 0, on_upstream_deadline);
    deadline_list_init(&deadlines->tunnel_idle, 0, conn_on_deadline);
}

/* After a flood of connections: what they took lies in pieces that the allocator keeps. */
static void give_back_memory(struct worker *worker)
{
    if (worker->conn_count > worker->conn_peak)
        worker->conn_peak = worker->conn_count;
    if (worker->conn_peak < FLOOD_CONNS || worker->conn_count > worker->conn_peak / 4)
        return;
    worker->conn_peak = worker->conn_count;
    malloc_trim(0);
}

/* Those that wait for a place at a server: nobody could be given one meanwhile. */
static void prolong_waits(struct worker *worker, uint64_t lost_ms)
{
    LIST_FOREACH (&worker->pools, pool_node) {
        struct pool *pool = CONTAINER_OF(pool_node, struct pool, node);
        LIST_FOREACH (&pool->waiting, node)
            CONTAINER_OF(node, struct exchange, node)->wait_until_ms += lost_ms;
    }
}

/*
 * After a stall everything looks late: a loop that wakes up runs its timers before it reads what
 * has come meanwhile, so requests, answers and handshakes that were in time would be cut with their
 * bytes unread. And who was in the middle of something needs a round trip to go on with it. So for
 * a moment nothing expires; what is silent after that is so by itself. One stall is forgiven between
 * two sweeps: who can keep us busy for a second must not be able to stop all clocks.
 */
static bool is_settling(struct worker *worker, uint64_t now_ms)
{
    uint64_t since_ms = now_ms - worker->swept_ms;

    worker->swept_ms = now_ms;
    if (since_ms > STALL_MS && worker->settled_ms == 0) {
        worker->settled_ms = now_ms + SETTLE_MS;
        prolong_waits(worker, since_ms);
    }
    if (now_ms < worker->settled_ms)
        return true;
    worker->settled_ms = 0;
    return false;
}

static void sweep_deadlines(struct worker *worker, uint64_t now_ms)
{
    struct worker_deadlines *deadlines = &worker->deadlines;

    deadline_sweep(&deadlines->client_header, now_ms);
    deadline_sweep(&deadlines->client_body, now_ms);
    deadline_sweep(&deadlines->client_idle, now_ms);
    deadline_sweep(&deadlines->linger, now_ms);
    deadline_sweep(&deadlines->connect, now_ms);
    deadline_sweep(&deadlines->tls_handshake, now_ms);
    deadline_sweep(&deadlines->response_header, now_ms);
    deadline_sweep(&deadlines->response_body, now_ms);
    deadline_sweep(&deadlines->upstream_idle, now_ms);
    deadline_sweep(&deadlines->tunnel_idle, now_ms);
}

static void on_sweep(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    uint64_t now_ms = worker_now_ms(worker);

    if (!is_settling(worker, now_ms)) {
        sweep_deadlines(worker, now_ms);
        account_late(worker);
    }
    sweep_pools(worker);
    account_flush(worker);
    give_back_memory(worker);
}

/* Request ids: xorshift128+, seeded by the kernel. */

static uint64_t next_random(struct worker *worker)
{
    uint64_t x = worker->random[0];
    uint64_t y = worker->random[1];

    worker->random[0] = y;
    x ^= x << 23;
    worker->random[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
    return worker->random[1] + y;
}

void worker_request_id(struct worker *worker, char id[REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (int half = 0; half < 2; half++) {
        uint64_t bits = next_random(worker);
        for (int i = 0; i < REQUEST_ID_BYTES / 2; i++, bits >>= 4)
            *id++ = digits[bits & 15];
    }
}

struct str worker_date(struct worker *worker)
{
    uint64_t now_ms = worker_now_ms(worker);

    if (worker->date[0] == '\0' || now_ms - worker->date_ms >= DATE_FOR_MS) {
        writer_date(clock_wall_ms(), worker->date);
        worker->date_ms = now_ms;
    }
    return str_from(worker->date, WRITER_DATE_BYTES - 1);
}

/* Life cycle */

static void on_connection(struct listener *listener, int fd, const struct addr *client)
{
    conn_accept(listener->owner, listener, fd, client);
}

static bool open_listeners(struct worker *worker, struct addr *addresses, unsigned count,
                           struct error *error)
{
    worker->listeners = mem_zalloc(count, sizeof(*worker->listeners));
    for (unsigned i = 0; i < count; i++) {
        struct listener *listener = &worker->listeners[i];
        if (!listener_open(listener, &addresses[i], true, error))
            return false;
        addresses[i] = listener->address;
        listener->owner = worker;
        listener->on_connection = on_connection;
        listener->on_close = on_listener_closed;
        worker->listener_count++;
    }
    return true;
}

struct worker *worker_new(unsigned index, struct worker_shared *common, struct addr *addresses,
                          unsigned address_count, struct error *error)
{
    struct worker *worker = mem_zalloc(1, sizeof(*worker));

    worker->index = index;
    worker->common = common;
    worker->counters = counters_new();
    worker->evidence = mem_zalloc(PLANS_MAX, sizeof(*worker->evidence));
    list_init(&worker->conns);
    list_init(&worker->pools);
    list_init(&worker->free_exchanges);
    init_deadlines(&worker->deadlines);
    message_init(&worker->response, 1);
    CHECK(getrandom(worker->random, sizeof(worker->random), 0) == sizeof(worker->random));
    CHECK(uv_loop_init(&worker->loop) == 0);
    worker->loop.data = &worker->io;
    CHECK(uv_timer_init(&worker->loop, &worker->sweep) == 0);
    CHECK(uv_async_init(&worker->loop, &worker->wake, on_wake) == 0);
    worker->sweep.data = worker;
    worker->wake.data = worker;
    if (open_listeners(worker, addresses, address_count, error))
        return worker;
    worker_free(worker);
    return NULL;
}

static void run(void *argument)
{
    struct worker *worker = argument;

    for (unsigned i = 0; i < worker->listener_count; i++) {
        CHECK(listener_start(&worker->listeners[i], &worker->loop) == 0);
        worker->open_listeners++;
    }
    uv_update_time(&worker->loop);
    worker->swept_ms = worker_now_ms(worker);
    uv_timer_start(&worker->sweep, on_sweep, DEADLINE_SWEEP_MS, DEADLINE_SWEEP_MS);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    worker->common->on_drained(worker->common->on_drained_data);
}

bool worker_start(struct worker *worker, struct error *error)
{
    sigset_t all, before;

    look_into_inbox(worker);
    CHECK(worker->adopted != NULL);
    /* Signals are the control thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = uv_thread_create(&worker->thread, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status == 0 || error_set(error, "cannot start a worker: %s", uv_strerror(status));
}

void worker_set_stage(struct worker *worker, enum worker_stage stage)
{
    atomic_store_explicit(&worker->shared.stage, stage, memory_order_release);
    uv_async_send(&worker->wake);
}

void worker_join(struct worker *worker)
{
    uv_thread_join(&worker->thread);
}

static void free_exchanges(struct worker *worker)
{
    LIST_FOREACH (&worker->free_exchanges, node) {
        struct exchange *exchange = CONTAINER_OF(node, struct exchange, node);
        message_deinit(&exchange->request);
        mem_free(exchange);
    }
}

void worker_free(struct worker *worker)
{
    if (!uv_is_closing((uv_handle_t *)&worker->sweep)) { /* never ran */
        for (unsigned i = 0; i < worker->listener_count; i++)
            listener_abandon(&worker->listeners[i]);
        uv_close((uv_handle_t *)&worker->sweep, NULL);
        uv_close((uv_handle_t *)&worker->wake, NULL);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
    }
    snapshot_unref(atomic_exchange_explicit(&worker->shared.inbox, NULL, memory_order_acq_rel));
    LIST_FOREACH (&worker->pools, node)
        pool_retire(CONTAINER_OF(node, struct pool, node));
    if (worker->adopted != NULL)
        worker_unpin(worker, worker->adopted);
    free_exchanges(worker);
    CHECK(uv_loop_close(&worker->loop) == 0);
    stream_loop_deinit(&worker->io);
    message_deinit(&worker->response);
    buf_deinit(&worker->head);
    buf_deinit(&worker->set_cookie);
    buf_deinit(&worker->access);
    counters_free(worker->counters);
    mem_free(worker->evidence);
    mem_free(worker->listeners);
    mem_free(worker);
}
