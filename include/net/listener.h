/*
 * listener.h - a listening socket that several loops share: each worker has one of its own on the
 * same address (SO_REUSEPORT), and the kernel spreads connections over them.
 *
 * It accepts by itself, not through uv_listen: so it can take a bounded number of connections for
 * each wake-up, gets the peer's address without a further call, and when descriptors run out leaves
 * new connections waiting in the kernel (for LISTENER_PAUSE_MS) instead of closing them.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <uv.h>

#include "base/error.h"
#include "net/addr.h"

#define LISTENER_BATCH    32
#define LISTENER_BACKLOG  1024
#define LISTENER_PAUSE_MS 100

/* TCP keep-alive of what is accepted. */
#define LISTENER_PROBE_AFTER_S 60
#define LISTENER_PROBE_EVERY_S 15
#define LISTENER_PROBES        4

struct listener;

/* `fd` is the callee's: non-blocking, close-on-exec, Nagle off, keep-alive on. */
typedef void (*listener_cb)(struct listener *listener, int fd, const struct addr *client);

/* Of an answer, written and not sent yet, for each connection. */
#define LISTENER_UNSENT_BYTES (64 * 1024)

struct listener {
    int fd;              /* owned; -1: not open */
    struct addr address; /* as bound: with the real port when 0 was asked for */
    void *owner;         /* borrowed: whoever on_connection is for */
    listener_cb on_connection;
    void (*on_close)(struct listener *listener); /* both handles are closed */
    uv_poll_t poll;
    uv_timer_t pause;
    unsigned open_handles;
    _Atomic uint64_t told_ms; /* log_is_due: that connections wait */
};

/*
 * Binds and listens; connections wait in the kernel until listener_start. `shared`: SO_REUSEPORT.
 * False: the error names the address and what is wrong, and nothing stays open.
 */
bool listener_open(struct listener *listener, const struct addr *address, bool shared,
                   struct error *error) MUST_CHECK;

/*
 * Whether the address is nobody else's: sockets that share a port would share it with any process
 * that does the same. Port 0 becomes a free port. False: the error names the address and what is
 * wrong.
 */
bool listener_probe(struct addr *address, struct error *error) MUST_CHECK;

/* Accepts on `loop`, whose thread alone may use the listener from here on. 0 or UV_E*. */
int listener_start(struct listener *listener, uv_loop_t *loop);

/* Hands over all that waits in the kernel, then closes; on_close comes later. Once only. */
void listener_stop(struct listener *listener);

/* Closes one that was opened and never started. */
void listener_abandon(struct listener *listener);

#endif
