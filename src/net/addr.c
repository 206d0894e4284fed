/*
 * addr.c - addresses are taken in once (addr_from_sockaddr, addr_parse) and made canonical there:
 * IPv4 stays IPv4 however it was spelled, so that comparing is comparing bytes.
 */
#include "net/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#define V4_BYTES 4
#define V6_BYTES 16

/* ::ffff:a.b.c.d becomes a.b.c.d. */
static void unmap(struct addr *addr)
{
    if (addr->any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->v6.sin6_addr))
        return;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = addr->v6.sin6_port};

    memcpy(&v4.sin_addr, addr->v6.sin6_addr.s6_addr + V6_BYTES - V4_BYTES, V4_BYTES);
    *addr = (struct addr){.v6 = {0}};
    addr->v4 = v4;
}

/* The address bytes in network order, and how many bits they are; 0 for an empty addr. */
static unsigned address_bits(const struct addr *addr, const unsigned char **bytes)
{
    switch (addr->any.sa_family) {
    case AF_INET:
        *bytes = (const unsigned char *)&addr->v4.sin_addr;
        return V4_BYTES * 8;
    case AF_INET6:
        *bytes = addr->v6.sin6_addr.s6_addr;
        return V6_BYTES * 8;
    default:
        *bytes = NULL;
        return 0;
    }
}

struct addr addr_from_sockaddr(const struct sockaddr *sockaddr)
{
    struct addr addr = {.v6 = {0}};

    if (sockaddr->sa_family == AF_INET) {
        memcpy(&addr.v4, sockaddr, sizeof(addr.v4));
    } else if (sockaddr->sa_family == AF_INET6) {
        memcpy(&addr.v6, sockaddr, sizeof(addr.v6));
        unmap(&addr);
    }
    return addr;
}

bool addr_parse(struct str text, struct addr *addr)
{
    size_t colon = text.len;

    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct str ip = str_slice(text, 0, colon - 1);
    struct str digits = str_slice(text, colon, text.len);
    uint64_t port = 0;

    /* "::1" has no port: its last group is not one. */
    bool bracketed = ip.len > 0 && ip.data[0] == '[';
    if (!bracketed && memchr(ip.data, ':', ip.len) != NULL)
        return false;
    if (digits.len > 5 || !str_to_u64(digits, &port) || port > UINT16_MAX)
        return false;
    return addr_parse_ip(ip, (uint16_t)port, addr);
}

bool addr_parse_ip(struct str text, uint16_t port, struct addr *addr)
{
    char copy[INET6_ADDRSTRLEN];
    bool bracketed = text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']';

    if (bracketed)
        text = str_slice(text, 1, text.len - 1);
    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';

    struct addr parsed = {.v6 = {0}};
    if (!bracketed && inet_pton(AF_INET, copy, &parsed.v4.sin_addr) == 1) {
        parsed.v4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, copy, &parsed.v6.sin6_addr) == 1) {
        parsed.v6.sin6_family = AF_INET6;
        unmap(&parsed);
    } else {
        return false;
    }
    addr_set_port(&parsed, port);
    *addr = parsed;
    return true;
}

socklen_t addr_len(const struct addr *addr)
{
    return addr->any.sa_family == AF_INET6 ? sizeof(addr->v6) : sizeof(addr->v4);
}

uint16_t addr_port(const struct addr *addr)
{
    return ntohs(addr->any.sa_family == AF_INET6 ? addr->v6.sin6_port : addr->v4.sin_port);
}

void addr_set_port(struct addr *addr, uint16_t port)
{
    if (addr->any.sa_family == AF_INET6)
        addr->v6.sin6_port = htons(port);
    else
        addr->v4.sin_port = htons(port);
}

bool addr_is_loopback(const struct addr *addr)
{
    if (addr->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&addr->v6.sin6_addr);
    return addr->any.sa_family == AF_INET && (ntohl(addr->v4.sin_addr.s_addr) >> 24) == 127;
}

bool addr_is_any(const struct addr *addr)
{
    if (addr->any.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&addr->v6.sin6_addr);
    return addr->any.sa_family == AF_INET && addr->v4.sin_addr.s_addr == INADDR_ANY;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    const unsigned char *a_bytes;
    const unsigned char *b_bytes;
    unsigned bits = address_bits(a, &a_bytes);

    if (bits != address_bits(b, &b_bytes))
        return false;
    if (bits == 0)
        return true;
    if (bits == V6_BYTES * 8 && a->v6.sin6_scope_id != b->v6.sin6_scope_id)
        return false;
    return addr_port(a) == addr_port(b) && memcmp(a_bytes, b_bytes, bits / 8) == 0;
}

struct str addr_format(const struct addr *addr, char text[ADDR_TEXT_BYTES])
{
    char ip[ADDR_TEXT_BYTES];
    struct str host = addr_format_ip(addr, ip);
    bool is_v6 = addr->any.sa_family == AF_INET6;

    text[0] = '\0';
    if (host.len > 0) {
        snprintf(text, ADDR_TEXT_BYTES, is_v6 ? "[%.*s]:%u" : "%.*s:%u", (int)host.len, host.data,
                 (unsigned)addr_port(addr));
    }
    return str_of(text);
}

struct str addr_format_ip(const struct addr *addr, char text[ADDR_TEXT_BYTES])
{
    const unsigned char *bytes;

    text[0] = '\0';
    if (address_bits(addr, &bytes) > 0)
        inet_ntop(addr->any.sa_family, bytes, text, ADDR_TEXT_BYTES);
    return str_of(text);
}

/* Whether the first `bits` bits are the same. */
static bool bits_eq(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool cidr_parse(struct str text, struct cidr *cidr)
{
    const unsigned char *bytes;
    ptrdiff_t slash = str_find_char(text, '/', 0);
    size_t ip_len = slash < 0 ? text.len : (size_t)slash;
    struct cidr parsed;
    uint64_t bits;

    if (!addr_parse_ip(str_slice(text, 0, ip_len), 0, &parsed.network))
        return false;
    unsigned all = address_bits(&parsed.network, &bytes);
    bits = all;
    if (slash >= 0) {
        struct str digits = str_slice(text, ip_len + 1, text.len);
        if (digits.len > 3 || !str_to_u64(digits, &bits) || bits > all)
            return false;
    }
    parsed.bits = (unsigned)bits;

    for (unsigned bit = parsed.bits; bit < all; bit++)
        if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0)
            return false;
    *cidr = parsed;
    return true;
}

bool cidr_contains(const struct cidr *cidr, const struct addr *addr)
{
    const unsigned char *network;
    const unsigned char *address;
    unsigned all = address_bits(&cidr->network, &network);

    return all != 0 && all == address_bits(addr, &address) && bits_eq(network, address, cidr->bits);
}
