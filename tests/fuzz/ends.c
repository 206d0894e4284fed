/* ends.c - sockets that never wait, looked at with one poll for each turn of the loop. */
#include "ends.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "loop.h"

/* What the kernel holds for an end that does not read: little, so that the proxy feels it. */
#define RECEIVE_BYTES 4096

/* Turns that one input may take to settle: far more than any needs. */
#define TURNS_MAX 20000

static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int bytes = RECEIVE_BYTES;

    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) == 0);
    return fd;
}

void ends_init(struct ends *ends)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        struct sockaddr_storage bound;
        socklen_t len = sizeof(bound);
        struct addr address;
        ends->listeners[i] = open_socket();
        CHECK(addr_parse(STR("127.0.0.1:0"), &address));
        CHECK(bind(ends->listeners[i], &address.any, addr_len(&address)) == 0);
        CHECK(listen(ends->listeners[i], 64) == 0);
        CHECK(getsockname(ends->listeners[i], (struct sockaddr *)&bound, &len) == 0);
        ends->addresses[i] = addr_from_sockaddr((struct sockaddr *)&bound);
    }
}

static bool is_open(const struct end *end)
{
    return end->fd >= 0;
}

static void end_close(struct end *end)
{
    if (is_open(end))
        close(end->fd);
    end->fd = -1;
}

struct end *ends_client(struct ends *ends, unsigned listener, bool fresh)
{
    for (unsigned i = ends->client_count; i > 0 && !fresh; i--)
        if (is_open(&ends->clients[i - 1]))
            return &ends->clients[i - 1];
    if (ends->client_count == CLIENTS_MAX)
        return NULL;
    struct end *client = &ends->clients[ends->client_count++];
    const struct addr *address = &ends->worker->listeners[listener].address;
    const struct worker_shared *common = ends->worker->common;
    *client = (struct end){
        .fd = open_socket(),
        .has_preface = listener == 1,
        .is_turned_away = atomic_load(&common->connections) >= common->connections_max,
    };
    int status = connect(client->fd, &address->any, addr_len(address));
    CHECK(status == 0 || errno == EINPROGRESS);
    ends_settle(ends);
    return client;
}

struct end *ends_link(struct ends *ends)
{
    for (unsigned i = ends->link_count; i > 0; i--)
        if (is_open(&ends->links[i - 1]))
            return &ends->links[i - 1];
    return NULL;
}

void end_send(struct end *end, struct str bytes)
{
    if (!is_open(end) || end->has_shut || bytes.len == 0)
        return;
    ssize_t sent = send(end->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    if (sent > 0)
        buf_append(&end->sent, bytes.data, (size_t)sent);
}

void end_shut(struct end *end)
{
    if (!is_open(end) || end->has_shut)
        return;
    (void)shutdown(end->fd, SHUT_WR);
    end->has_shut = true;
}

void end_reset(struct end *end)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (!is_open(end))
        return;
    CHECK(setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    end->was_reset = true;
    end_close(end);
}

static void end_read(struct end *end)
{
    static char bytes[65536];
    ssize_t got;

    while ((got = recv(end->fd, bytes, sizeof(bytes), 0)) > 0)
        buf_append(&end->received, bytes, (size_t)got);
    if (got < 0 && errno == EAGAIN)
        return;
    end->has_ended = true;
    end->sent_until = buf_len(&end->sent);
    end->was_reset |= got < 0;
    /* Both have said their last. */
    if (end->has_shut || end->was_reset)
        end_close(end);
}

static void accept_links(struct ends *ends, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (ends->link_count == LINKS_MAX || ends->closes_next) {
            ends->closes_next = false;
            close(fd);
            continue;
        }
        ends->links[ends->link_count++] = (struct end){.fd = fd};
    }
}

static unsigned watch(struct end *items, unsigned count, struct pollfd *fds)
{
    for (unsigned i = 0; i < count; i++) {
        bool is_read = is_open(&items[i]) && !items[i].is_deaf && !items[i].has_ended;
        fds[i] = (struct pollfd){.fd = is_read ? items[i].fd : -1, .events = POLLIN};
    }
    return count;
}

/* One look at all ends; whether anything moved. */
static bool look(struct ends *ends)
{
    struct pollfd fds[SERVERS + CLIENTS_MAX + LINKS_MAX];
    struct pollfd *clients = fds + SERVERS;
    struct pollfd *links = clients + ends->client_count;
    unsigned client_count = ends->client_count;
    unsigned link_count = ends->link_count;

    for (unsigned i = 0; i < SERVERS; i++)
        fds[i] = (struct pollfd){.fd = ends->listeners[i], .events = POLLIN};
    unsigned count = SERVERS + watch(ends->clients, client_count, clients);
    count += watch(ends->links, link_count, links);
    if (poll(fds, count, 0) <= 0)
        return false;
    for (unsigned i = 0; i < SERVERS; i++)
        if (fds[i].revents != 0)
            accept_links(ends, ends->listeners[i]);
    for (unsigned i = 0; i < client_count; i++)
        if (clients[i].revents != 0)
            end_read(&ends->clients[i]);
    for (unsigned i = 0; i < link_count; i++)
        if (links[i].revents != 0)
            end_read(&ends->links[i]);
    return true;
}

void ends_settle(struct ends *ends)
{
    uv_loop_t *loop = &ends->worker->loop;
    unsigned quiet = 0;

    /* Twice: what a turn begins to wait for is known to the kernel in the next. */
    for (unsigned turn = 0; quiet < 2; turn++) {
        CHECK(turn < TURNS_MAX);
        loop_turn(loop);
        quiet = look(ends) || loop_is_busy(loop) ? 0 : quiet + 1;
    }
}

static void clear(struct end *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        end_close(&items[i]);
        buf_deinit(&items[i].sent);
        buf_deinit(&items[i].received);
    }
}

void ends_clear(struct ends *ends)
{
    clear(ends->clients, ends->client_count);
    clear(ends->links, ends->link_count);
    ends->client_count = ends->link_count = 0;
    ends->closes_next = false;
}
