/*
 * addr.h - a socket address as a value, and ranges of them (CIDR).
 *
 * IPv4 addresses mapped into IPv6 (::ffff:1.2.3.4, what a dual-stack listener sees) are unmapped by
 * addr_from_sockaddr, so that everything above sees one form.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/str.h"

/* "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535" and its NUL. */
#define ADDR_TEXT_BYTES 64

struct addr {
    union {
        struct sockaddr any; /* any.sa_family is AF_UNSPEC in an empty addr */
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

struct cidr {
    struct addr network; /* host bits are zero */
    unsigned bits;       /* 0..32 or 0..128 */
};

struct addr addr_from_sockaddr(const struct sockaddr *sockaddr);

/* "127.0.0.1:80", "[::1]:80"; a name or a missing port is refused (false). Port 0 is allowed. */
bool addr_parse(struct str text, struct addr *addr) MUST_CHECK;

/* An address without port: "10.0.0.1", "::1" or "[::1]". */
bool addr_parse_ip(struct str text, uint16_t port, struct addr *addr) MUST_CHECK;

socklen_t addr_len(const struct addr *addr);
uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);
bool addr_is_loopback(const struct addr *addr);
bool addr_is_any(const struct addr *addr); /* 0.0.0.0 or [::]: what listens on every address */
bool addr_eq(const struct addr *a, const struct addr *b); /* address and port */

/* "127.0.0.1:80" / "[::1]:80" into `text`; returns it as a str. */
struct str addr_format(const struct addr *addr, char text[ADDR_TEXT_BYTES]);

/* Without port and brackets: "127.0.0.1", "::1". */
struct str addr_format_ip(const struct addr *addr, char text[ADDR_TEXT_BYTES]);

/* "10.0.0.0/8", "fd00::/8" or a single address; host bits that are set are refused. */
bool cidr_parse(struct str text, struct cidr *cidr) MUST_CHECK;
bool cidr_contains(const struct cidr *cidr, const struct addr *addr);

#endif
