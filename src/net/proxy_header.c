/*
 * proxy_header.c - the two versions are told apart by their first byte. Version 1 is
 * proxy_header_line.c's; version 2, numbers in network order:
 *
 *     0          12        13       14       16
 *     signature  2|command family|  length   source, destination,    type length(2) value  ...
 *                          protocol          both ports, or nothing
 *
 * As in version 1 what has come is read as if it were all there, so that the first byte that cannot
 * be right is the last one waited for.
 */
#include "net/proxy_header.h"

#include "proxy_header_line.h"

#define AT_COMMAND  12
#define AT_FAMILY   13
#define AT_LENGTH   14
#define FIXED_BYTES 16

#define V4_BYTES 4
#define V6_BYTES 16

#define VECTOR_HEAD_BYTES 3 /* type and length */
#define CRC_BYTES         4
#define SSL_HEAD_BYTES    5 /* a byte of bits; four about the client's certificate */

enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum { TCP_V4 = 0x11, TCP_V6 = 0x21 };
enum { TYPE_CRC32C = 0x03, TYPE_SSL = 0x20 };
enum { SSL_CLIENT = 0x01 };

static const struct str SIGNATURE = STR_INIT("\r\n\r\n\0\r\nQUIT\n");

static unsigned byte_at(struct str bytes, size_t at)
{
    return at < bytes.len ? (unsigned char)bytes.data[at] : 0;
}

/* A number of two bytes; the least that it can be, while they have not come. */
static size_t number_at(struct str bytes, size_t at)
{
    return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

static uint32_t crc32c(uint32_t sum, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        sum ^= byte_at(bytes, i);
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (0x82f63b78 & (0 - (sum & 1)));
    }
    return sum;
}

/* The sum over the whole header, made with zeros in its own place, `at`. */
static bool is_sum_right(struct str header, size_t at)
{
    uint32_t sum = crc32c(UINT32_MAX, str_slice(header, 0, at));

    sum = crc32c(sum, STR("\0\0\0\0"));
    sum = ~crc32c(sum, str_slice(header, at + CRC_BYTES, header.len));
    return sum == (uint32_t)(number_at(header, at) << 16 | number_at(header, at + 2));
}

/* What the vectors behind the addresses say. */
struct vectors {
    struct str bytes; /* of the header, as far as it has come */
    size_t sum_at;    /* where the checksum stands; 0: there is none */
    bool is_tls;
};

static enum proxy_header_state walk(struct vectors *vectors, size_t at, size_t end, bool in_ssl);

/* `value` is where its value stands, or will stand. */
static enum proxy_header_state read_vector(struct vectors *vectors, unsigned type, size_t value,
                                           size_t len)
{
    switch (type) {
    case TYPE_CRC32C:
        if (len != CRC_BYTES || vectors->sum_at != 0)
            return PROXY_HEADER_BAD;
        vectors->sum_at = value;
        return PROXY_HEADER_DONE;
    case TYPE_SSL:
        if (len < SSL_HEAD_BYTES)
            return PROXY_HEADER_BAD;
        vectors->is_tls |= (byte_at(vectors->bytes, value) & SSL_CLIENT) != 0;
        return walk(vectors, value + SSL_HEAD_BYTES, value + len, true);
    default:
        return PROXY_HEADER_DONE;
    }
}

/* Vectors that must end at `end`. Those inside of PP2_TYPE_SSL (`in_ssl`) say nothing of use. */
static enum proxy_header_state walk(struct vectors *vectors, size_t at, size_t end, bool in_ssl)
{
    while (at < end) {
        size_t value = at + VECTOR_HEAD_BYTES;
        size_t len = number_at(vectors->bytes, at + 1);
        if (value > end || len > end - value)
            return PROXY_HEADER_BAD;
        if (vectors->bytes.len < value)
            return PROXY_HEADER_MORE;
        unsigned type = byte_at(vectors->bytes, at);
        enum proxy_header_state state =
            in_ssl ? PROXY_HEADER_DONE : read_vector(vectors, type, value, len);
        if (state != PROXY_HEADER_DONE)
            return state;
        at = value + len;
    }
    return at > vectors->bytes.len ? PROXY_HEADER_MORE : PROXY_HEADER_DONE;
}

/* Of two addresses, with their ports where they have some. */
static size_t address_bytes(unsigned family)
{
    static const size_t BYTES[] = {0, 2 * V4_BYTES + 4, 2 * V6_BYTES + 4, 2 * 108};

    return BYTES[family >> 4];
}

/* AF_UNSPEC, INET, INET6, UNIX; and UNSPEC, STREAM, DGRAM. */
static bool is_known_family(unsigned family)
{
    return family >> 4 <= 3 && (family & 15) <= 2;
}

/* The family says nothing in a LOCAL header; and of UNSPEC nobody knows what would follow. */
static bool is_unread(unsigned command, unsigned family)
{
    return command == COMMAND_LOCAL || family >> 4 == 0 || (family & 15) == 0;
}

static struct addr v4_at(struct str bytes, size_t ip, size_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};

    memcpy(&v4.sin_addr, bytes.data + ip, V4_BYTES);
    memcpy(&v4.sin_port, bytes.data + port, sizeof(v4.sin_port));
    return addr_from_sockaddr((const struct sockaddr *)&v4);
}

static struct addr v6_at(struct str bytes, size_t ip, size_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    memcpy(&v6.sin6_addr, bytes.data + ip, V6_BYTES);
    memcpy(&v6.sin6_port, bytes.data + port, sizeof(v6.sin6_port));
    return addr_from_sockaddr((const struct sockaddr *)&v6);
}

static void read_addresses(struct str bytes, unsigned family, struct proxy_header *header)
{
    size_t at = FIXED_BYTES;

    if (family == TCP_V4) {
        header->source = v4_at(bytes, at, at + 2 * V4_BYTES);
        header->destination = v4_at(bytes, at + V4_BYTES, at + 2 * V4_BYTES + 2);
    } else if (family == TCP_V6) {
        header->source = v6_at(bytes, at, at + 2 * V6_BYTES);
        header->destination = v6_at(bytes, at + V6_BYTES, at + 2 * V6_BYTES + 2);
    }
    header->has_addresses = family == TCP_V4 || family == TCP_V6;
}

/* The part that each header has. */
static enum proxy_header_state check_fixed(struct str bytes)
{
    size_t len = bytes.len < SIGNATURE.len ? bytes.len : SIGNATURE.len;
    unsigned command = byte_at(bytes, AT_COMMAND);

    if (!str_eq(str_slice(bytes, 0, len), str_slice(SIGNATURE, 0, len)))
        return PROXY_HEADER_BAD;
    if (bytes.len > AT_COMMAND && command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return PROXY_HEADER_BAD;
    if (command == COMMAND_PROXY && !is_known_family(byte_at(bytes, AT_FAMILY)))
        return PROXY_HEADER_BAD;
    if (FIXED_BYTES + number_at(bytes, AT_LENGTH) > PROXY_HEADER_MAX_BYTES)
        return PROXY_HEADER_BAD;
    return bytes.len < FIXED_BYTES ? PROXY_HEADER_MORE : PROXY_HEADER_DONE;
}

static enum proxy_header_state read_binary(struct str bytes, struct proxy_header *header)
{
    enum proxy_header_state state = check_fixed(bytes);
    if (state != PROXY_HEADER_DONE)
        return state;
    unsigned family = byte_at(bytes, AT_FAMILY);
    header->len = FIXED_BYTES + number_at(bytes, AT_LENGTH);
    bytes = str_slice(bytes, 0, header->len);
    if (is_unread(byte_at(bytes, AT_COMMAND), family))
        return bytes.len < header->len ? PROXY_HEADER_MORE : PROXY_HEADER_DONE;

    size_t behind = FIXED_BYTES + address_bytes(family);
    struct vectors vectors = {.bytes = bytes};
    state = behind > header->len ? PROXY_HEADER_BAD : walk(&vectors, behind, header->len, false);
    if (state != PROXY_HEADER_DONE)
        return state;
    if (vectors.sum_at != 0 && !is_sum_right(bytes, vectors.sum_at))
        return PROXY_HEADER_BAD;
    read_addresses(bytes, family, header);
    header->is_tls = vectors.is_tls;
    return PROXY_HEADER_DONE;
}

enum proxy_header_state proxy_header_read(struct str bytes, struct proxy_header *header)
{
    *header = (struct proxy_header){0};
    if (bytes.len == 0)
        return PROXY_HEADER_MORE;
    return bytes.data[0] == 'P' ? proxy_header_read_line(bytes, header)
                                : read_binary(bytes, header);
}
