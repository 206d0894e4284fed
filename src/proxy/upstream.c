/*
 * upstream.c - a connection to a server: socket events in, calls on the leasing exchange out.
 *
 * While it is idle nobody leases it; whatever happens to it then - bytes that nobody asked for, the
 * server's FIN, an error - means that it cannot be trusted with another request, and closes it.
 */
#include "proxy/upstream.h"

#include "base/check.h"
#include "proxy/attempt.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

static struct upstream *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct upstream, stream);
}

static void on_tcp(struct stream *stream)
{
    struct upstream *upstream = of_stream(stream);
    struct worker *worker = upstream->pool->worker;

    upstream->is_shaking = true;
    deadline_set(&upstream->deadline, &worker->deadlines.tls_handshake, worker_now_ms(worker));
}

static void on_connect(struct stream *stream, int status)
{
    struct upstream *upstream = of_stream(stream);

    deadline_clear(&upstream->deadline);
    upstream->is_shaking = false;
    if (status == 0) {
        upstream->is_connected = true;
        stream_start(stream);
    }
    if (upstream->exchange != NULL)
        attempt_on_connect(upstream->exchange, status);
    else
        upstream_close(upstream, false);
}

static void on_read(struct stream *stream, struct str data, int status)
{
    struct upstream *upstream = of_stream(stream);

    if (upstream->exchange != NULL)
        exchange_on_upstream_read(upstream->exchange, data, status);
    else
        upstream_close(upstream, false);
}

static void on_drain(struct stream *stream)
{
    struct upstream *upstream = of_stream(stream);

    if (upstream->exchange != NULL)
        exchange_on_upstream_drain(upstream->exchange);
}

static void on_error(struct stream *stream, int status)
{
    struct upstream *upstream = of_stream(stream);

    if (upstream->exchange != NULL)
        exchange_on_upstream_error(upstream->exchange, status);
    else
        upstream_close(upstream, false);
}

static void on_close(struct stream *stream)
{
    struct upstream *upstream = of_stream(stream);
    struct pool *pool = upstream->pool;
    struct worker *worker = pool->worker;

    buf_deinit(&upstream->inbox);
    tls_trust_unref(upstream->trust);
    mem_free(upstream->name);
    mem_free(upstream);
    worker->upstream_count--;
    pool_note_closed(pool);
    worker_note_closed(worker);
}

static const struct stream_ops upstream_ops = {
    .on_tcp = on_tcp,
    .on_connect = on_connect,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

void upstream_set_active(struct upstream *upstream, bool active)
{
    if (upstream->is_active == active)
        return;
    upstream->is_active = active;
    atomic_fetch_add_explicit(&upstream->pool->server->shared.active, active ? 1u : (unsigned)-1,
                              memory_order_relaxed);
}

bool upstream_take_place(struct server *server, unsigned most)
{
    if (atomic_fetch_add_explicit(&server->shared.upstreams, 1, memory_order_relaxed) < most ||
        most == 0)
        return true;
    upstream_give_place(server);
    return false;
}

void upstream_give_place(struct server *server)
{
    atomic_fetch_sub_explicit(&server->shared.upstreams, 1, memory_order_relaxed);
}

struct upstream *upstream_connect(struct pool *pool, struct exchange *exchange,
                                  const struct addr *address, struct tls_trust *trust,
                                  struct str name, int *status)
{
    struct worker *worker = pool->worker;
    struct upstream *upstream = mem_zalloc(1, sizeof(*upstream));

    upstream->pool = pool;
    upstream->exchange = exchange;
    upstream->address = *address;
    list_init(&upstream->node);
    deadline_init(&upstream->deadline);
    parser_init(&upstream->parser, PARSER_RESPONSE);
    CHECK(stream_init(&upstream->stream, &worker->loop, &upstream_ops) == 0);
    if (trust != NULL) {
        upstream->trust = tls_trust_ref(trust);
        upstream->name = str_dup(name);
        stream_use_tls(&upstream->stream, trust, name, &pool->resume);
    }
    pool->open++;
    worker->upstream_count++;
    counter_add(&worker->counters->upstreams[pool->server->side], 1);
    upstream_set_active(upstream, true);

    *status = stream_connect(&upstream->stream, address);
    if (*status != 0) {
        upstream_close(upstream, false);
        return NULL;
    }
    deadline_set(&upstream->deadline, &worker->deadlines.connect, worker_now_ms(worker));
    return upstream;
}

void upstream_close(struct upstream *upstream, bool reset)
{
    if (upstream->stream.is_closing)
        return;
    upstream->exchange = NULL;
    upstream_set_active(upstream, false);
    list_remove(&upstream->node);
    deadline_clear(&upstream->deadline);
    counter_sub(&upstream->pool->worker->counters->upstreams[upstream->pool->server->side], 1);
    upstream_give_place(upstream->pool->server);
    if (reset)
        stream_reset(&upstream->stream);
    else
        stream_close(&upstream->stream);
    pool_note_place(upstream->pool);
}
