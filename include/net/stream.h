/*
 * stream.h - a TCP connection, with TLS or without, as the proxy wants it: lent buffer in, gathered
 * bytes out.
 *
 * Reading: the bytes of a read stand in the loop's one shared buffer (struct stream_loop) and are
 * gone when on_read returns; whoever needs them longer copies them. So an idle connection owns no
 * buffer. Reads stay armed from stream_start on; stream_pause is for back-pressure only.
 *
 * Writing: stream_write sends at once what the kernel takes, straight from the caller's memory, and
 * copies only the rest, which is sent as the socket drains. stream_pending says how much that is:
 * a relay stops reading its source above STREAM_HIGH_BYTES and goes on at on_drain.
 *
 * Closing: stream_close for all cases; on_close comes exactly once, later, never from within a
 * call, and is where the owner may free the memory. After stream_close no other callback comes.
 *
 * TLS is a second way behind the same calls: whoever opens a stream says that it is to be used, and
 * nothing else above net/ knows. The handshake is part of connecting: on_connect comes after it. An
 * end without close_notify is a failure (RFC 8446 6.1: it may have been cut on the way).
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <sys/uio.h>
#include <uv.h>

#include "base/buf.h"
#include "net/addr.h"
#include "net/tls.h"

#define STREAM_READ_BYTES (64 * 1024)
#define STREAM_HIGH_BYTES (64 * 1024)

/* One for each uv loop, reached through loop->data: the buffer that reads are lent, and what TLS
 * shares. Zeroed at first. */
struct stream_loop {
    struct tls_loop tls;
    char read_buffer[STREAM_READ_BYTES];
};
void stream_loop_deinit(struct stream_loop *loop);

struct stream;

struct stream_ops {
    /* 0 or UV_E*. After stream_connect: connected, and TLS is there where it is used; between the
     * two on_tcp comes (NULL is allowed). After stream_serve_tls: TLS is there. UV_EPROTO is a
     * handshake that failed: stream_tls_fault and stream_tls_error say why. */
    void (*on_connect)(struct stream *stream, int status);
    void (*on_tcp)(struct stream *stream);
    /* data.len 0: the end of the stream (status 0) or a failure (UV_E*) */
    void (*on_read)(struct stream *stream, struct str data, int status);
    void (*on_drain)(struct stream *stream);             /* everything written so far is sent */
    void (*on_error)(struct stream *stream, int status); /* a write failed */
    void (*on_close)(struct stream *stream);             /* the memory is the owner's again */
};

struct stream {
    uv_tcp_t tcp;
    const struct stream_ops *ops;
    struct tls_link *link; /* owned; NULL: plain */
    struct buf held;       /* TLS: plain, goes with the next write */
    struct buf out;        /* copied, not yet handed to uv */
    struct buf in_flight;  /* handed to uv with write_req */
    uv_connect_t connect_req;
    uv_write_t write_req;
    uv_shutdown_t shutdown_req;
    bool is_reading, is_writing, is_closing;
    bool wants_shutdown; /* FIN follows what is still to be sent */
    size_t unasked;      /* bytes of `out` that TLS wants to say by itself */
    bool is_shaking;     /* the TLS handshake is under way */
    bool has_ended;      /* the end of what it sends has been told */
    bool is_full;        /* the last read filled the loop's buffer */
};

/* Ready to accept into or to connect. Must be closed with stream_close from here on. */
int stream_init(struct stream *stream, uv_loop_t *loop, const struct stream_ops *ops);

/* Takes over a connected socket (from a listener). 0 or UV_E*: then the socket is still the
 * caller's. */
int stream_open(struct stream *stream, int fd);

/*
 * TLS from the first byte on. To a client: before stream_start; the keys are its listener's. To a
 * server: before stream_connect; `name` is the one that is asked for and that the certificate must
 * be for (see tls.h), `resume` (NULL is allowed) outlives the stream.
 */
void stream_serve_tls(struct stream *stream, struct tls_keys *keys);
void stream_use_tls(struct stream *stream, struct tls_trust *trust, struct str name,
                    struct tls_resume *resume);

/* 0, then on_connect; or UV_E* at once, without it. */
int stream_connect(struct stream *stream, const struct addr *address);

/* Starts reading; once accepted or connected. */
void stream_start(struct stream *stream);

/* Back-pressure. Both may be called at any time, also twice. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);

/* Bytes that came before stream_serve_tls was called and are for it: as if read now. on_connect and
 * on_read may come from within. */
void stream_feed(struct stream *stream, struct str data);

/*
 * Keeps a copy of the bytes, to go out in one piece with the next stream_write or stream_flush: for
 * a head whose body stands in the same read.
 */
void stream_hold(struct stream *stream, struct str data);
int stream_flush(struct stream *stream);

/*
 * Sends all bytes of the vectors, in order after everything written before. 0 or UV_E*: then the
 * connection is of no more use. No callback comes from within.
 */
int stream_write(struct stream *stream, const struct iovec *iov, unsigned count);

/* The last read filled the buffer: what is behind it is not known. */
bool stream_may_have_more(const struct stream *stream);

/* Nothing has come that was not read yet, bytes or the end: looks at the socket. */
bool stream_is_quiet(const struct stream *stream);

/* Bytes written and not yet taken by the kernel. */
size_t stream_pending(const struct stream *stream);

/* TLS cannot send before it has read the rest of a message of its own. */
bool stream_tls_is_waiting(const struct stream *stream);

/* The socket is behind. Bytes that are only held do not count: they go with the next write. */
static inline bool stream_is_congested(const struct stream *stream)
{
    return (stream->is_writing || stream_tls_is_waiting(stream)) &&
           stream_pending(stream) > STREAM_HIGH_BYTES;
}

/* Sends FIN, and close_notify before it, behind everything written. */
void stream_shutdown(struct stream *stream);

/* Why on_connect brought UV_EPROTO: the kind, and a few words that stay until on_close. */
enum tls_fault stream_tls_fault(const struct stream *stream);
const char *stream_tls_error(const struct stream *stream);

/* A client's TLS: the name that it asked for (SNI; empty: none), whether the certificate that it
 * was shown is for `host`, and whether it resumed instead of shaking hands in full. */
struct str stream_tls_name(const struct stream *stream);
bool stream_tls_covers(const struct stream *stream, struct str host);
bool stream_tls_is_resumed(const struct stream *stream);

/* Whether the other end has sent anything at all. */
bool stream_tls_has_begun(const struct stream *stream);

/* Once TLS is there: what it came to, for whoever wants to tell. All zero without TLS. */
void stream_tls_inspect(const struct stream *stream, struct tls_link_info *info);

/* Closes; what the kernel has not taken is lost. May be called twice. */
void stream_close(struct stream *stream);

/* As stream_close with RST, so that the other end sees that something was cut. */
void stream_reset(struct stream *stream);

#endif
