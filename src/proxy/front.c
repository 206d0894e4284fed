/*
 * front.c - a listener's own answers: health, challenges, the way to HTTPS, and lost requests.
 *
 *     head -> health? -> challenge? -> redirect? -> misdirected? -> loop? -> exchange_decide
 */
#include "proxy/front.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/challenge.h"
#include "http/forward.h"
#include "http/rewrite.h"
#include "proxy/reply.h"

/* A challenge is a line of some ninety bytes. */
#define CHALLENGE_MAX_BYTES 4096

#define HTTPS_PORT 443

static const struct config_listen *listen_of(const struct exchange *exchange)
{
    return &exchange_config(exchange)->listen[exchange->conn->listener];
}

static bool is_reading(const struct exchange *exchange)
{
    struct str method = exchange->request.method;

    return str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
}

/* Our own health */

/* For platforms that can ask no other port than the users'. Whatever Host they send: they come by
 * address. */
static bool is_health_check(const struct exchange *exchange)
{
    struct str path = listen_of(exchange)->health_path;

    return !str_is_empty(path) && is_reading(exchange) && str_eq(exchange->request.path, path);
}

/* As /readyz of the admin API: once some server has been seen well it stays so, since starting us
 * anew would not help the servers. */
static bool is_ready(const struct exchange *exchange)
{
    const struct snapshot *snapshot = exchange->adopted->snapshot;
    _Atomic bool *has_been_up = &exchange->conn->worker->common->has_been_up;

    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < snapshot->backends[side].count; i++)
            if (server_health(snapshot->backends[side].servers[i].server) == HEALTH_UP)
                atomic_store_explicit(has_been_up, true, memory_order_relaxed);
    return atomic_load_explicit(has_been_up, memory_order_relaxed);
}

static void answer_health(struct exchange *exchange)
{
    if (exchange->conn->worker->is_draining)
        reply_outcome(exchange, OUTCOME_SHUTDOWN, NULL);
    else if (!is_ready(exchange))
        reply_outcome(exchange, OUTCOME_NO_SERVER, NULL);
    else
        reply_content(exchange, OUTCOME_HEALTH, STR("text/plain"), STR("ok\n"));
}

/* Challenges */

/* The file's bytes; 0 when there is none that can be read. Local, small and rare: read at once. */
static size_t read_challenge(struct str webroot, struct str token, char bytes[CHALLENGE_MAX_BYTES])
{
    struct buf path = BUF_EMPTY;
    struct stat status;
    ssize_t got = 0;

    buf_printf(&path, "%.*s" CHALLENGE_FOLDER "%.*s%c", STR_ARG(webroot), STR_ARG(token), '\0');
    int fd = open(buf_str(&path).data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    buf_deinit(&path);
    if (fd < 0)
        return 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        got = read(fd, bytes, CHALLENGE_MAX_BYTES);
    close(fd);
    return got < 0 ? 0 : (size_t)got;
}

static void answer_challenge(struct exchange *exchange, struct str token)
{
    char bytes[CHALLENGE_MAX_BYTES];
    size_t size = 0;

    if (!str_is_empty(token))
        size = read_challenge(listen_of(exchange)->acme_webroot, token, bytes);
    if (size == 0)
        reply_outcome(exchange, OUTCOME_NOT_FOUND, NULL);
    else
        reply_content(exchange, OUTCOME_CHALLENGE, STR("text/plain"), str_from(bytes, size));
}

static bool is_challenge(const struct exchange *exchange, struct str *token)
{
    return !str_is_empty(listen_of(exchange)->acme_webroot) && is_reading(exchange) &&
           challenge_token(exchange->request.path, token);
}

/* The way to HTTPS */

static void answer_redirect(struct exchange *exchange)
{
    const struct message *request = &exchange->request;
    unsigned port = listen_of(exchange)->redirect_https;
    struct str host = rewrite_host(request->authority);
    struct buf location = BUF_EMPTY;

    if (str_is_empty(host)) {
        reply_outcome(exchange, OUTCOME_BAD_REQUEST, "there is no Host to redirect to");
        return;
    }
    buf_printf(&location, "https://%.*s", STR_ARG(host));
    if (port != HTTPS_PORT)
        buf_printf(&location, ":%u", port);
    struct str rest = forward_origin_form(request);
    buf_append_str(&location, rest.data[0] == '/' ? rest : STR("/"));
    reply_redirect(exchange, buf_str(&location));
    buf_deinit(&location);
}

/* Lost requests */

/* A name that the client's TLS connection is not for. Who asked for no name, or comes by a balancer
 * that ended TLS, is not judged. */
static bool is_misdirected(const struct exchange *exchange)
{
    const struct stream *stream = &exchange->conn->stream;
    struct str asked = stream_tls_name(stream);
    struct str host = rewrite_bare_host(exchange->request.authority);

    return !str_is_empty(asked) && !str_is_empty(host) && !str_eq_nocase(asked, host) &&
           !stream_tls_covers(stream, host);
}

bool front_answers(struct exchange *exchange)
{
    const struct message *request = &exchange->request;
    struct str token;
    uint64_t hops;

    if (is_health_check(exchange))
        answer_health(exchange);
    else if (is_challenge(exchange, &token))
        answer_challenge(exchange, token);
    else if (listen_of(exchange)->redirect_https != 0)
        answer_redirect(exchange);
    else if (is_misdirected(exchange))
        reply_outcome(exchange, OUTCOME_MISDIRECTED, NULL);
    else if (forward_has_passed(request, str_of(exchange->conn->worker->common->via)))
        reply_outcome(exchange, OUTCOME_LOOP, NULL);
    else if (message_hops_left(request, &hops) && hops == 0)
        reply_content(exchange, OUTCOME_LAST_HOP, STR("text/plain"), STR(""));
    else
        return false;
    return true;
}
