/*
 * pool.c - one worker's connections to one server.
 *
 *     upstream_connect -> leased -> pool_release -> idle (a stack) -> pool_acquire -> leased
 *                                                     |
 *                                                     +-> timed out, or closed by the server
 */
#include "proxy/pool.h"

#include "base/check.h"
#include "proxy/attempt.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

/* Connections to one server before those for different hosts make room for each other. */
#define NAMED_MAX 64

#define LOOK_AFTER_MS 2

struct pool *pool_of(struct worker *worker, struct server *server)
{
    LIST_FOREACH (&worker->pools, node) {
        struct pool *pool = CONTAINER_OF(node, struct pool, node);
        if (pool->server == server) {
            pool->is_retired = false;
            pool->users++;
            return pool;
        }
    }
    struct pool *pool = mem_zalloc(1, sizeof(*pool));
    pool->worker = worker;
    pool->server = server_ref(server);
    pool->users = 1;
    list_init(&pool->idle);
    list_init(&pool->waiting);
    list_init(&pool->node);
    list_push_back(&worker->pools, &pool->node);
    return pool;
}

static void free_unused(struct pool *pool)
{
    if (pool->users > 0 || pool->open > 0)
        return;
    list_remove(&pool->node);
    tls_resume_deinit(&pool->resume);
    server_unref(pool->server);
    mem_free(pool);
}

void pool_shed(struct pool *pool)
{
    LIST_FOREACH (&pool->idle, node)
        upstream_close(CONTAINER_OF(node, struct upstream, node), false);
}

void pool_retire(struct pool *pool)
{
    pool->is_retired = true;
    pool_shed(pool);
}

void pool_unuse(struct pool *pool)
{
    pool->users--;
    free_unused(pool);
}

void pool_note_closed(struct pool *pool)
{
    pool->open--;
    free_unused(pool);
}

/* Whether the connection leads to where the server is now. */
static bool is_current(const struct upstream *upstream)
{
    const struct pool *pool = upstream->pool;

    for (unsigned i = 0; i < pool->addr_count; i++)
        if (addr_eq(&pool->addrs[i], &upstream->address))
            return true;
    return pool->addr_count == 0;
}

void pool_follow(struct pool *pool, const struct addr *addrs, unsigned addr_count)
{
    pool->addr_count = addr_count;
    if (addr_count > 0)
        memcpy(pool->addrs, addrs, addr_count * sizeof(*addrs));
    LIST_FOREACH (&pool->idle, node) {
        struct upstream *upstream = CONTAINER_OF(node, struct upstream, node);
        if (!is_current(upstream))
            upstream_close(upstream, false);
    }
}

/*
 * What the loop has not read yet, the server's FIN or an answer that nobody asked for, must not meet
 * the next request. The loop reads in the order of arrival, so that only what came since it woke up
 * can be missed: under load, when connections lie idle for less than LOOK_AFTER_MS, that is not
 * worth a system call for each request, unless it is one that cannot be repeated.
 */
struct upstream *pool_acquire(struct pool *pool, uint64_t max_idle_ms, bool must_be_quiet,
                              const struct tls_trust *trust, struct str name)
{
    uint64_t now_ms = worker_now_ms(pool->worker);

    LIST_FOREACH (&pool->idle, node) {
        struct upstream *upstream = CONTAINER_OF(node, struct upstream, node);
        uint64_t idle_ms = now_ms - upstream->idle_since_ms;
        /* The stack is in order of idleness: what is behind the first is older still. */
        if (idle_ms >= max_idle_ms)
            return NULL;
        if (trust != NULL && (upstream->trust != trust || !str_eq(str_of(upstream->name), name)))
            continue;
        list_remove(&upstream->node);
        deadline_clear(&upstream->deadline);
        if ((upstream->idle_limit_ms > 0 && idle_ms >= upstream->idle_limit_ms) ||
            ((idle_ms >= LOOK_AFTER_MS || must_be_quiet) && !stream_is_quiet(&upstream->stream))) {
            upstream_close(upstream, false);
            continue;
        }
        upstream->is_reused = true;
        upstream_set_active(upstream, true);
        return upstream;
    }
    return NULL;
}

/* Waiting for a place */

static unsigned waiting_everywhere(const struct pool *pool)
{
    return atomic_load_explicit(&pool->server->shared.waiting, memory_order_relaxed);
}

/* Somebody waits for a place, and nobody here could use this connection instead. */
static bool is_wanted_elsewhere(const struct pool *pool)
{
    return waiting_everywhere(pool) > 0 && list_is_empty(&pool->waiting);
}

void pool_wait(struct pool *pool, struct exchange *exchange)
{
    atomic_fetch_add_explicit(&pool->server->shared.waiting, 1, memory_order_relaxed);
    list_push_back(&pool->waiting, &exchange->node);
}

void pool_wait_end(struct pool *pool, struct exchange *exchange)
{
    atomic_fetch_sub_explicit(&pool->server->shared.waiting, 1, memory_order_relaxed);
    list_remove(&exchange->node);
}

void pool_note_place(struct pool *pool)
{
    if (!list_is_empty(&pool->waiting))
        uv_async_send(&pool->worker->wake);
}

void pool_sweep(struct pool *pool)
{
    LIST_FOREACH (&pool->waiting, node)
        attempt_retry_waiting(CONTAINER_OF(node, struct exchange, node));
    if (waiting_everywhere(pool) > 0 && !list_is_empty(&pool->idle))
        upstream_close(CONTAINER_OF(pool->idle.prev, struct upstream, node), false);
}

/* With host: client every Host has connections of its own, and strangers may ask for as many hosts
 * as they like: beyond some, the one that has been idle longest goes for the new one. */
static void make_room(struct pool *pool, const struct upstream *kept)
{
    struct upstream *oldest = CONTAINER_OF(pool->idle.prev, struct upstream, node);

    if (kept->name != NULL && pool->open > NAMED_MAX && strcmp(oldest->name, kept->name) != 0)
        upstream_close(oldest, false);
}

void pool_release(struct upstream *upstream)
{
    struct pool *pool = upstream->pool;
    struct worker *worker = pool->worker;

    upstream->exchange = NULL;
    upstream->clock = NULL;
    if (pool->is_retired || worker->is_draining || is_wanted_elsewhere(pool) ||
        !is_current(upstream) ||
        (stream_may_have_more(&upstream->stream) && !stream_is_quiet(&upstream->stream))) {
        upstream_close(upstream, false);
        return;
    }
    upstream_set_active(upstream, false);
    parser_reset(&upstream->parser);
    buf_deinit(&upstream->inbox);
    upstream->searched = 0;
    upstream->idle_since_ms = worker_now_ms(worker);
    stream_resume(&upstream->stream);
    list_push_front(&pool->idle, &upstream->node);
    deadline_set(&upstream->deadline, &worker->deadlines.upstream_idle, upstream->idle_since_ms);
    make_room(pool, upstream);
    pool_note_place(pool);
}
