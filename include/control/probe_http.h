/*
 * probe_http.h - what a health check says, and what it understands of the answer. Pure functions,
 * for probe.c only.
 */
#ifndef CONTROL_PROBE_HTTP_H
#define CONTROL_PROBE_HTTP_H

#include "config/config.h"
#include "http/parser.h"
#include "state/server.h"

/* An answer's head may have at most this many bytes and fields. */
#define PROBE_HEAD_BYTES 16384
#define PROBE_FIELDS     128

#define PROBE_DETAIL_BYTES 128

/* Appends the request: Host is health.host, or what this backend's other requests carry. */
void probe_request_write(const struct config_backend *backend, const struct server *server,
                         struct buf *out);

/*
 * Reads the head of the final answer; interim ones (100, 103) are eaten off the front of `answer`.
 * `searched` is parser_find_head's, 0 at first. DONE sets status and detail ("status 503"), BAD
 * sets detail to what is wrong.
 */
enum parse_result probe_answer_read(struct buf *answer, size_t *searched, unsigned *status,
                                    char detail[PROBE_DETAIL_BYTES]);

#endif
