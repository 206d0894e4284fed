/*
 * probe_http.c - the words of a check: probe.c opens the connection, this is what goes over it.
 */
#include "control/probe_http.h"

#include <stdio.h>

#include "config/host.h"
#include "http/platform.h"

static struct str host_for(const struct config_backend *backend, const struct server *server)
{
    return host_of_check(backend, str_of(server->authority));
}

struct str probe_tls_name(const struct config_backend *backend, const struct server *server)
{
    return host_tls_name(backend, host_for(backend, server), str_of(server->host));
}

void probe_request_write(const struct config_backend *backend, const struct server *server,
                         struct buf *out)
{
    buf_printf(out,
               "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cutover/%s (health check)\r\n"
               "Accept: */*\r\nConnection: close\r\n\r\n",
               STR_ARG(backend->health.path), STR_ARG(host_for(backend, server)), CUTOVER_VERSION);
}

/* The status of one head; 0 when it is not the application's. A detail either way. */
static unsigned parse_status(struct str head, char detail[PROBE_DETAIL_BYTES])
{
    struct message message;
    struct parser parser;
    unsigned status = 0;

    message_init(&message, PROBE_FIELDS);
    parser_init(&parser, PARSER_RESPONSE);
    if (parser_head(&parser, head, &message, false) != PARSE_DONE) {
        snprintf(detail, PROBE_DETAIL_BYTES, "malformed answer: %s",
                 strict_fault_text(parser.fault));
    } else if (platform_fault(&message) != PLATFORM_NONE) {
        snprintf(detail, PROBE_DETAIL_BYTES, "the platform answered %u instead of the application",
                 message.status);
    } else {
        status = message.status;
        snprintf(detail, PROBE_DETAIL_BYTES, "status %u", status);
    }
    message_deinit(&message);
    return status;
}

/* A 101 is no interim answer: nothing follows it that is HTTP. */
static bool is_interim(unsigned status)
{
    return status >= 100 && status <= 199 && status != 101;
}

enum parse_result probe_answer_read(struct buf *answer, size_t *searched, unsigned *status,
                                    char detail[PROBE_DETAIL_BYTES])
{
    size_t len;

    while ((len = parser_find_head(buf_str(answer), searched)) > 0) {
        *status = parse_status(str_slice(buf_str(answer), 0, len), detail);
        if (!is_interim(*status))
            return *status == 0 ? PARSE_BAD : PARSE_DONE;
        buf_consume(answer, len);
        *searched = 0;
    }
    if (buf_len(answer) > PROBE_HEAD_BYTES) {
        snprintf(detail, PROBE_DETAIL_BYTES, "malformed answer: its head is too large");
        return PARSE_BAD;
    }
    return PARSE_MORE;
}
