/*
 * stream.c - bytes in from the loop's one buffer, bytes out with as few copies as the kernel
 * allows.
 *
 *     stream_hold  --copy-->  out
 *     stream_write: out + vectors --writev--> socket
 *                         the rest --copy--> out --swap--> in_flight --uv_write--> socket
 *                                             ^ further writes meanwhile        done: on_drain
 *
 *     with TLS    stream_hold --copy--> held
 *                 stream_write: held + vectors --tls_link_send--> sealed --as above--> socket
 *                 socket --> tls_link_receive --> plain --> on_read
 */
#include "net/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"

/* Much more than any sound client makes TLS answer before it reads again. */
#define UNASKED_MAX_BYTES (16 * 1024)

void stream_loop_deinit(struct stream_loop *loop)
{
    tls_loop_deinit(&loop->tls);
}

static struct stream_loop *loop_of(struct stream *stream)
{
    return stream->tcp.loop->data;
}

int stream_init(struct stream *stream, uv_loop_t *loop, const struct stream_ops *ops)
{
    stream->ops = ops;
    stream->link = NULL;
    buf_init(&stream->held);
    buf_init(&stream->out);
    buf_init(&stream->in_flight);
    stream->is_reading = stream->is_writing = stream->is_closing = stream->wants_shutdown = false;
    stream->is_shaking = stream->has_ended = stream->is_full = false;
    stream->unasked = 0;
    return uv_tcp_init(loop, &stream->tcp);
}

int stream_open(struct stream *stream, int fd)
{
    return uv_tcp_open(&stream->tcp, fd);
}

static void start_handshake(struct stream *stream);

static void on_connected(uv_connect_t *request, int status)
{
    struct stream *stream = CONTAINER_OF(request, struct stream, connect_req);

    if (stream->is_closing)
        return;
    if (status == 0)
        uv_tcp_nodelay(&stream->tcp, 1);
    if (status == 0 && stream->link != NULL)
        start_handshake(stream);
    else
        stream->ops->on_connect(stream, status);
}

int stream_connect(struct stream *stream, const struct addr *address)
{
    return uv_tcp_connect(&stream->connect_req, &stream->tcp, &address->any, on_connected);
}

/* TLS */

static int write_raw(struct stream *stream, const struct iovec *iov, unsigned count);

/* What the link wants to say: in answer to what was received, or because it was told to. */
static int send_sealed(struct stream *stream)
{
    struct buf *sealed = &loop_of(stream)->tls.sealed;
    struct str bytes = buf_str(sealed);
    struct iovec iov = {.iov_base = (char *)bytes.data, .iov_len = bytes.len};
    int status = bytes.len == 0 ? 0 : write_raw(stream, &iov, 1);

    buf_clear(sealed);
    return status;
}

/* The handshake is over, one way or the other. */
static void end_handshake(struct stream *stream, int status)
{
    stream->is_shaking = false;
    stream->ops->on_connect(stream, status);
}

/* TLS answers some messages by itself, and nobody above sees that: a client that keeps asking and
 * never reads would have us keep the answers forever. */
static bool is_flooded(struct stream *stream, size_t pending_before)
{
    size_t pending = stream_pending(stream);

    if (stream->is_writing && pending > pending_before)
        stream->unasked += pending - pending_before;
    return stream->unasked > UNASKED_MAX_BYTES;
}

/* Empty: the end of the connection. */
static void receive(struct stream *stream, struct str bytes)
{
    struct str plain;
    size_t pending = stream_pending(stream);
    bool was_waiting = stream_tls_is_waiting(stream);
    enum tls_state state = tls_link_receive(stream->link, bytes, &plain);
    int status = send_sealed(stream);

    if (plain.len == 0 && is_flooded(stream, pending))
        status = UV_EPROTO;

    if (stream->is_shaking && state != TLS_HANDSHAKE) {
        end_handshake(stream, state == TLS_FAILED ? UV_EPROTO : 0);
        if (state == TLS_FAILED)
            return;
    }
    if (plain.len > 0 && !stream->is_closing)
        stream->ops->on_read(stream, plain, 0);
    if (stream->is_closing || stream->has_ended)
        return;
    if (state == TLS_ENDED) {
        stream->has_ended = true;
        stream->ops->on_read(stream, STR(""), 0);
    } else if (state == TLS_FAILED) {
        stream->has_ended = true;
        stream->ops->on_read(stream, STR(""), UV_EPROTO);
    } else if (status != 0) {
        stream->ops->on_error(stream, status);
    } else if (was_waiting && !stream_tls_is_waiting(stream) && !stream->is_writing) {
        stream->ops->on_drain(stream);
    }
}

static void start_handshake(struct stream *stream)
{
    if (stream->ops->on_tcp != NULL)
        stream->ops->on_tcp(stream);
    if (stream->is_closing)
        return;
    enum tls_state state = tls_link_start(stream->link);
    int status = send_sealed(stream);
    if (status != 0)
        end_handshake(stream, status);
    else if (state == TLS_FAILED)
        end_handshake(stream, UV_EPROTO);
    else
        stream_resume(stream);
}

void stream_serve_tls(struct stream *stream, struct tls_keys *keys)
{
    CHECK(stream->link == NULL);
    stream->link = tls_link_to_client(&loop_of(stream)->tls, keys);
    stream->is_shaking = true;
}

void stream_use_tls(struct stream *stream, struct tls_trust *trust, struct str name,
                    struct tls_resume *resume)
{
    CHECK(stream->link == NULL);
    stream->link = tls_link_to_server(&loop_of(stream)->tls, trust, name, resume);
    stream->is_shaking = true;
}

void stream_feed(struct stream *stream, struct str data)
{
    if (stream->link != NULL)
        receive(stream, data);
    else
        stream->ops->on_read(stream, data, 0);
}

enum tls_fault stream_tls_fault(const struct stream *stream)
{
    return stream->link == NULL ? TLS_FINE : tls_link_fault(stream->link);
}

const char *stream_tls_error(const struct stream *stream)
{
    return stream->link == NULL ? "" : tls_link_error(stream->link);
}

struct str stream_tls_name(const struct stream *stream)
{
    return stream->link == NULL ? STR("") : tls_link_name(stream->link);
}

bool stream_tls_covers(const struct stream *stream, struct str host)
{
    return stream->link != NULL && tls_link_covers(stream->link, host);
}

bool stream_tls_has_begun(const struct stream *stream)
{
    return stream->link != NULL && tls_link_has_received(stream->link);
}

bool stream_tls_is_waiting(const struct stream *stream)
{
    return stream->link != NULL && tls_link_waiting(stream->link) > 0;
}

bool stream_tls_is_resumed(const struct stream *stream)
{
    return stream->link != NULL && tls_link_is_resumed(stream->link);
}

void stream_tls_inspect(const struct stream *stream, struct tls_link_info *info)
{
    if (stream->link == NULL)
        *info = (struct tls_link_info){.version = NULL};
    else
        tls_link_inspect(stream->link, info);
}

/* Reading */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct stream_loop *io = handle->loop->data;

    (void)suggested;
    buffer->base = io->read_buffer;
    buffer->len = sizeof(io->read_buffer);
}

/* libuv takes a reset that comes right behind bytes for the end; the socket still knows. One behind
 * a FIN (EPIPE) is no news. */
static int end_status(const struct stream *stream)
{
    uv_os_fd_t fd;
    int error = 0;
    socklen_t len = sizeof(error);

    if (uv_fileno((const uv_handle_t *)&stream->tcp, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error == EPIPE)
        return 0;
    return -error;
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buffer)
{
    struct stream *stream = CONTAINER_OF((uv_tcp_t *)tcp, struct stream, tcp);

    if (size == 0 || stream->is_closing)
        return;
    stream->is_full = size == sizeof(loop_of(stream)->read_buffer);
    if (size > 0) {
        stream_feed(stream, str_from(buffer->base, (size_t)size));
        return;
    }
    int status = size == UV_EOF ? end_status(stream) : (int)size;
    if (stream->link != NULL && status == 0)
        receive(stream, STR(""));
    else if (stream->is_shaking)
        end_handshake(stream, status);
    else
        stream->ops->on_read(stream, str_from("", 0), status);
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

bool stream_may_have_more(const struct stream *stream)
{
    return stream->is_full;
}

bool stream_is_quiet(const struct stream *stream)
{
    char byte;
    uv_os_fd_t fd;

    return uv_fileno((const uv_handle_t *)&stream->tcp, &fd) == 0 &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == -1 && errno == EAGAIN;
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
    else if (!stream->is_writing && !stream_tls_is_waiting(stream)) {
        stream->unasked = 0;
        stream->ops->on_drain(stream);
    }
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
    buf_append_str(stream->link == NULL ? &stream->out : &stream->held, data);
}

int stream_flush(struct stream *stream)
{
    size_t waiting = buf_len(&stream->out) + buf_len(&stream->held);

    return waiting == 0 ? 0 : stream_write(stream, NULL, 0);
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

static int write_raw(struct stream *stream, const struct iovec *iov, unsigned count)
{
    uv_buf_t buffers[WRITE_VECTORS];
    unsigned used = 0;

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

static int write_sealed(struct stream *stream, const struct iovec *iov, unsigned count)
{
    struct iovec with_held[WRITE_VECTORS];
    struct str held = buf_str(&stream->held);
    bool good;

    /* Nothing of a write that fails may have been sent: it may then be tried elsewhere. */
    if (held.len == 0) {
        good = tls_link_send(stream->link, iov, count);
    } else {
        CHECK(count < WRITE_VECTORS);
        with_held[0] = (struct iovec){.iov_base = (char *)held.data, .iov_len = held.len};
        if (count > 0)
            memcpy(with_held + 1, iov, count * sizeof(*iov));
        good = tls_link_send(stream->link, with_held, count + 1);
        buf_deinit(&stream->held);
    }
    if (good)
        return send_sealed(stream);
    buf_clear(&loop_of(stream)->tls.sealed);
    return UV_EPIPE;
}

int stream_write(struct stream *stream, const struct iovec *iov, unsigned count)
{
    if (stream->is_closing)
        return UV_ECANCELED;
    return stream->link == NULL ? write_raw(stream, iov, count) : write_sealed(stream, iov, count);
}

size_t stream_pending(const struct stream *stream)
{
    size_t waiting = stream->link == NULL ? 0 : tls_link_waiting(stream->link);

    return buf_len(&stream->held) + waiting + buf_len(&stream->out) + stream->tcp.write_queue_size;
}

/* Tells the other end that nothing follows, so that it knows a cut when it sees one. */
static void say_end(struct stream *stream)
{
    if (stream->link == NULL)
        return;
    tls_link_end(stream->link);
    send_sealed(stream);
}

void stream_shutdown(struct stream *stream)
{
    if (stream->is_closing)
        return;
    say_end(stream);
    stream->wants_shutdown = true;
    if (!stream->is_writing)
        write_raw(stream, NULL, 0);
    if (!stream->is_writing)
        send_out(stream);
}

/* Closing */

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = CONTAINER_OF((uv_tcp_t *)handle, struct stream, tcp);

    tls_link_free(stream->link);
    buf_deinit(&stream->held);
    buf_deinit(&stream->out);
    buf_deinit(&stream->in_flight);
    stream->ops->on_close(stream);
}

void stream_close(struct stream *stream)
{
    if (stream->is_closing)
        return;
    /* As far as one write goes: what is not taken now is lost with the rest. */
    if (stream_pending(stream) == 0)
        say_end(stream);
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
