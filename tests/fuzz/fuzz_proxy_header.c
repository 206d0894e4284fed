/*
 * fuzz_proxy_header.c - a PROXY header as it grows: MORE with every byte until, once and for all,
 * it is a header of one length or none.
 */
#include "fuzz.h"
#include "net/proxy_header.h"

static enum proxy_header_state read_front(struct str data, size_t len, struct proxy_header *header)
{
    char *copy = copy_of(str_from(data.data, len));
    enum proxy_header_state state = proxy_header_read(str_from(copy, len), header);

    mem_free(copy);
    return state;
}

/* Version 1 is a line, version 2 says how long it is. */
static size_t length_of(struct str data)
{
    const unsigned char *bytes = (const unsigned char *)data.data;
    const char *end = memmem(data.data, data.len, "\r\n", 2);

    if (bytes[0] == 'P')
        return (size_t)(end - data.data) + 2;
    return 16 + (size_t)(bytes[14] << 8 | bytes[15]);
}

static void expect_sound(const struct proxy_header *header, struct str data)
{
    char text[ADDR_TEXT_BYTES];
    struct addr again;

    CHECK(header->len == length_of(data));
    CHECK(header->len <= data.len && header->len <= PROXY_HEADER_MAX_BYTES);
    CHECK(header->has_addresses == (header->source.any.sa_family != AF_UNSPEC));
    CHECK(header->has_addresses == (header->destination.any.sa_family != AF_UNSPEC));
    if (!header->has_addresses)
        return;
    CHECK(addr_parse(addr_format(&header->source, text), &again));
    CHECK(addr_eq(&again, &header->source));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = input_of(data, size);
    struct proxy_header whole = {.len = 0};
    struct proxy_header part = {.len = 0};
    enum proxy_header_state end = read_front(input, size, &whole);
    enum proxy_header_state before = PROXY_HEADER_MORE;

    if (end == PROXY_HEADER_DONE)
        expect_sound(&whole, input);
    for (size_t len = 1; len < size && len < PROXY_HEADER_MAX_BYTES + 2; len++) {
        enum proxy_header_state state = read_front(input, len, &part);
        CHECK(before == PROXY_HEADER_MORE || state == before);
        if (state == PROXY_HEADER_DONE)
            CHECK(end == PROXY_HEADER_DONE && part.len == whole.len && len >= part.len &&
                  part.is_tls == whole.is_tls && part.has_addresses == whole.has_addresses &&
                  (!whole.has_addresses || addr_eq(&part.source, &whole.source)));
        if (state == PROXY_HEADER_BAD)
            CHECK(end == PROXY_HEADER_BAD);
        before = state;
        /* A header of the greatest length is read for each of its bytes: enough of that. */
        if (state != PROXY_HEADER_MORE || len > 600)
            break;
    }
    return 0;
}
