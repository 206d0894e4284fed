/*
 * proxy_header.h - the PROXY protocol, versions 1 and 2, as a receiver: what a TCP load balancer
 * (AWS NLB, HAProxy, Alibaba NLB) writes in front of a connection's bytes about where it came from.
 * A pure function of bytes. Source: the protocol's specification, haproxy.org, proxy-protocol.txt.
 *
 * Whoever may connect may write such a header, and be whoever it likes: only for a listener that
 * nobody but the balancer can reach.
 */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "net/addr.h"

/* The longest header that is taken; a version 1 line has at most 107 bytes. */
#define PROXY_HEADER_MAX_BYTES 4096

enum proxy_header_state { PROXY_HEADER_MORE, PROXY_HEADER_DONE, PROXY_HEADER_BAD };

struct proxy_header {
    bool has_addresses;      /* false: the connection is the balancer's own (LOCAL, a check), or of
                              * a kind that is not TCP over IP; both addresses are empty then */
    struct addr source;      /* the client */
    struct addr destination; /* where it connected to */
    bool is_tls;             /* version 2, PP2_TYPE_SSL: the client came to the balancer by TLS */
    size_t len;              /* of the header, DONE: what follows it is the connection's own */
};

/*
 * Reads the header at the front of `bytes`: all that has come, from the connection's first byte on.
 * DONE: `header` is filled. MORE: it is not whole yet, and all that has come is in order. BAD: it is
 * no header, malformed, longer than the maximum, or its checksum (PP2_TYPE_CRC32C) is wrong; said
 * with the first byte that cannot be right.
 */
enum proxy_header_state proxy_header_read(struct str bytes, struct proxy_header *header);

#endif
