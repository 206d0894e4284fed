/*
 * ends.h - the sockets around the proxy: its clients, and the servers that it connects to.
 *
 *     clients[]  ----> proxy ----> links[]
 *
 * All in one thread: ends_settle turns the worker's loop and these ends until nothing moves any
 * more. Everything that an end sends or gets is kept, and judged when it is over (judge.h).
 */
#ifndef TESTS_FUZZ_ENDS_H
#define TESTS_FUZZ_ENDS_H

#include "base/buf.h"
#include "proxy/worker.h"

#define CLIENTS_MAX 6
#define LINKS_MAX   128

/* Servers: one of old, two of new. */
#define SERVERS 3

struct end {
    int fd; /* owned; -1: closed */
    struct buf sent;
    struct buf received;
    bool is_deaf;        /* does not read for now */
    bool has_shut;       /* its FIN is sent */
    bool has_ended;      /* the proxy's FIN or RST has come */
    size_t sent_until;   /* how much had been sent by then */
    bool was_reset;      /* by either */
    bool is_turned_away; /* client: there was no room for it */
    bool has_preface;    /* client: begins with a PROXY header */
    bool is_scripted;    /* link: the input says what it answers */
    unsigned answered;   /* link: requests answered by the rote answer */
};

struct ends {
    struct worker *worker; /* borrowed */
    int listeners[SERVERS];
    struct addr addresses[SERVERS]; /* of the listeners */
    struct end clients[CLIENTS_MAX];
    unsigned client_count;
    struct end links[LINKS_MAX];
    unsigned link_count;
    bool closes_next; /* the next connection to a server is closed as soon as it is there */
};

/* Opens the listeners. */
void ends_init(struct ends *ends);

/* The newest client that is open; a new one on the worker's listener when there is none, or when
 * `fresh`. NULL: there are too many. */
struct end *ends_client(struct ends *ends, unsigned listener, bool fresh);

/* The newest connection to a server that is open; NULL: there is none. */
struct end *ends_link(struct ends *ends);

/* Sends as much as the kernel takes at once. */
void end_send(struct end *end, struct str bytes);
void end_shut(struct end *end);
void end_reset(struct end *end);

void ends_settle(struct ends *ends);

/* Closes and forgets all. */
void ends_clear(struct ends *ends);

#endif
