/*
 * tunnel.h - after a 101: bytes both ways, unread and unchanged, until both ends have said FIN.
 *
 * An idle tunnel owns no buffer. Frames are not looked at, so that every extension works. A weight
 * change leaves tunnels where they are.
 */
#ifndef PROXY_TUNNEL_H
#define PROXY_TUNNEL_H

#include "proxy/exchange.h"

/* Turns an exchange whose 101 has been sent into a tunnel; `early` is what came right behind it.
 * May finish the exchange. */
void tunnel_start(struct exchange *exchange, struct str early);

/* Bytes, or the end (data.len 0, status 0 or UV_E*) from either side. May finish the exchange. */
void tunnel_on_client(struct exchange *exchange, struct str data, int status);
void tunnel_on_server(struct exchange *exchange, struct str data, int status);

/* A side has drained: the other may be read again. */
void tunnel_client_drained(struct exchange *exchange);
void tunnel_server_drained(struct exchange *exchange);

/* Nothing has moved for timeouts.tunnel_idle. Finishes the exchange. */
void tunnel_on_idle(struct exchange *exchange);

#endif
