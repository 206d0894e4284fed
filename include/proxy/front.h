/* front.h - what a listener answers by itself, before any side is thought of. */
#ifndef PROXY_FRONT_H
#define PROXY_FRONT_H

#include "proxy/exchange.h"

/*
 * Answers, and so finishes, an exchange whose head has been read, and returns true, when it is
 *
 * - our own health check (health_path): 200, or 503 while draining or before any server was well;
 * - an ACME challenge (RFC 8555 8.3) on a listener with acme_webroot: the file, or 404;
 * - anything else on a listener with redirect_https: 308 to the same place over HTTPS;
 * - for a name that its TLS connection was not made for (RFC 9110 7.4): 421;
 * - one that has come through this proxy before (RFC 9110 7.6.3): 502.
 */
bool front_answers(struct exchange *exchange);

#endif
