/*
 * shortage.h - whose trouble is it that a connection did not come about: the other end's, or want of
 * something here (descriptors, ports, memory of the kernel)? What is ours must not count against a
 * server.
 */
#ifndef NET_SHORTAGE_H
#define NET_SHORTAGE_H

#include "net/addr.h"

/*
 * `status` is the UV_E* of connecting to `to` (NULL: to no address in particular). No address to
 * connect from (EADDRNOTAVAIL) is want of ports only where this machine has an address to talk to
 * that one from: without IPv6 no server has an IPv6 address that is of use.
 */
bool shortage_is_ours(int status, const struct addr *to);

#endif
