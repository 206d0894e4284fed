/* conn_accept.h - what conn.c and conn_accept.c, the two parts of conn.h, share. */
#ifndef PROXY_CONN_ACCEPT_H
#define PROXY_CONN_ACCEPT_H

#include "proxy/conn.h"

extern const struct stream_ops conn_ops;

static inline struct conn *conn_of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct conn, stream);
}

/* CONN_PREFACE: more bytes of the PROXY header, and what is behind it. */
void conn_read_preface(struct conn *conn, struct str data);

/* TLS is there (0), or never will be. */
void conn_on_tls(struct stream *stream, int status);

/* It is being closed: others may come. Once. */
void conn_give_place(struct conn *conn);

#endif
