/*
 * listener.c - accepts connections for one loop.
 *
 *     socket -> SO_REUSEPORT; TCP_NODELAY, keep-alive (inherited by what is accepted) -> bind
 *            -> listen
 *     readable -> accept4 x LISTENER_BATCH -> on_connection
 *     EMFILE   -> poll off, timer -> poll on
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/*
 * A client that vanished without a word - its network went, its machine was switched off - is seen
 * after two minutes of silence, also where no timeout runs: under a tunnel that may be quiet for an
 * hour, or an answer that takes minutes. A client that is there answers the probes by itself.
 *
 * No TCP_USER_TIMEOUT: it also cuts who is there and reads nothing for a while, and a tunnel whose
 * reader pauses must live. For answers timeouts.client_body is that limit.
 */
static bool set_keep_alive(int fd)
{
    static const struct {
        int level, option, value;
    } OPTIONS[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, LISTENER_PROBE_AFTER_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, LISTENER_PROBE_EVERY_S},
        {IPPROTO_TCP, TCP_KEEPCNT, LISTENER_PROBES},
    };

    for (size_t i = 0; i < ARRAY_LEN(OPTIONS); i++)
        if (setsockopt(fd, OPTIONS[i].level, OPTIONS[i].option, &OPTIONS[i].value, sizeof(int)) ==
            -1)
            return false;
    return true;
}

/*
 * TCP_NOTSENT_LOWAT: the kernel takes no more in advance than this. Without it it takes megabytes
 * for a slow client, all of it memory that no limit of ours counts, and then says nothing until a
 * third of that has gone: a client that reads steadily would look stalled.
 */
static bool set_options(int fd, const struct addr *address, bool shared)
{
    int on = 1;
    int off = 0;
    int unsent = LISTENER_UNSENT_BYTES;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
        return false;
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
        return false;
    /* [::] takes IPv4 as well, whatever the machine's default is. */
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == -1)
        return false;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent)) == 0 &&
           set_keep_alive(fd);
}

bool listener_open(struct listener *listener, const struct addr *address, bool shared,
                   struct error *error)
{
    char text[ADDR_TEXT_BYTES];
    struct sockaddr_storage bound;
    socklen_t bound_len = sizeof(bound);
    const char *step = "open a socket for";

    memset(listener, 0, sizeof(*listener));
    listener->fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd == -1)
        goto fail;
    step = "set up";
    if (!set_options(listener->fd, address, shared))
        goto fail;
    step = "listen on";
    if (bind(listener->fd, &address->any, addr_len(address)) == -1 ||
        listen(listener->fd, LISTENER_BACKLOG) == -1)
        goto fail;
    if (getsockname(listener->fd, (struct sockaddr *)&bound, &bound_len) == -1)
        goto fail;
    listener->address = *address;
    struct addr real = addr_from_sockaddr((struct sockaddr *)&bound);
    addr_set_port(&listener->address, addr_port(&real));
    return true;

fail:
    error_set(error, "cannot %s %.*s: %s%s", step, STR_ARG(addr_format(address, text)),
              strerror(errno), errno == EADDRINUSE ? " (ss -ltnp shows by whom)" : "");
    listener_abandon(listener);
    return false;
}

void listener_abandon(struct listener *listener)
{
    if (listener->fd != -1)
        close(listener->fd);
    listener->fd = -1;
}

bool listener_probe(struct addr *address, struct error *error)
{
    struct listener probe;

    if (!listener_open(&probe, address, false, error))
        return false;
    *address = probe.address;
    listener_abandon(&probe);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

static void pause_accepting(struct listener *listener, int number)
{
    char text[ADDR_TEXT_BYTES];

    if (log_is_due(&listener->told_ms, uv_now(listener->poll.loop))) {
        log_event(LOG_WARN, "connections wait: no descriptors left",
                  LOG_STR("listen", addr_format(&listener->address, text)),
                  LOG_TEXT("error", strerror(number)));
    }
    uv_poll_stop(&listener->poll);
    uv_timer_start(&listener->pause, on_pause_over, LISTENER_PAUSE_MS, 0);
}

/* Takes up to `most` connections; false when none is left or none can be taken now. */
static bool accept_batch(struct listener *listener, unsigned most)
{
    for (unsigned i = 0; i < most; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        int fd = accept4(listener->fd, (struct sockaddr *)&from, &from_len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd == -1 && (errno == EINTR || errno == ECONNABORTED || errno == EPROTO))
            continue;
        if (fd == -1) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                pause_accepting(listener, errno);
            return false;
        }
        struct addr client = addr_from_sockaddr((struct sockaddr *)&from);
        listener->on_connection(listener, fd, &client);
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;

    (void)events;
    if (status == 0)
        accept_batch(listener, LISTENER_BATCH);
}

int listener_start(struct listener *listener, uv_loop_t *loop)
{
    int result = uv_poll_init(loop, &listener->poll, listener->fd);

    if (result != 0)
        return result;
    listener->poll.data = listener;
    uv_timer_init(loop, &listener->pause);
    listener->pause.data = listener;
    listener->open_handles = 2;
    return uv_poll_start(&listener->poll, UV_READABLE, on_poll);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    if (--listener->open_handles > 0)
        return;
    listener_abandon(listener);
    if (listener->on_close != NULL)
        listener->on_close(listener);
}

void listener_stop(struct listener *listener)
{
    while (accept_batch(listener, LISTENER_BATCH))
        ;
    /* No more from here on: what arrives now is refused by the kernel, not lost in a queue. */
    shutdown(listener->fd, SHUT_RD);
    uv_close((uv_handle_t *)&listener->poll, on_handle_closed);
    uv_close((uv_handle_t *)&listener->pause, on_handle_closed);
}
