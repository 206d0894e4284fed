/*
 * relay.h - moves bodies: the request's from conn to upstream, the answer from upstream to conn.
 *
 * Bytes go from the read buffer to the other socket in one writev, with framing made anew; only
 * what the socket does not take is copied. When that grows past STREAM_HIGH_BYTES the source stops
 * reading until it has drained.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include "proxy/exchange.h"

/* The next pieces of the request's body, framing off; `last`: it is complete. May finish the
 * exchange. */
void relay_request(struct exchange *exchange, const struct slices *slices, bool last);

/* Sends the replay buffer as the body so far, on a second try. False: this attempt failed as well,
 * and the exchange has moved on or is over. */
bool relay_replay(struct exchange *exchange);

/* Sends a request head that waited for its body in vain so far. False as for relay_replay. */
bool relay_flush(struct exchange *exchange);

/* Bytes of an answer. May finish the exchange. */
void relay_response(struct exchange *exchange, struct str data);

/* The server has closed its side. May finish the exchange. */
void relay_response_end(struct exchange *exchange);

/* The client's socket has drained: the server may be read again. */
void relay_client_drained(struct exchange *exchange);

#endif
