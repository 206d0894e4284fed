/*
 * wire.c - blocking sockets below, bytes above:
 *
 *     plain   socket ---------------------------------> in
 *     TLS     socket --> tls_link_receive --> plain --> in        sealed --> socket, after each call
 */
#include "cli/wire.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define TIMEOUT_S  10
#define READ_BYTES 16384

/* What went wrong */

static bool failed(const struct wire *wire, const char *what, const char *reason,
                   struct error *error)
{
    return error_set(error, "cannot %s the admin API at %s: %s", what, wire->login->url, reason);
}

/* EAGAIN and EINPROGRESS are what SO_RCVTIMEO and SO_SNDTIMEO end with. */
static bool io_failed(const struct wire *wire, const char *what, struct error *error)
{
    if (errno == EAGAIN || errno == EINPROGRESS || errno == EWOULDBLOCK)
        return failed(wire, what, "it does not answer in time", error);
    if (errno == ECONNREFUSED)
        return failed(wire, what, "Connection refused. Is cutover running?", error);
    return failed(wire, what, strerror(errno), error);
}

static bool tls_failed(const struct wire *wire, const char *what, struct error *error)
{
    const char *reason = tls_link_error(wire->link);

    if (tls_link_fault(wire->link) != TLS_UNTRUSTED || wire->login->ca_file != NULL)
        return failed(wire, what, reason, error);
    return error_set(error,
                     "cannot %s the admin API at %s: %s (--ca-file FILE says whom to trust besides "
                     "the system's authorities)",
                     what, wire->login->url, reason);
}

/* The socket */

static int connect_to(const struct addrinfo *address)
{
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
        int number = errno;
        close(fd);
        errno = number;
        return -1;
    }
    return fd;
}

static bool open_socket(struct wire *wire, struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(wire->login->host, wire->login->port, &hints, &found);
    if (status != 0)
        return failed(wire, "find", gai_strerror(status), error);
    for (struct addrinfo *each = found; each != NULL && wire->fd < 0; each = each->ai_next)
        wire->fd = connect_to(each);
    if (wire->fd < 0)
        io_failed(wire, "reach", error);
    freeaddrinfo(found);
    return wire->fd >= 0;
}

static bool send_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return errno == EPIPE || errno == ECONNRESET;
        bytes = str_slice(bytes, sent < 0 ? 0 : (size_t)sent, bytes.len);
    }
    return true;
}

static ssize_t receive(int fd, char room[READ_BYTES])
{
    ssize_t size;
    do {
        size = recv(fd, room, READ_BYTES, 0);
    } while (size < 0 && errno == EINTR);
    return size;
}

/* TLS */

/* What the link wants to say. */
static bool send_sealed(struct wire *wire)
{
    bool sent = send_all(wire->fd, buf_str(&wire->tls.sealed));
    buf_clear(&wire->tls.sealed);
    return sent;
}

/* Gives the link what came, empty for the end. */
static enum tls_state unseal(struct wire *wire, struct str bytes)
{
    struct str plain;
    enum tls_state state = tls_link_receive(wire->link, bytes, &plain);
    buf_append_str(&wire->in, plain);
    return state;
}

static bool shake(struct wire *wire, struct error *error)
{
    char room[READ_BYTES];
    enum tls_state state = tls_link_start(wire->link);
    while (state == TLS_HANDSHAKE) {
        if (!send_sealed(wire))
            return io_failed(wire, "reach", error);
        ssize_t size = receive(wire->fd, room);
        if (size < 0)
            return io_failed(wire, "reach", error);
        struct str bytes = str_from(room, (size_t)size);
        state = unseal(wire, bytes);
        if (state == TLS_FAILED && str_starts_with(bytes, STR("HTTP/")))
            return failed(wire, "reach", "it has no TLS, its URL begins with http://", error);
    }
    if (!send_sealed(wire))
        return io_failed(wire, "reach", error);
    return state == TLS_FAILED ? tls_failed(wire, "reach", error) : true;
}

static bool start_tls(struct wire *wire, struct error *error)
{
    const struct login *login = wire->login;
    struct str name = str_of(login->name == NULL ? "" : login->name);
    struct str ca_file = str_of(login->ca_file == NULL ? "" : login->ca_file);
    struct error cause;
    struct tls_trust *trust =
        tls_trust_new(!login->is_unverified, ca_file, &name, name.len > 0, &cause);
    if (trust == NULL)
        return failed(wire, "trust", cause.text, error);
    wire->link = tls_link_to_server(&wire->tls, trust, str_of(login->host), NULL);
    tls_trust_unref(trust);
    return shake(wire, error);
}

/* Life cycle */

bool wire_open(struct wire *wire, const struct login *login, struct error *error)
{
    *wire = (struct wire){.login = login, .fd = -1};
    return open_socket(wire, error) && (!login->is_tls || start_tls(wire, error));
}

void wire_close(struct wire *wire)
{
    if (wire->link != NULL) {
        tls_link_end(wire->link);
        send_sealed(wire);
    }
    tls_link_free(wire->link);
    tls_loop_deinit(&wire->tls);
    buf_deinit(&wire->in);
    if (wire->fd >= 0)
        close(wire->fd);
}

void wire_set_patience(struct wire *wire, unsigned seconds)
{
    struct timeval limit = {.tv_sec = seconds};
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

/* Use */

bool wire_send(struct wire *wire, struct str bytes, struct error *error)
{
    struct iovec iov = {.iov_base = (char *)(uintptr_t)bytes.data, .iov_len = bytes.len};
    if (wire->link != NULL && !tls_link_send(wire->link, &iov, 1))
        return tls_failed(wire, "write to", error);
    bool sent = wire->link != NULL ? send_sealed(wire) : send_all(wire->fd, bytes);
    return sent ? true : io_failed(wire, "write to", error);
}

/* What came, empty for the end, as far as it is for us: a session ticket is not. */
static enum tls_state take(struct wire *wire, struct str bytes)
{
    if (wire->link == NULL) {
        buf_append_str(&wire->in, bytes);
        return bytes.len > 0 ? TLS_OPEN : TLS_ENDED;
    }
    enum tls_state state = unseal(wire, bytes);
    send_sealed(wire); /* what cannot be sent is not missed: the next read tells */
    return state;
}

int wire_read(struct wire *wire, struct error *error)
{
    char room[READ_BYTES];
    size_t before = buf_len(&wire->in);
    enum tls_state state = TLS_OPEN;
    while (buf_len(&wire->in) == before && state == TLS_OPEN) {
        ssize_t size = receive(wire->fd, room);
        if (size < 0) {
            io_failed(wire, "read from", error);
            return -1;
        }
        state = take(wire, str_from(room, (size_t)size));
    }
    if (buf_len(&wire->in) > before)
        return 1;
    if (state == TLS_ENDED)
        return 0;
    tls_failed(wire, "read from", error);
    return -1;
}
