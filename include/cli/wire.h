/*
 * wire.h - one connection to the admin API: blocking, with TLS or without, ten seconds for each step.
 *
 * The server's certificate is verified, and its name checked (login.h says against what).
 */
#ifndef CLI_WIRE_H
#define CLI_WIRE_H

#include "base/buf.h"
#include "cli/login.h"
#include "net/tls.h"

struct wire {
    const struct login *login; /* borrowed */
    int fd;                    /* -1: not connected */
    struct tls_loop tls;
    struct tls_link *link; /* owned; NULL: plain */
    struct buf in;         /* read and not yet used; emptied by the caller */
};

/* To be followed by wire_close either way. */
bool wire_open(struct wire *wire, const struct login *login, struct error *error) MUST_CHECK;
void wire_close(struct wire *wire);

/* True also when the other end has closed: it may have said why before, and wire_read tells. */
bool wire_send(struct wire *wire, struct str bytes, struct error *error) MUST_CHECK;

/* 1: something came into `in`; 0: the end; -1: the error says why not. */
int wire_read(struct wire *wire, struct error *error) MUST_CHECK;

/* How long the other end may be silent from here on. */
void wire_set_patience(struct wire *wire, unsigned seconds);

#endif
