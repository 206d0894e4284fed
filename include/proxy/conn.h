/*
 * conn.h - one client connection, HTTP/1.x: finds requests in its bytes, one exchange after
 * another.
 *
 *     [PROXY header] -> [TLS] ->
 *     read -> inbox + bytes -> head complete?   -> exchange_start
 *                              body under way?  -> framing off, relay_request
 *                              otherwise        -> kept in the inbox; reads stop when it is large
 *
 * What an exchange needs of its client stands in the calls at the end, so that a connection that
 * carries several at once (HTTP/2) can stand here one day. What is HTTP/1.x by itself - reading a
 * head (exchange_start), whole answers (reply.c), tunnels - still uses parser and stream directly.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "http/parser.h"
#include "net/deadline.h"
#include "net/listener.h"
#include "net/stream.h"
#include "proxy/worker.h"

enum conn_state {
    CONN_PREFACE = 0, /* the PROXY header comes first, plain, also where TLS follows */
    CONN_HTTP,        /* requests and answers; with TLS, first its handshake */
    CONN_TUNNEL,      /* bytes; tunnel.c reads them */
    CONN_LINGER,      /* answered for the last time: what still comes is thrown away */
    CONN_CLOSED,
};

/*
 * What the client is waited for. One clock runs at a time; conn_watch says which.
 *
 * CLOCK_BODY starts anew with each limits.body_rate x timeouts.client_body bytes of the body, not
 * with each byte: so a client that sends nothing has one client_body, and one that trickles no more
 * than that for each run of so many bytes. Any byte does where the rate is 0, and once the answer
 * has begun; and who is being told an answer may rest as long as bytes of it go out. It stops while a server that is behind keeps us from reading.
 */
enum conn_clock {
    CLOCK_NONE = 0, /* nothing: it is the server's turn */
    CLOCK_HEAD,     /* a whole request head, from its first byte, or from the connection on */
    CLOCK_BODY,     /* more of the request's body, at limits.body_rate */
    CLOCK_WRITE,    /* that it takes what was written */
    CLOCK_IDLE,     /* the next request */
    CLOCK_LINGER,   /* its FIN, behind the last answer */
    CLOCK_TUNNEL,   /* bytes of the tunnel, either way */
};

struct conn {
    struct stream stream;
    struct list node;      /* in worker->conns */
    struct worker *worker; /* borrowed: owner */
    enum conn_state state;
    unsigned listener;    /* index of the one that it came in by */
    bool is_secure;       /* came by TLS, here or at the balancer that wrote the PROXY header */
    struct parser parser; /* of requests */
    struct buf inbox; /* received and not yet used: a partial head, a body whose backend is busy,
                         the next requests */
    size_t searched;  /* of inbox, by parser_find_head */
    bool has_line;    /* the head that is coming has a first line, and it is good */
    struct deadline deadline;
    enum conn_clock clock;     /* what `deadline` is set for */
    size_t pending_before;     /* CLOCK_WRITE: unsent bytes when it was set */
    uint64_t body_before;      /* CLOCK_BODY: bytes of the body received when it was set */
    uint64_t answer_before;    /* CLOCK_BODY: bytes of the answer sent when it was set */
    struct exchange *exchange; /* owned; NULL between requests */
    bool is_processing;        /* bytes are being worked through, here or further up the stack */
    struct str behind;         /* is_processing: what follows the bytes in use */
    unsigned requests;         /* heads so far */
    bool has_ended;            /* the client has sent FIN */
    bool ends_after_answer;    /* no further request is read */
    bool had_request;          /* silence is idleness from here on, not slowness */

    bool is_tallied;    /* has a place in common->tally, as `client` */
    struct addr client; /* who connects, or who the PROXY header says has */
    char client_ip[ADDR_TEXT_BYTES];
    unsigned client_ip_len;
    char port[6]; /* that the client connected to, in digits */
};

/* Takes over an accepted socket. When memory is short, or over one of the limits of connections, it
 * is answered 503 and closed; with a PROXY header to come, over the limit for one client when that
 * has told who it is. */
void conn_accept(struct worker *worker, struct listener *listener, int fd,
                 const struct addr *client);

/* Cuts the connection, and the exchange on it as the client's doing. `reset`: with RST. */
void conn_close(struct conn *conn, bool reset);

/* No further request is read: closes as soon as all that was written is sent and the client has no
 * reason to send more, lingering for its FIN otherwise. */
void conn_end(struct conn *conn);

/* Nobody is in an exchange here, and at least one has been: may be ended when draining. */
bool conn_is_idle(const struct conn *conn);

/* The clock has run out: for the worker's lists. */
void conn_on_deadline(struct deadline *deadline);

/* For the exchange */

/* Works through what has been received: when the exchange can take more of its body again. */
void conn_process(struct conn *conn);

/*
 * Sends. False: the client is gone; the connection is closed and the exchange ended. Whoever sends
 * looks at conn_is_congested afterwards, and stops its source until relay_client_drained.
 */
bool conn_send(struct conn *conn, const struct iovec *iov, unsigned count);

/* What the client is waited for may have changed. */
void conn_watch(struct conn *conn);

/* Bytes of the tunnel have moved: its clock starts anew. */
void conn_progress(struct conn *conn);

/* The exchange is over and gone: on with the next request, or the end of the connection. */
void conn_exchange_done(struct conn *conn, bool keep_alive);

/*
 * Whether limits.requests_per_connection lets it go on after the request that is being answered. A
 * request that has arrived behind it, its head at least, is not lost to the limit: up to twice as
 * many are answered as long as there is one.
 */
bool conn_may_keep(const struct conn *conn);

/* From here on bytes go to tunnel.c as they are; gives up (moves out) what is in the inbox. */
struct buf conn_become_tunnel(struct conn *conn);

static inline bool conn_is_congested(const struct conn *conn)
{
    return stream_is_congested(&conn->stream);
}

static inline struct str conn_client_ip(const struct conn *conn)
{
    return str_from(conn->client_ip, conn->client_ip_len);
}

#endif
