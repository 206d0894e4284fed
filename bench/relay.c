/* bench-relay: the yardstick for `./dev bench`. Moves bytes between a client and an origin and
 * knows nothing of HTTP: about the least that any proxy in user space can do.
 *
 *     client fd --read--> buffer --write--> origin fd        one epoll_wait, one read and one
 *     client fd <--write-- buffer <--read-- origin fd        write per direction and request
 *
 * Level-triggered epoll, one thread, one buffer for all connections. Only what a socket does not
 * take is kept (`held`); until that is gone the other side is not read.
 *
 *     bench-relay LISTEN_PORT ORIGIN_HOST:PORT...
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ORIGINS_MAX = 16, EVENTS_MAX = 256, BUFFER_BYTES = 65536 };

/** one socket of a pair */
struct end {
    int fd;
    struct end *other; /* borrowed: the other one of the same pair */
    struct pair *pair; /* borrowed */
    char *held;        /* owned: bytes that this socket did not take yet */
    size_t held_at;
    size_t held_len;
    bool eof; /* nothing more will come from this socket */
    bool out; /* taken out of epoll, see end_hangup */
    uint32_t events;
};

struct pair {
    struct end ends[2];
    struct pair *next_dead;
    bool dead;
};

struct relay {
    int epoll;
    int listener;
    struct sockaddr_in origins[ORIGINS_MAX];
    size_t n_origins;
    size_t turn;
    struct pair *dead; /* freed behind the batch: it may still hold their events */
    char buffer[BUFFER_BYTES];
};

static void pair_close(struct relay *relay, struct pair *pair)
{
    if (pair->dead)
        return;
    pair->dead = true;
    close(pair->ends[0].fd);
    close(pair->ends[1].fd);
    pair->next_dead = relay->dead;
    relay->dead = pair;
}

static void free_dead(struct relay *relay)
{
    while (relay->dead != NULL) {
        struct pair *pair = relay->dead;
        relay->dead = pair->next_dead;
        free(pair->ends[0].held);
        free(pair->ends[1].held);
        free(pair);
    }
}

/* Asks epoll only when something changed: in the steady state, never. */
static void end_watch(struct relay *relay, struct end *end)
{
    uint32_t events = 0;
    if (!end->eof && end->other->held == NULL)
        events |= EPOLLIN;
    if (end->held != NULL)
        events |= EPOLLOUT;
    if (events != end->events) {
        struct epoll_event change = {.events = events, .data.ptr = end};
        epoll_ctl(relay->epoll, end->out ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, end->fd, &change);
        end->out = false;
        end->events = events;
    }
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ENOTCONN;
}

static void end_hold(struct end *end, const char *at, size_t len)
{
    end->held = malloc(len);
    if (end->held == NULL)
        abort();
    memcpy(end->held, at, len);
    end->held_at = 0;
    end->held_len = len;
}

/* The hot path: from `from` to the other end. */
static void end_readable(struct relay *relay, struct end *from)
{
    struct end *to = from->other;
    ssize_t n = read(from->fd, relay->buffer, sizeof(relay->buffer));
    if (n < 0) {
        if (!would_block())
            pair_close(relay, from->pair);
        return;
    }
    if (n == 0) {
        from->eof = true;
        if (to->eof) {
            pair_close(relay, from->pair);
            return;
        }
        shutdown(to->fd, SHUT_WR);
        end_watch(relay, from);
        return;
    }
    ssize_t taken = send(to->fd, relay->buffer, (size_t)n, MSG_NOSIGNAL);
    if (taken == n)
        return;
    if (taken < 0) {
        if (!would_block()) {
            pair_close(relay, from->pair);
            return;
        }
        taken = 0;
    }
    end_hold(to, relay->buffer + taken, (size_t)(n - taken));
    end_watch(relay, to);
    end_watch(relay, from);
}

static void end_writable(struct relay *relay, struct end *to)
{
    if (to->held == NULL)
        return;
    ssize_t taken = send(to->fd, to->held + to->held_at, to->held_len - to->held_at, MSG_NOSIGNAL);
    if (taken < 0) {
        if (!would_block())
            pair_close(relay, to->pair);
        return;
    }
    to->held_at += (size_t)taken;
    if (to->held_at == to->held_len) {
        free(to->held);
        to->held = NULL;
        end_watch(relay, to);
        end_watch(relay, to->other);
    }
}

/* A hang-up is reported whether asked for or not, so while the other end still has bytes to write
 * this one leaves epoll; end_watch puts it back. */
static void end_hangup(struct relay *relay, struct end *end)
{
    if (end->other->held == NULL) {
        pair_close(relay, end->pair);
        return;
    }
    epoll_ctl(relay->epoll, EPOLL_CTL_DEL, end->fd, NULL);
    end->out = true;
    end->events = 0;
}

static void end_open(struct relay *relay, struct pair *pair, int i, int fd)
{
    struct end *end = &pair->ends[i];
    end->fd = fd;
    end->pair = pair;
    end->other = &pair->ends[1 - i];
    end->events = EPOLLIN;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event add = {.events = EPOLLIN, .data.ptr = end};
    epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &add);
}

static void accept_one(struct relay *relay)
{
    int client = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    int origin = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const struct sockaddr_in *to = &relay->origins[relay->turn++ % relay->n_origins];
    struct pair *pair = calloc(1, sizeof(*pair));
    if (pair == NULL)
        abort();
    if (origin < 0 ||
        (connect(origin, (const struct sockaddr *)to, sizeof(*to)) != 0 && errno != EINPROGRESS)) {
        close(client);
        if (origin >= 0)
            close(origin);
        free(pair);
        return;
    }
    end_open(relay, pair, 0, client);
    end_open(relay, pair, 1, origin);
}

static void handle(struct relay *relay, const struct epoll_event *event)
{
    struct end *end = event->data.ptr;
    if (end == NULL) {
        accept_one(relay);
        return;
    }
    if (!end->pair->dead && (event->events & EPOLLOUT) != 0)
        end_writable(relay, end);
    if (!end->pair->dead && (event->events & EPOLLIN) != 0)
        end_readable(relay, end);
    else if (!end->pair->dead && (event->events & (EPOLLERR | EPOLLHUP)) != 0)
        end_hangup(relay, end);
}

static bool parse_port(const char *text, in_port_t *out)
{
    char *end = NULL;
    unsigned long port = strtoul(text, &end, 10);
    *out = htons((uint16_t)port);
    return *text != '\0' && *end == '\0' && port > 0 && port <= 65535;
}

static bool parse_origin(const char *text, struct sockaddr_in *out)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    out->sin_family = AF_INET;
    return inet_pton(AF_INET, host, &out->sin_addr) == 1 && parse_port(colon + 1, &out->sin_port);
}

static bool relay_listen(struct relay *relay, in_port_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(relay->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct epoll_event add = {.events = EPOLLIN};
    return bind(relay->listener, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
           listen(relay->listener, 4096) == 0 &&
           epoll_ctl(relay->epoll, EPOLL_CTL_ADD, relay->listener, &add) == 0;
}

int main(int argc, char **argv)
{
    static struct relay relay;
    static struct epoll_event events[EVENTS_MAX];
    in_port_t port = 0;
    bool ok = argc >= 3 && argc - 2 <= ORIGINS_MAX && parse_port(argv[1], &port);
    for (int i = 2; ok && i < argc; i++)
        ok = parse_origin(argv[i], &relay.origins[relay.n_origins++]);
    if (!ok) {
        fputs("usage: bench-relay LISTEN_PORT ORIGIN_IP:PORT...\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!relay_listen(&relay, port)) {
        perror("bench-relay");
        return 1;
    }
    for (;;) { /* until a signal ends it */
        int n = epoll_wait(relay.epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++)
            handle(&relay, &events[i]);
        free_dead(&relay);
    }
}
