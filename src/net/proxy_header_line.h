/* proxy_header_line.h - version 1 of the PROXY protocol: for proxy_header.c alone. */
#ifndef NET_PROXY_HEADER_LINE_H
#define NET_PROXY_HEADER_LINE_H

#include "net/proxy_header.h"

/* As proxy_header_read, into an empty header; `bytes` begins with "P". */
enum proxy_header_state proxy_header_read_line(struct str bytes, struct proxy_header *header);

#endif
