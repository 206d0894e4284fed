/*
 * conn.h - one client connection, HTTP/1.x: finds requests in its bytes, one exchange after
 * another.
 *
 *     read -> inbox + bytes -> head complete? -> exchange_start
 *                              body under way? -> relay_request
 *                              otherwise: kept in the inbox; reading stops when that grows too
 * large
 *
 * The exchange sees its client only through the calls below, so that a connection that carries
 * several exchanges at once (HTTP/2) can stand here one day.
 */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "http/parser.h"
#include "net/deadline.h"
#include "net/listener.h"
#include "net/stream.h"
#include "proxy/worker.h"

enum conn_state {
    CONN_HTTP = 0, /* requests and answers */
    CONN_TUNNEL,   /* bytes; tunnel.c reads them */
    CONN_LINGER,   /* answered for the last time: what still comes is thrown away */
    CONN_CLOSED,
};

struct conn {
    struct stream stream;
    struct list node;      /* in worker->conns */
    struct worker *worker; /* borrowed: owner */
    enum conn_state state;
    struct parser parser; /* of requests */
    struct buf inbox; /* received and not yet used: a partial head, a body whose backend is busy,
                         the next requests */
    size_t searched;  /* of inbox, by parser_find_head */
    struct deadline deadline;
    size_t pending_before;     /* unsent bytes when the deadline for writing was set */
    struct exchange *exchange; /* owned; NULL between requests */
    bool is_processing;        /* conn_process is on the stack */
    bool has_ended;            /* the client has sent FIN */
    bool ends_after_answer;    /* no further request is read */
    bool head_started;         /* the first bytes of a head have come: its time runs */

    struct addr client;
    char client_ip[ADDR_TEXT_BYTES];
    unsigned client_ip_len;
    char port[6]; /* of the listener, in digits */
};

/* Takes over an accepted socket. Over the limit of connections it is answered 503 and closed. */
void conn_accept(struct worker *worker, struct listener *listener, int fd,
                 const struct addr *client);

/* Works through what has been received: also when the exchange can take more of its body again. */
void conn_process(struct conn *conn);

/*
 * The exchange is over and gone: on with the next request, or the end of the connection (lingering
 * when the client may still be sending).
 */
void conn_exchange_done(struct conn *conn, bool keep_alive);

/* Cuts the connection, and the exchange on it as the client's doing. `reset`: with RST. */
void conn_close(struct conn *conn, bool reset);

/* Their time is up: for the worker's lists. */
void conn_on_header_deadline(struct deadline *deadline);
void conn_on_body_deadline(struct deadline *deadline);
void conn_on_idle_deadline(struct deadline *deadline); /* keep-alive, and lingering */
void conn_on_tunnel_deadline(struct deadline *deadline);

/* Nobody is in an exchange here: may be ended when draining. */
bool conn_is_idle(const struct conn *conn);

static inline struct str conn_client_ip(const struct conn *conn)
{
    return str_from(conn->client_ip, conn->client_ip_len);
}

#endif
