/*
 * probe_http.c - the words of a check: probe.c opens the connection, this is what goes over it.
 */
#include "control/probe_http.h"

#include <stdio.h>

void probe_request_write(const struct config_backend *backend, const struct server *server,
                         struct buf *out)
{
    const struct health_policy *policy = &backend->health;
    struct str host = policy->host;

    if (str_is_empty(host)) {
        /* With the client's own Host there is no client here: the server's own name will do. */
        host = backend->host == HOST_LITERAL ? backend->host_literal : str_of(server->authority);
    }
    buf_printf(out,
               "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cutover/%s (health check)\r\n"
               "Accept: */*\r\nConnection: close\r\n\r\n",
               STR_ARG(policy->path), STR_ARG(host), CUTOVER_VERSION);
}

/* The status of one head; 0 and a detail when it is malformed. */
static unsigned parse_status(struct str head, char detail[PROBE_DETAIL_BYTES])
{
    struct message message;
    struct parser parser;
    unsigned status = 0;

    message_init(&message, PROBE_FIELDS);
    parser_init(&parser, PARSER_RESPONSE);
    if (parser_head(&parser, head, &message, false) == PARSE_DONE) {
        status = message.status;
        snprintf(detail, PROBE_DETAIL_BYTES, "status %u", status);
    } else {
        snprintf(detail, PROBE_DETAIL_BYTES, "malformed answer: %s",
                 strict_fault_text(parser.fault));
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
