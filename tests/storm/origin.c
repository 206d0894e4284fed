/* origin.c - blocking servers: accept, read a head, do as it says, perhaps hang up without a word. */
#include "origin.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "certs.h"
#include "wire.h"

/* Requests that change something: each may arrive once. By id. */
#define SEEN_MAX (1u << 23)

struct origin {
    enum side side;
    unsigned index;
    uint16_t port;
    int listeners[2]; /* at PLACE_ORIGIN and PLACE_ORIGIN_TOO */
    _Atomic bool is_sick;
};

struct guest { /* one connection */
    struct list node;
    struct origin *origin;
    struct dice dice;
    int fd;
    bool resets; /* its end is a RST, which also takes what is not sent yet */
};

static struct {
    struct origin origins[SIDES][ORIGINS];
    SSL_CTX *tls;
    pthread_t door;
    pthread_mutex_t lock;
    pthread_cond_t empty;
    struct list guests; /* under `lock` */
    bool is_over;       /* under `lock` */
    uint64_t seed;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .empty = PTHREAD_COND_INITIALIZER};

static _Atomic unsigned char seen[SEEN_MAX];

static const char *const verb_names[VERBS] = {
#define X(id, name) [id] = name,
    ORIGIN_VERBS(X)
#undef X
};

const char *verb_name(enum verb verb)
{
    return verb_names[verb];
}

uint64_t origin_hash(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3u;
    return hash;
}

/* ---- requests ---- */

struct call {
    struct guest *guest;
    struct wire *wire;
    struct head head;
    char method[16];
    enum verb verb;
    uint64_t id, number;
};

struct sum {
    uint64_t len, hash;
};

static void add_up(void *data, const char *bytes, size_t len)
{
    struct sum *sum = data;

    sum->len += len;
    sum->hash = origin_hash(sum->hash, bytes, len);
}

static bool read_call(struct call *call)
{
    char verb[16] = "";
    unsigned long long id = 0, number = 0;

    if (sscanf(call->head.first, "%15s /%15[^/ ]/%llu/%llu", call->method, verb, &id, &number) != 4)
        return false;
    call->id = id;
    call->number = number;
    for (call->verb = 0; call->verb < VERBS; call->verb++)
        if (strcmp(verb, verb_names[call->verb]) == 0)
            return true;
    return false;
}

/* What arrives was made of one snapshot, and what changes something arrives once. */
static void judge(const struct call *call)
{
    const struct origin *origin = call->guest->origin;
    const char *host = call->head.host;
    bool is_even = strcmp(host, HOST_EVEN) == 0;

    if (!is_even && strcmp(host, HOST_ODD) != 0)
        storm_fault("an origin was sent the Host \"%s\"", host);
    if (origin->index == (is_even ? ORIGIN_ODD : ORIGIN_EVEN))
        storm_fault("half a snapshot: server %u was sent the Host %s", origin->index, host);
    if (strcmp(call->method, "POST") == 0 &&
        atomic_exchange_explicit(&seen[call->id % SEEN_MAX], 1, memory_order_relaxed) != 0)
        storm_fault("POST %llu arrived twice: %s", (unsigned long long)call->id, call->head.first);
}

static bool say_head(const struct call *call, unsigned status, const char *more)
{
    return wire_say(call->wire, "HTTP/1.1 %u Said\r\nX-Id: %llu\r\nContent-Type: text/plain\r\n%s",
                    status, (unsigned long long)call->id, more);
}

static bool say_body(const struct call *call, uint64_t from, uint64_t len)
{
    char bytes[4096];

    while (len > 0) {
        size_t piece = len < sizeof(bytes) ? (size_t)len : sizeof(bytes);
        pattern_fill(call->id, from, bytes, piece);
        if (!wire_send(call->wire, bytes, piece))
            return false;
        from += piece;
        len -= piece;
    }
    return true;
}

static bool answer_body(const struct call *call)
{
    char length[64];

    snprintf(length, sizeof(length), "Content-Length: %llu\r\n\r\n",
             (unsigned long long)call->number);
    return say_head(call, 200, length) &&
           (strcmp(call->method, "HEAD") == 0 || say_body(call, 0, call->number));
}

static bool answer_chunks(const struct call *call)
{
    uint64_t at = 0;

    if (!say_head(call, 200, "Transfer-Encoding: chunked\r\n\r\n"))
        return false;
    while (at < call->number) {
        uint64_t piece = 1 + dice_below(&call->guest->dice, 3000);
        if (piece > call->number - at)
            piece = call->number - at;
        if (!wire_say(call->wire, "%llx\r\n", (unsigned long long)piece) ||
            !say_body(call, at, piece) || !wire_say(call->wire, "\r\n"))
            return false;
        at += piece;
        if (dice_is(&call->guest->dice, 20))
            storm_sleep_us(500);
    }
    return wire_say(call->wire, "0\r\n\r\n");
}

static bool answer_slow(struct call *call)
{
    storm_sleep_us((unsigned)call->number * 1000);
    call->number = 1;
    return answer_body(call);
}

static bool answer_sum(const struct call *call)
{
    struct sum sum = {.hash = ORIGIN_HASH_START};
    char text[64], head[64];

    if (call->head.expects && !wire_say(call->wire, "HTTP/1.1 100 Continue\r\n\r\n"))
        return false;
    if (wire_body(call->wire, &call->head, false, add_up, &sum) != WIRE_WHOLE)
        return false;
    int len = snprintf(text, sizeof(text), "%llu %016llx", (unsigned long long)sum.len,
                       (unsigned long long)sum.hash);
    snprintf(head, sizeof(head), "Content-Length: %d\r\n\r\n", len);
    return say_head(call, 200, head) && wire_send(call->wire, text, (size_t)len);
}

/* Answers, and hangs up while the body still comes. */
static bool answer_early(const struct call *call)
{
    say_head(call, 200, "Connection: close\r\nContent-Length: 0\r\n\r\n");
    return false;
}

static bool echo(const struct call *call)
{
    char bytes[2048];
    size_t got;

    if (!say_head(call, 101, "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
        return false;
    while ((got = wire_read(call->wire, bytes, sizeof(bytes))) > 0)
        if (!wire_send(call->wire, bytes, got))
            break;
    return false;
}

static bool answer_cut(const struct call *call)
{
    char length[64];

    snprintf(length, sizeof(length), "Content-Length: %llu\r\n\r\n",
             (unsigned long long)call->number);
    if (say_head(call, 200, length))
        say_body(call, 0, call->number / 2);
    return false;
}

/* True: the connection is still in step. */
static bool answer(struct call *call)
{
    switch (call->verb) {
    case VERB_BODY:
        return answer_body(call);
    case VERB_CHUNKS:
        return answer_chunks(call);
    case VERB_SLOW:
        return answer_slow(call);
    case VERB_STATUS:
        return say_head(call, (unsigned)call->number, "Content-Length: 0\r\n\r\n");
    case VERB_SUM:
        return answer_sum(call);
    case VERB_EARLY:
        return answer_early(call);
    case VERB_TUNNEL:
        return echo(call);
    case VERB_CUT:
        call->guest->resets = dice_is(&call->guest->dice, 50);
        return answer_cut(call);
    case VERB_MUTE:
        call->guest->resets = dice_is(&call->guest->dice, 50);
        break;
    case VERBS:
        break;
    }
    return false;
}

static bool answer_health(struct guest *guest, struct wire *wire)
{
    bool is_sick = atomic_load_explicit(&guest->origin->is_sick, memory_order_relaxed);

    return wire_say(wire, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
                    is_sick ? "503 Sick" : "200 Well");
}

/* One request; false: hang up. */
static bool serve_one(struct guest *guest, struct wire *wire)
{
    struct call call = {.guest = guest, .wire = wire};

    if (wire_head(wire, &call.head) != WIRE_WHOLE)
        return false;
    if (strncmp(call.head.first, "GET /health ", 12) == 0)
        return answer_health(guest, wire);
    if (!read_call(&call)) {
        storm_fault("an origin was asked \"%s\"", call.head.first);
        return false;
    }
    judge(&call);
    /* Sometimes without a word, as servers do that tidy up their idle connections. */
    return answer(&call) && !call.head.closes && !dice_is(&guest->dice, 4);
}

/* ---- connections ---- */

static void *serve(void *data)
{
    struct guest *guest = data;
    struct wire *wire = mem_alloc(sizeof(*wire));
    bool goes_on = wire_serve(wire, guest->fd, guest->origin->index == ORIGIN_TLS ? all.tls : NULL);

    while (goes_on)
        goes_on = serve_one(guest, wire);
    /* Out of the list first: origin_stop must not touch a descriptor that is somebody else's. */
    pthread_mutex_lock(&all.lock);
    list_remove(&guest->node);
    if (list_is_empty(&all.guests))
        pthread_cond_signal(&all.empty);
    wire_close(wire, guest->resets);
    mem_free(wire);
    mem_free(guest);
    pthread_mutex_unlock(&all.lock);
    return NULL;
}

static void take_in(struct origin *origin, int fd)
{
    struct guest *guest = mem_zalloc(1, sizeof(*guest));
    pthread_attr_t attr;
    pthread_t thread;

    guest->origin = origin;
    guest->fd = fd;
    guest->dice = dice_of(all.seed++);
    list_init(&guest->node);
    pthread_mutex_lock(&all.lock);
    list_push_back(&all.guests, &guest->node);
    pthread_mutex_unlock(&all.lock);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, (size_t)256 << 10);
    CHECK(pthread_create(&thread, &attr, serve, guest) == 0);
    pthread_attr_destroy(&attr);
}

static bool is_over(void)
{
    pthread_mutex_lock(&all.lock);
    bool over = all.is_over;
    pthread_mutex_unlock(&all.lock);
    return over;
}

/* All sockets of all origins: one thread accepts for them. */
static void *stand_at_the_door(void *data)
{
    struct pollfd fds[SIDES * ORIGINS * 2];
    (void)data;

    while (!is_over()) {
        unsigned n = 0;
        for (int side = 0; side < SIDES; side++)
            for (unsigned i = 0; i < ORIGINS * 2; i++, n++)
                fds[n] = (struct pollfd){all.origins[side][i / 2].listeners[i % 2], POLLIN, 0};
        poll(fds, n, 50);
        for (unsigned i = 0; i < n; i++) {
            int fd =
                (fds[i].revents & POLLIN) == 0 ? -1 : accept4(fds[i].fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0)
                take_in(&all.origins[i / (ORIGINS * 2)][i % (ORIGINS * 2) / 2], fd);
        }
    }
    return NULL;
}

/* ---- start and stop ---- */

static int listen_at(enum place place, uint16_t *port)
{
    struct addr addr = storm_addr(place, *port);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);

    CHECK(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    CHECK(bind(fd, &addr.any, addr_len(&addr)) == 0 && listen(fd, 512) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&bound, &len) == 0);
    addr = addr_from_sockaddr((struct sockaddr *)&bound);
    *port = addr_port(&addr);
    return fd;
}

void origin_start(uint64_t seed)
{
    all.seed = seed;
    all.tls = certs_server("origin");
    list_init(&all.guests);
    for (int side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < ORIGINS; i++) {
            struct origin *origin = &all.origins[side][i];
            origin->side = (enum side)side;
            origin->index = i;
            origin->listeners[0] = listen_at(PLACE_ORIGIN, &origin->port);
            origin->listeners[1] = listen_at(PLACE_ORIGIN_TOO, &origin->port);
        }
    }
    CHECK(pthread_create(&all.door, NULL, stand_at_the_door, NULL) == 0);
}

void origin_stop(void)
{
    pthread_mutex_lock(&all.lock);
    all.is_over = true;
    pthread_mutex_unlock(&all.lock);
    pthread_join(all.door, NULL);
    pthread_mutex_lock(&all.lock);
    LIST_FOREACH (&all.guests, node)
        shutdown(CONTAINER_OF(node, struct guest, node)->fd, SHUT_RDWR);
    while (!list_is_empty(&all.guests))
        pthread_cond_wait(&all.empty, &all.lock);
    pthread_mutex_unlock(&all.lock);
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < ORIGINS * 2; i++)
            close(all.origins[side][i / 2].listeners[i % 2]);
    SSL_CTX_free(all.tls);
}

uint16_t origin_port(enum side side, unsigned index)
{
    return all.origins[side][index].port;
}

void origin_set_sick(enum side side, unsigned index, bool sick)
{
    atomic_store_explicit(&all.origins[side][index].is_sick, sick, memory_order_relaxed);
}
