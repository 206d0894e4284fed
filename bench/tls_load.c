/* bench-tls-load: new TLS connections, one request on each. wrk cannot be used for this: it resumes
 * on every connection but the first, and nothing turns that off.
 *
 *     connect --> TLS handshake --> request --> answer --> the server closes     then again, from
 *                                                                                each lane
 *
 * A lane is one connection at a time; there are `--concurrency` of them, all in one thread. Full
 * handshakes, unless `--resume`: then each lane comes back with the newest ticket that it was given.
 * Versions, ciphers and groups are those that OPENSSL_CONF allows, as for every program of OpenSSL.
 *
 *     bench-tls-load [--resume] [--concurrency N] [--seconds N] [--count N] [--path PATH]
 *                    [--header "NAME: VALUE"] [--name SNI] IP:PORT
 *
 * Prints one JSON object. `tickets` counts what servers gave, which is work of theirs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LANES_MAX = 1024, EVENTS_MAX = 256, REQUEST_BYTES = 2048, HEAD_BYTES = 64 };

/* Nothing works, rather than some: no use in going on. */
enum { FAILURES_MAX = 100 };

enum step {
    IDLE = 0,
    CONNECTING,
    SHAKING,
    ASKING,
    READING,
};

struct lane {
    enum step step;
    int fd;
    SSL *ssl;
    SSL_SESSION *resume; /* owned; the newest ticket */
    double began;
    char head[HEAD_BYTES]; /* how the answer begins */
    size_t head_len;
};

struct load {
    int epoll;
    SSL_CTX *tls;
    struct sockaddr_in to;
    const char *name; /* SNI; NULL: none */
    char request[REQUEST_BYTES];
    size_t request_len;
    bool resumes;
    unsigned concurrency;
    unsigned long count; /* connections to make; 0: as many as there is time for */
    double until;
    struct lane lanes[LANES_MAX];

    unsigned long begun, full, resumed, failed, tickets;
    double *times; /* owned; of each good connection, in seconds */
    size_t times_room;
    char negotiated[512]; /* as JSON members; of the first connection that came about */
    char trouble[256];    /* the first failure, in words */
};

static struct load load;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned long done(void)
{
    return load.full + load.resumed;
}

static bool goes_on(void)
{
    return load.failed < FAILURES_MAX && now() < load.until &&
           (load.count == 0 || load.begun < load.count);
}

/* ---- one connection ---- */

static void lane_close(struct lane *lane)
{
    /* As if closed in order: OpenSSL drops the ticket of a connection that just goes away. */
    if (lane->ssl != NULL)
        SSL_set_shutdown(lane->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(lane->ssl);
    lane->ssl = NULL;
    if (lane->fd >= 0)
        close(lane->fd);
    lane->fd = -1;
    lane->step = IDLE;
}

static void lane_fail(struct lane *lane, const char *doing)
{
    if (load.failed++ == 0) {
        unsigned long error = ERR_peek_error();
        const char *why = error != 0 ? ERR_reason_error_string(error) : strerror(errno);
        snprintf(load.trouble, sizeof(load.trouble), "%s: %s", doing, why == NULL ? "?" : why);
    }
    ERR_clear_error();
    lane_close(lane);
}

static void lane_open(struct lane *lane)
{
    int on = 1;
    struct epoll_event watch = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = lane};

    load.begun++;
    lane->began = now();
    lane->head_len = 0;
    lane->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(lane->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((connect(lane->fd, (const struct sockaddr *)&load.to, sizeof(load.to)) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(load.epoll, EPOLL_CTL_ADD, lane->fd, &watch) != 0) {
        lane_fail(lane, "connect");
        return;
    }
    lane->step = CONNECTING;
    lane->ssl = SSL_new(load.tls);
    if (lane->ssl == NULL)
        abort();
    SSL_set_fd(lane->ssl, lane->fd);
    SSL_set_app_data(lane->ssl, lane);
    if (load.name != NULL)
        SSL_set_tlsext_host_name(lane->ssl, load.name);
    if (lane->resume != NULL)
        SSL_set_session(lane->ssl, lane->resume);
}

/* Whether the call has to be made again later; any other failure is final. */
static bool must_wait(const struct lane *lane, int result)
{
    int error = SSL_get_error(lane->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void note_negotiated(SSL *ssl)
{
    int kind = NID_undef;
    int digest = NID_undef;
    EVP_PKEY *key = X509_get0_pubkey(SSL_get0_peer_certificate(ssl));
    const char *group = SSL_group_to_name(ssl, (int)SSL_get_negotiated_group(ssl));

    SSL_get_peer_signature_type_nid(ssl, &kind);
    SSL_get_peer_signature_nid(ssl, &digest);
    snprintf(load.negotiated, sizeof(load.negotiated),
             "\"version\": \"%s\", \"cipher\": \"%s\", \"group\": \"%s\", \"key\": \"%s %d\", "
             "\"signature\": \"%s %s\"",
             SSL_get_version(ssl), SSL_get_cipher_name(ssl), group == NULL ? "?" : group,
             EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key),
             kind == EVP_PKEY_EC ? "ecdsa" : OBJ_nid2sn(kind), OBJ_nid2sn(digest));
}

static void note_time(double seconds)
{
    if (done() > load.times_room) {
        load.times_room = load.times_room == 0 ? 4096 : 2 * load.times_room;
        load.times = realloc(load.times, load.times_room * sizeof(*load.times));
        if (load.times == NULL)
            abort();
    }
    load.times[done() - 1] = seconds;
}

/* Nothing more will come. */
static void lane_finish(struct lane *lane)
{
    static const char good[] = "HTTP/1.1 200";
    if (lane->head_len < sizeof(good) || memcmp(lane->head, good, sizeof(good) - 1) != 0) {
        errno = EPROTO;
        lane_fail(lane, "the answer is not 200");
        return;
    }
    if (SSL_session_reused(lane->ssl))
        load.resumed++;
    else
        load.full++;
    note_time(now() - lane->began);
    lane_close(lane);
}

static bool step_connecting(struct lane *lane)
{
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        errno = error;
        lane_fail(lane, "connect");
        return false;
    }
    lane->step = SHAKING;
    return true;
}

static bool step_shaking(struct lane *lane)
{
    int result = SSL_connect(lane->ssl);
    if (result != 1) {
        if (!must_wait(lane, result))
            lane_fail(lane, "handshake");
        return false;
    }
    if (load.negotiated[0] == '\0')
        note_negotiated(lane->ssl);
    lane->step = ASKING;
    return true;
}

static bool step_asking(struct lane *lane)
{
    int result = SSL_write(lane->ssl, load.request, (int)load.request_len);
    if (result <= 0) {
        if (!must_wait(lane, result))
            lane_fail(lane, "request");
        return false;
    }
    lane->step = READING;
    return true;
}

static bool step_reading(struct lane *lane)
{
    static char room[16384];
    int got = SSL_read(lane->ssl, room, sizeof(room));
    if (got <= 0) {
        if (SSL_get_error(lane->ssl, got) == SSL_ERROR_ZERO_RETURN)
            lane_finish(lane);
        else if (!must_wait(lane, got))
            lane_fail(lane, "answer");
        return false;
    }
    size_t part = HEAD_BYTES - lane->head_len;
    part = part < (size_t)got ? part : (size_t)got;
    memcpy(lane->head + lane->head_len, room, part);
    lane->head_len += part;
    return true;
}

/* As far as it goes without waiting. */
static void lane_run(struct lane *lane)
{
    bool more = true;
    while (more) {
        switch (lane->step) {
        case CONNECTING:
            more = step_connecting(lane);
            break;
        case SHAKING:
            more = step_shaking(lane);
            break;
        case ASKING:
            more = step_asking(lane);
            break;
        case READING:
            more = step_reading(lane);
            break;
        case IDLE:
            more = false;
            break;
        }
    }
}

static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct lane *lane = SSL_get_app_data(ssl);
    load.tickets++;
    if (!load.resumes)
        return 0;
    SSL_SESSION_free(lane->resume);
    lane->resume = ticket;
    return 1; /* it is ours now */
}

/* ---- all of them ---- */

static void run(void)
{
    struct epoll_event events[EVENTS_MAX];
    unsigned long open = 0;

    do {
        open = 0;
        for (unsigned i = 0; i < load.concurrency; i++) {
            if (load.lanes[i].step == IDLE && goes_on())
                lane_open(&load.lanes[i]);
            open += load.lanes[i].step != IDLE;
        }
        int n = open == 0 ? 0 : epoll_wait(load.epoll, events, EVENTS_MAX, 5000);
        for (int i = 0; i < n; i++)
            lane_run(events[i].data.ptr);
        if (open > 0 && n <= 0) {
            errno = ETIMEDOUT;
            for (unsigned i = 0; i < load.concurrency; i++)
                if (load.lanes[i].step != IDLE)
                    lane_fail(&load.lanes[i], "waiting");
        }
    } while (open > 0);
}

static int compare_times(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double percentile_ms(unsigned long percent)
{
    return done() == 0 ? 0 : 1000 * load.times[(done() - 1) * percent / 100];
}

static void report(double seconds)
{
    if (done() > 0)
        qsort(load.times, done(), sizeof(*load.times), compare_times);
    printf("{\"connections\": %lu, \"full\": %lu, \"resumed\": %lu, \"failed\": %lu, "
           "\"tickets\": %lu, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f%s%s}\n",
           done(), load.full, load.resumed, load.failed, load.tickets, seconds, percentile_ms(50),
           percentile_ms(99), load.negotiated[0] == '\0' ? "" : ", ", load.negotiated);
}

static SSL_CTX *tls_new(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL)
        abort();
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_ticket);
    /* Some servers end with FIN alone: no matter here. */
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return tls;
}

static bool parse_number(const char *text, unsigned long max, unsigned long *out)
{
    char *end = NULL;
    *out = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && *out <= max;
}

static bool parse_address(const char *text, struct sockaddr_in *out)
{
    char host[INET_ADDRSTRLEN];
    unsigned long port = 0;
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof(host) ||
        !parse_number(colon + 1, 65535, &port))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static bool write_request(const char *path, const char *header)
{
    int n =
        snprintf(load.request, sizeof(load.request),
                 "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s%s\r\n", path,
                 load.name == NULL ? "bench" : load.name, header, *header == '\0' ? "" : "\r\n");
    load.request_len = (size_t)n;
    return n > 0 && (size_t)n < sizeof(load.request);
}

static bool parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"resume", no_argument, NULL, 'r'},        {"concurrency", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'}, {"count", required_argument, NULL, 'n'},
        {"path", required_argument, NULL, 'p'},    {"header", required_argument, NULL, 'h'},
        {"name", required_argument, NULL, 'N'},    {NULL, 0, NULL, 0},
    };
    const char *path = "/";
    const char *header = "";
    unsigned long concurrency = 16;
    unsigned long seconds = 10;
    bool ok = true;

    for (int c; ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            load.resumes = true;
            break;
        case 'c':
            ok = parse_number(optarg, LANES_MAX, &concurrency) && concurrency > 0;
            break;
        case 's':
            ok = parse_number(optarg, 3600, &seconds) && seconds > 0;
            break;
        case 'n':
            ok = parse_number(optarg, 1000000000, &load.count);
            break;
        case 'p':
            path = optarg;
            break;
        case 'h':
            header = optarg;
            break;
        case 'N':
            load.name = optarg;
            break;
        default:
            ok = false;
        }
    }
    load.concurrency = (unsigned)concurrency;
    load.until = now() + (double)seconds;
    return ok && optind == argc - 1 && parse_address(argv[optind], &load.to) &&
           write_request(path, header);
}

int main(int argc, char **argv)
{
    if (!parse_options(argc, argv)) {
        fputs("usage: bench-tls-load [--resume] [--concurrency N] [--seconds N] [--count N]\n"
              "           [--path PATH] [--header \"NAME: VALUE\"] [--name SNI] IP:PORT\n",
              stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.tls = tls_new();
    for (unsigned i = 0; i < LANES_MAX; i++)
        load.lanes[i].fd = -1;
    double began = now();
    run();
    report(now() - began);
    for (unsigned i = 0; i < LANES_MAX; i++)
        SSL_SESSION_free(load.lanes[i].resume);
    SSL_CTX_free(load.tls);
    free(load.times);
    if (load.failed > 0)
        fprintf(stderr, "bench-tls-load: %lu failed; the first: %s\n", load.failed, load.trouble);
    return load.failed > 0 ? 1 : 0;
}
