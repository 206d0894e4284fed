/*
 * probe_http.h - what a health check says, and what it understands of the answer. Pure functions,
 * for probe.c; the answer also for hook.c.
 */
#ifndef CONTROL_PROBE_HTTP_H
#define CONTROL_PROBE_HTTP_H

#include "config/config.h"
#include "control/trouble.h"
#include "http/parser.h"
#include "state/server.h"

/* An answer's head may have at most this many bytes and fields. */
#define PROBE_HEAD_BYTES 16384
#define PROBE_FIELDS     128

#define PROBE_DETAIL_BYTES TROUBLE_BYTES

/* Appends the request: Host is health.host, or what this backend's other requests carry; and with
 * the client's own Host, of whom there is none here, the server's. */
void probe_request_write(const struct config_backend *backend, const struct server *server,
                         struct buf *out);

/* Whom TLS is for: backends.X.sni, or else the host of the Host that the request carries. */
struct str probe_tls_name(const struct config_backend *backend, const struct server *server);

/*
 * Reads the head of the final answer; interim ones (100, 103) are eaten off the front of `answer`.
 * `searched` is parser_find_head's, 0 at first. DONE sets status and detail ("status 503"). BAD
 * is no answer of the application's, whatever its status: malformed, or made by the platform in
 * front of it (http/platform.h); detail says which.
 */
enum parse_result probe_answer_read(struct buf *answer, size_t *searched, unsigned *status,
                                    char detail[PROBE_DETAIL_BYTES]);

#endif
