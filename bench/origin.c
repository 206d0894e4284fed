/* cutover-origin: options, the listener, signals, and the sweep of idle connections.
 *
 * One timer for all connections looks once a second which of them did nothing for too long; so a
 * request costs no timer at all.
 */
#include "origin.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *name;
    const char *listen;
    uint64_t idle_timeout_s;
    bool log;
};

static const char usage_text[] =
    "usage: cutover-origin --name NAME [--listen HOST:PORT] [--log] [--idle-timeout SECONDS]\n"
    "A sample application that says which side it is, and misbehaves on request.\n"
    "  --name NAME             sent as X-Backend; letters, digits, . _ -\n"
    "  --listen HOST:PORT      default 127.0.0.1:9001; port 0 takes a free one\n"
    "  --log                   a line per request on stdout (--quiet: none, the default)\n"
    "  --idle-timeout SECONDS  closes idle connections, default 60; 0: never\n"
    "Paths: / /health /echo /delay /status/NNN /bytes/N /upload /sse /ws /cookies /redirect\n"
    "       /stats /fault/{close,reset,stall,garbage,half,slow-head,extra,no-length,interim,\n"
    "       close-idle,big-head,both,two-lengths}\n";

static bool name_ok(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= 64 && strspn(name, allowed) == len;
}

/* Returns an exit status, or -1 to go on. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option longs[] = {
        {"name", required_argument, NULL, 'n'},
        {"listen", required_argument, NULL, 'l'},
        {"idle-timeout", required_argument, NULL, 'i'},
        {"log", no_argument, NULL, 'v'},
        {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (c == 'n') {
            options->name = optarg;
        } else if (c == 'l') {
            options->listen = optarg;
        } else if (c == 'v' || c == 'q') {
            options->log = c == 'v';
        } else if (c == 'h') {
            fputs(usage_text, stdout);
            return 0;
        } else if (c != 'i' ||
                   !span_number(span_of(optarg), 86400, false, &options->idle_timeout_s)) {
            fputs(usage_text, stderr);
            return 2;
        }
    }
    if (optind < argc || options->name == NULL || !name_ok(options->name)) {
        fputs(usage_text, stderr);
        return 2;
    }
    return -1;
}

/* HOST is an address, with brackets when it has colons, or localhost. */
static bool parse_address(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    uint64_t port = 0;
    char host[64];
    if (colon == NULL || !span_number(span_of(colon + 1), 65535, false, &port) ||
        (size_t)(colon - text) >= sizeof(host))
        return false;
    size_t len = (size_t)(colon - text);
    bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(bracketed ? len - 2 : len),
             bracketed ? text + 1 : text);
    if (bracketed)
        return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)out) == 0;
    const char *ip = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    return uv_ip4_addr(ip, (int)port, (struct sockaddr_in *)out) == 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
    if (status == 0)
        conn_accept(listener->data);
}

static void on_sweep(uv_timer_t *timer)
{
    struct origin *origin = timer->data;
    uint64_t now = uv_now(&origin->loop);
    for (struct conn *conn = origin->conns; conn != NULL; conn = conn->next) {
        bool idle = !conn->busy && !conn->writing && !conn->is_ws && !conn->paused;
        if (idle && now - conn->active_ms >= origin->idle_timeout_ms)
            conn_close(conn); /* frees later, in its close callback */
    }
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct origin *origin = signal->data;
    (void)number;
    if (origin->stopping)
        return;
    origin->stopping = true;
    uv_close((uv_handle_t *)&origin->listener, NULL);
    uv_close((uv_handle_t *)&origin->sweep, NULL);
    uv_close((uv_handle_t *)&origin->signals[0], NULL);
    uv_close((uv_handle_t *)&origin->signals[1], NULL);
    for (struct conn *conn = origin->conns; conn != NULL; conn = conn->next)
        conn_close(conn);
}

static void start_helpers(struct origin *origin)
{
    static const int numbers[2] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&origin->loop, &origin->signals[i]);
        origin->signals[i].data = origin;
        uv_signal_start(&origin->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&origin->loop, &origin->sweep);
    origin->sweep.data = origin;
    if (origin->idle_timeout_ms > 0)
        uv_timer_start(&origin->sweep, on_sweep, 1000, 1000);
}

/* Listens and says where, since port 0 is for the kernel to choose. */
static int start_listening(struct origin *origin, const char *address)
{
    struct sockaddr_storage ss = {0};
    if (!parse_address(address, &ss)) {
        fprintf(stderr, "cutover-origin: --listen: expected IP:PORT, got \"%s\"\n", address);
        return 2;
    }
    uv_tcp_init(&origin->loop, &origin->listener);
    origin->listener.data = origin;
    int err = uv_tcp_bind(&origin->listener, (struct sockaddr *)&ss, 0);
    if (err == 0)
        err = uv_listen((uv_stream_t *)&origin->listener, 4096, on_connection);
    if (err != 0) {
        fprintf(stderr, "cutover-origin: %s: %s\n", address, uv_strerror(err));
        return 1;
    }
    int len = sizeof(ss);
    uv_tcp_getsockname(&origin->listener, (struct sockaddr *)&ss, &len);
    unsigned port = ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port)
                                             : ntohs(((struct sockaddr_in *)&ss)->sin_port);
    printf("origin %s listening on %.*s:%u\n", origin->name, (int)(strrchr(address, ':') - address),
           address, port);
    fflush(stdout);
    return 0;
}

static void origin_deinit(struct origin *origin)
{
    stats_deinit(&origin->stats);
    bytes_free(&origin->hello);
    bytes_free(&origin->out);
    free(origin->table);
    free(origin);
}

int main(int argc, char **argv)
{
    struct options options = {.listen = "127.0.0.1:9001", .idle_timeout_s = 60};
    int status = parse_options(argc, argv, &options);
    if (status >= 0)
        return status;
    struct origin *origin = calloc(1, sizeof(*origin));
    if (origin == NULL)
        abort();
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    origin->name = options.name;
    origin->idle_timeout_ms = options.idle_timeout_s * 1000;
    origin->log = options.log;
    origin->health_status = 200;
    uv_loop_init(&origin->loop);
    reply_prepare(origin);
    stream_prepare(origin);
    status = start_listening(origin, options.listen);
    if (status == 0) {
        start_helpers(origin);
        uv_run(&origin->loop, UV_RUN_DEFAULT);
        uv_loop_close(&origin->loop);
    }
    origin_deinit(origin);
    return status;
}
