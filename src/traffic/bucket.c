/*
 * bucket.c - makes the numbers that the one rule compares: from a value, from an address, or drawn.
 *
 * Nothing here has state, so every process and every restart comes to the same number.
 *
 * The trick is the draw. Multiples of the golden ratio, modulo 1, fill an interval as evenly as any
 * sequence can: each new term falls into one of the largest gaps that are left. As a 64-bit fixed
 * point fraction the multiple is one multiplication that wraps by itself, also where the counter
 * wraps. Over all 10000 weights and all places to start, 1000 terms in a row are never more than
 * 2.6 away from the exact share.
 */
#include "traffic/bucket.h"

#include <xxhash.h>

#include "base/check.h"

/* The fractional part of the golden ratio in 1/2^64; odd, so it takes 2^64 terms to come round. */
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/* The top 32 bits of `fraction` (in 1/2^64) scaled to 0..range-1. */
static unsigned scale(uint64_t fraction, unsigned range)
{
    return (unsigned)(((fraction >> 32) * range) >> 32);
}

unsigned bucket_of_value(struct str value)
{
    return scale(XXH3_64bits(value.data, value.len), BUCKETS);
}

unsigned bucket_of_address(const struct addr *address)
{
    const void *bytes = &address->v4.sin_addr;
    size_t len = sizeof(address->v4.sin_addr);
    if (address->any.sa_family == AF_INET6) {
        /* What one household or phone gets is a /64; the lower half changes every day. */
        bytes = &address->v6.sin6_addr;
        len = 8;
    }
    return bucket_of_value(str_from(bytes, len));
}

unsigned bucket_of_draw(uint64_t term, unsigned from, unsigned to)
{
    CHECK(from < to && to <= BUCKETS);
    return from + scale(term * GOLDEN, to - from);
}

static bool parse_mark_side(char c, enum side *side)
{
    *side = c == 'n' ? SIDE_NEW : SIDE_OLD;
    return c == 'n' || c == 'o';
}

bool bucket_mark_parse(struct str value, struct bucket_mark *mark)
{
    *mark = (struct bucket_mark){0};
    if (value.len < 4 || value.len > 5)
        return false;
    for (size_t i = 0; i < 4; i++) {
        if (!ascii_is_digit(value.data[i]))
            return false;
        mark->bucket = mark->bucket * 10 + (unsigned)(value.data[i] - '0');
    }
    mark->has_side = value.len == 5;
    return !mark->has_side || parse_mark_side(value.data[4], &mark->side);
}

struct str bucket_mark_format(const struct bucket_mark *mark, char text[BUCKET_MARK_BYTES])
{
    CHECK(mark->bucket < BUCKETS);
    unsigned left = mark->bucket;
    for (size_t i = 4; i > 0; i--) {
        text[i - 1] = (char)('0' + left % 10);
        left /= 10;
    }
    size_t len = 4;
    if (mark->has_side)
        text[len++] = mark->side == SIDE_NEW ? 'n' : 'o';
    text[len] = '\0';
    return str_from(text, len);
}
