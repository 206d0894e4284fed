/*
 * ask.c - the head of a client -> the proxy's parser -> the proxy's forward_request_head.
 */
#include "doctor/ask.h"

#include <stdio.h>

#include "base/version.h"
#include "config/host.h"
#include "doctor/frame.h"
#include "http/forward.h"
#include "http/parser.h"

#define FIELDS_MAX 512

#define FILLER "X-Cutover-Doctor"

/* ---- how ---- */

void ask_way_find(struct ask_way *way, const struct config *config)
{
    const struct config_listen *found = NULL;

    for (unsigned i = 0; i < config->listen_count && found == NULL; i++)
        if (config->listen[i].pair_count > 0)
            found = &config->listen[i];
    bool is_https = found != NULL || config->forwarded.trust_count > 0;
    if (found == NULL && config->listen_count > 0)
        found = &config->listen[0];
    way->scheme = is_https ? STR("https") : STR("http");
    snprintf(way->port, sizeof(way->port), "%u",
             found == NULL ? 0u : (unsigned)addr_port(&found->address));
}

/* ---- what ---- */

static void write_client_head(const struct ask *ask, size_t filler, struct buf *out)
{
    struct str host = str_is_empty(ask->client_host) ? ask->host : ask->client_host;

    buf_printf(out, "%s %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cutover/%s (doctor)\r\n",
               ask->method, STR_ARG(ask->path), STR_ARG(host), CUTOVER_VERSION);
    if (!ask->is_websocket)
        buf_append_str(out, STR("Accept: */*\r\n"));
    buf_append_str(out, ask->fields);
    if (ask->is_websocket)
        buf_append_str(out,
                       STR("Connection: Upgrade\r\nUpgrade: websocket\r\n"
                           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " FRAME_KEY "\r\n"));
    if (ask->has_body) {
        buf_printf(out, "Content-Type: application/octet-stream\r\nContent-Length: %llu\r\n",
                   (unsigned long long)ask->body_bytes);
    }
    if (filler > 0) {
        buf_append_str(out, STR(FILLER ": "));
        memset(buf_reserve(out, filler), 'x', filler);
        buf_commit(out, filler);
        buf_append_str(out, STR("\r\n"));
    }
    buf_append_str(out, STR("\r\n"));
}

/* Whom the operator named as what users type is his, as is what the configuration names. */
static bool may_tell_secret(const struct ask *ask, const struct config *config)
{
    bool is_public = !str_is_empty(ask->client_host) && str_eq_nocase(ask->host, ask->client_host);

    return !ask->is_for_nobody &&
           (is_public || host_may_have_secret(config, ask->backend, ask->host));
}

static void forward(const struct ask *ask, const struct ask_way *way, const struct config *config,
                    const struct message *message, struct buf *out)
{
    struct forward_request request = {
        .message = message,
        .host = ask->host,
        .peer_ip = STR(ASK_CLIENT_IP),
        .client_ip = STR(ASK_CLIENT_IP),
        .scheme = way->scheme,
        .port = str_of(way->port),
        .request_id = STR("cutover-doctor"),
        .via = STR("cutover-doctor"),
        .affinity_cookie = config->sticky.cookie.name,
        .override_header = config->override.header,
        .client_ip_header = config->forwarded.client_ip_header,
        .secret_header = config->forwarded.secret_header,
        .secret = may_tell_secret(ask, config) ? config->forwarded.secret : STR(""),
        .upgrade = ask->is_websocket,
    };

    forward_request_head(&request, out);
}

static bool write_with(const struct ask *ask, const struct ask_way *way,
                       const struct config *config, size_t filler, struct buf *out,
                       struct error *error)
{
    struct buf client = BUF_EMPTY;
    struct message message;
    struct parser parser;

    write_client_head(ask, filler, &client);
    message_init(&message, FIELDS_MAX);
    parser_init(&parser, PARSER_REQUEST);
    bool good = parser_head(&parser, buf_str(&client), &message, false) == PARSE_DONE;
    if (good)
        forward(ask, way, config, &message, out);
    else
        (void)error_set(error, "the request is malformed: %s", strict_fault_text(parser.fault));
    message_deinit(&message);
    buf_deinit(&client);
    return good;
}

bool ask_write(const struct ask *ask, const struct ask_way *way, const struct config *config,
               struct buf *out, struct error *error)
{
    size_t before = buf_len(out);

    if (!write_with(ask, way, config, 0, out, error))
        return false;
    size_t plain = buf_len(out) - before;
    size_t around = strlen(FILLER ": ") + strlen("\r\n");
    if (ask->head_bytes <= plain + around)
        return true;
    out->end -= plain;
    return write_with(ask, way, config, ask->head_bytes - plain - around, out, error);
}

void ask_write_health(const struct config_backend *backend, struct str host, struct buf *out)
{
    buf_printf(out,
               "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cutover/%s (health check)\r\n"
               "Accept: */*\r\nConnection: close\r\n\r\n",
               STR_ARG(backend->health.path), STR_ARG(host), CUTOVER_VERSION);
}
