/*
 * outcome.h - how a request, or one attempt at a server, ended. One row each: the token that stands
 * in X-Cutover-Outcome, in the access line and in cutover_attempts_total; the status of our own
 * answer (0: no answer of ours); whose doing it was; what the answer says.
 */
#ifndef TELEMETRY_OUTCOME_H
#define TELEMETRY_OUTCOME_H

#include <stdbool.h>

enum blame {
    BLAME_NOBODY = 0, /* it went well */
    BLAME_CLIENT,
    BLAME_SERVER, /* counts as an error for ejection */
    BLAME_US,     /* limits, drain, maintenance */
};

/*  id, token, status, blame, text of the answer */
#define OUTCOMES(X)                                                                               \
    X(OUTCOME_OK, "ok", 0, BLAME_NOBODY, "")                                                      \
    X(OUTCOME_TUNNEL, "tunnel", 0, BLAME_NOBODY, "")                                              \
    X(OUTCOME_REDIRECTED, "redirected", 308, BLAME_NOBODY, "this address is for HTTPS alone")     \
    X(OUTCOME_HEALTH, "health", 200, BLAME_NOBODY, "")                                            \
    X(OUTCOME_LAST_HOP, "last_hop", 200, BLAME_NOBODY, "")                                        \
    X(OUTCOME_CHALLENGE, "acme_challenge", 200, BLAME_NOBODY, "")                                 \
    X(OUTCOME_NOT_FOUND, "not_found", 404, BLAME_CLIENT, "there is no such challenge here")       \
    X(OUTCOME_MISDIRECTED, "misdirected", 421, BLAME_CLIENT,                                      \
      "this TLS connection was made for another name")                                            \
    X(OUTCOME_LOOP, "loop", 502, BLAME_US,                                                        \
      "the request has come through this proxy before: a backend's name leads back to it")        \
    X(OUTCOME_BAD_REQUEST, "bad_request", 400, BLAME_CLIENT, "the request is malformed")          \
    X(OUTCOME_HEADER_TIMEOUT, "header_timeout", 408, BLAME_CLIENT,                                \
      "the request head did not arrive in time")                                                  \
    X(OUTCOME_BODY_TIMEOUT, "body_timeout", 408, BLAME_CLIENT,                                    \
      "the request body did not arrive in time")                                                  \
    X(OUTCOME_BODY_TOO_LARGE, "body_too_large", 413, BLAME_CLIENT,                                \
      "the request body is too large")                                                            \
    X(OUTCOME_EXPECTATION, "expectation_failed", 417, BLAME_CLIENT,                               \
      "only Expect: 100-continue is known")                                                       \
    X(OUTCOME_HEAD_TOO_LARGE, "head_too_large", 431, BLAME_CLIENT,                                \
      "the request head is too large")                                                            \
    X(OUTCOME_TARGET_TOO_LONG, "target_too_long", 414, BLAME_CLIENT,                              \
      "the request target is too long")                                                           \
    X(OUTCOME_METHOD, "method_unknown", 501, BLAME_CLIENT, "the method is not supported")         \
    X(OUTCOME_CLIENT_GONE, "client_gone", 0, BLAME_CLIENT, "")                                    \
    X(OUTCOME_CLIENT_STALLED, "client_stalled", 0, BLAME_CLIENT, "")                              \
    X(OUTCOME_CONNECT_REFUSED, "connect_refused", 502, BLAME_SERVER,                              \
      "the backend refused the connection")                                                       \
    X(OUTCOME_CONNECT_FAILED, "connect_failed", 502, BLAME_SERVER,                                \
      "the backend cannot be reached")                                                            \
    X(OUTCOME_CONNECT_TIMEOUT, "connect_timeout", 504, BLAME_SERVER,                              \
      "the backend did not accept the connection in time")                                        \
    X(OUTCOME_TLS_FAILED, "tls_failed", 502, BLAME_SERVER, "TLS to the backend failed")           \
    X(OUTCOME_TLS_UNTRUSTED, "tls_untrusted", 502, BLAME_SERVER,                                  \
      "the backend's certificate is not accepted")                                                \
    X(OUTCOME_TLS_TIMEOUT, "tls_timeout", 504, BLAME_SERVER,                                      \
      "the backend did not finish the TLS handshake in time")                                     \
    X(OUTCOME_UNRESOLVED, "unresolved", 502, BLAME_SERVER, "the backend's name does not resolve") \
    X(OUTCOME_STALE, "stale_connection", 502, BLAME_NOBODY,                                       \
      "the backend closed a kept connection as the request was sent")                             \
    X(OUTCOME_CLOSED, "upstream_closed", 502, BLAME_SERVER,                                       \
      "the backend closed the connection without an answer")                                      \
    X(OUTCOME_BAD_RESPONSE, "bad_response", 502, BLAME_SERVER,                                    \
      "the backend's answer is malformed")                                                        \
    X(OUTCOME_RESPONSE_TOO_LARGE, "response_head_too_large", 502, BLAME_SERVER,                   \
      "the head of the backend's answer is too large")                                            \
    X(OUTCOME_RESPONSE_TIMEOUT, "response_timeout", 504, BLAME_SERVER,                            \
      "the backend did not answer in time")                                                       \
    X(OUTCOME_TRUNCATED, "upstream_truncated", 0, BLAME_SERVER, "")                               \
    X(OUTCOME_STALLED, "upstream_stalled", 0, BLAME_SERVER, "")                                   \
    X(OUTCOME_PLATFORM_404, "platform_404", 0, BLAME_SERVER, "")                                  \
    X(OUTCOME_PLATFORM_502, "platform_502", 0, BLAME_SERVER, "")                                  \
    X(OUTCOME_PLATFORM_503, "platform_503", 0, BLAME_SERVER, "")                                  \
    X(OUTCOME_PLATFORM_504, "platform_504", 0, BLAME_SERVER, "")                                  \
    X(OUTCOME_SKEW, "skew_404", 404, BLAME_NOBODY,                                                \
      "this side does not have it, and the other side could not be asked")                        \
    X(OUTCOME_NO_SERVER, "no_server", 503, BLAME_US, "no backend can take the request now")       \
    X(OUTCOME_MAINTENANCE, "maintenance", 503, BLAME_US, "the backend is in maintenance")         \
    X(OUTCOME_FROZEN, "frozen", 503, BLAME_US,                                                    \
      "nothing can be changed for a while: writes are frozen during the move")                    \
    X(OUTCOME_OVERLOADED, "overloaded", 503, BLAME_US, "too many connections")                    \
    X(OUTCOME_SHUTDOWN, "shutdown", 503, BLAME_US, "the proxy is shutting down")

enum outcome {
#define X(id, token, status, blame, text) id,
    OUTCOMES(X)
#undef X
        OUTCOME_COUNT
};

struct outcome_row {
    const char *token;
    unsigned status;
    enum blame blame;
    const char *text;
};

const struct outcome_row *outcome_row(enum outcome outcome);

#endif
