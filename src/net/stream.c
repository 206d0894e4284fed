/*
 * stream.c - bytes in from the loop's one buffer, bytes out with as few copies as the kernel
 * allows.
 *
 *     stream_hold  --copy-->  out
 *     stream_write: out + vectors --writev--> socket
 *                         the rest --copy--> out --swap--> in_flight --uv_write--> socket
 *                                             ^ further writes meanwhile        done: on_drain
 */
#include "net/stream.h"

#include "base/check.h"

int stream_init(struct stream *stream, uv_loop_t *loop, const struct stream_ops *ops)
{
    stream->ops = ops;
    buf_init(&stream->out);
    buf_init(&stream->in_flight);
    stream->is_reading = stream->is_writing = stream->is_closing = stream->wants_shutdown = false;
    return uv_tcp_init(loop, &stream->tcp);
}

int stream_open(struct stream *stream, int fd)
{
    return uv_tcp_open(&stream->tcp, fd);
}

static void on_connected(uv_connect_t *request, int status)
{
    struct stream *stream = CONTAINER_OF(request, struct stream, connect_req);

    if (stream->is_closing)
        return;
    if (status == 0)
        uv_tcp_nodelay(&stream->tcp, 1);
    stream->ops->on_connect(stream, status);
}

int stream_connect(struct stream *stream, const struct addr *address)
{
    return uv_tcp_connect(&stream->connect_req, &stream->tcp, &address->any, on_connected);
}

/* Reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct stream_loop *io = handle->loop->data;

    (void)suggested;
    buffer->base = io->read_buffer;
    buffer->len = sizeof(io->read_buffer);
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buffer)
{
    struct stream *stream = CONTAINER_OF((uv_tcp_t *)tcp, struct stream, tcp);

    if (size == 0 || stream->is_closing)
        return;
    if (size > 0)
        stream->ops->on_read(stream, str_from(buffer->base, (size_t)size), 0);
    else
        stream->ops->on_read(stream, str_from("", 0), size == UV_EOF ? 0 : (int)size);
}

void stream_start(struct stream *stream)
{
    stream_resume(stream);
}

void stream_pause(struct stream *stream)
{
    if (!stream->is_reading || stream->is_closing)
        return;
    stream->is_reading = false;
    uv_read_stop((uv_stream_t *)&stream->tcp);
}

void stream_resume(struct stream *stream)
{
    if (stream->is_reading || stream->is_closing)
        return;
    stream->is_reading = true;
    uv_read_start((uv_stream_t *)&stream->tcp, on_alloc, on_read);
}

/* Writing */

static void on_shut_down(uv_shutdown_t *request, int status)
{
    (void)request;
    (void)status;
}

static int send_out(struct stream *stream);

static void on_written(uv_write_t *request, int status)
{
    struct stream *stream = CONTAINER_OF(request, struct stream, write_req);

    stream->is_writing = false;
    if (stream->is_closing)
        return;
    buf_deinit(&stream->in_flight);
    if (status == 0)
        status = send_out(stream);
    if (status != 0)
        stream->ops->on_error(stream, status);
    else if (!stream->is_writing)
        stream->ops->on_drain(stream);
}

/* Hands `out` to uv; nothing when it is empty or a write is under way already. */
static int send_out(struct stream *stream)
{
    if (stream->is_writing)
        return 0;
    if (buf_len(&stream->out) == 0) {
        if (stream->wants_shutdown)
            uv_shutdown(&stream->shutdown_req, (uv_stream_t *)&stream->tcp, on_shut_down);
        stream->wants_shutdown = false;
        return 0;
    }
    struct buf idle = stream->in_flight;
    stream->in_flight = stream->out;
    stream->out = idle;

    struct str bytes = buf_str(&stream->in_flight);
    uv_buf_t buffer = {.base = (char *)bytes.data, .len = bytes.len};
    int status = uv_write(&stream->write_req, (uv_stream_t *)&stream->tcp, &buffer, 1, on_written);
    stream->is_writing = status == 0;
    return status;
}

void stream_hold(struct stream *stream, struct str data)
{
    buf_append_str(&stream->out, data);
}

int stream_flush(struct stream *stream)
{
    return buf_len(&stream->out) == 0 ? 0 : stream_write(stream, NULL, 0);
}

/* Copies what is behind the first `sent` bytes of the vectors. */
static void keep_rest(struct stream *stream, const struct iovec *iov, unsigned count, size_t sent)
{
    for (unsigned i = 0; i < count; i++) {
        size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;
        sent -= skip;
        if (skip < iov[i].iov_len)
            buf_append(&stream->out, (const char *)iov[i].iov_base + skip, iov[i].iov_len - skip);
    }
}

#define WRITE_VECTORS 40

int stream_write(struct stream *stream, const struct iovec *iov, unsigned count)
{
    uv_buf_t buffers[WRITE_VECTORS];
    unsigned used = 0;

    if (stream->is_closing)
        return UV_ECANCELED;
    if (stream->is_writing) {
        keep_rest(stream, iov, count, 0);
        return 0;
    }
    CHECK(count < WRITE_VECTORS);
    size_t held = buf_len(&stream->out);
    if (held > 0)
        buffers[used++] = uv_buf_init((char *)buf_str(&stream->out).data, (unsigned)held);
    for (unsigned i = 0; i < count; i++) {
        buffers[used].base = iov[i].iov_base;
        buffers[used++].len = iov[i].iov_len;
    }
    if (used == 0)
        return 0;

    int result = uv_try_write((uv_stream_t *)&stream->tcp, buffers, used);
    if (result < 0 && result != UV_EAGAIN)
        return result;
    size_t sent = result < 0 ? 0 : (size_t)result;
    size_t sent_held = sent < held ? sent : held;
    if (held > 0) {
        buf_consume(&stream->out, sent_held);
        if (buf_len(&stream->out) == 0)
            buf_deinit(&stream->out);
    }
    keep_rest(stream, iov, count, sent - sent_held);
    return send_out(stream);
}

size_t stream_pending(const struct stream *stream)
{
    return buf_len(&stream->out) + stream->tcp.write_queue_size;
}

void stream_shutdown(struct stream *stream)
{
    if (stream->is_closing)
        return;
    stream->wants_shutdown = true;
    if (!stream->is_writing)
        stream_write(stream, NULL, 0);
    if (!stream->is_writing)
        send_out(stream);
}

/* Closing */

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = CONTAINER_OF((uv_tcp_t *)handle, struct stream, tcp);

    buf_deinit(&stream->out);
    buf_deinit(&stream->in_flight);
    stream->ops->on_close(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->is_closing)
        return;
    stream->is_closing = true;
    uv_close((uv_handle_t *)&stream->tcp, on_closed);
}

void stream_reset(struct stream *stream)
{
    if (stream->is_closing)
        return;
    /* Refused when a FIN is already under way: then a plain close is all that is left. */
    if (uv_tcp_close_reset(&stream->tcp, on_closed) == 0)
        stream->is_closing = true;
    else
        stream_close(stream);
}
