/*
 * bucket.h - the number 0..9999 that stands for a client, and the one rule:
 *
 *     side = bucket < weight ? new : old
 *
 * Raising a weight moves exactly the buckets in between, each once; lowering moves exactly those
 * back. 0 and 100 % (10000) are absolute.
 */
#ifndef TRAFFIC_BUCKET_H
#define TRAFFIC_BUCKET_H

#include "net/addr.h"
#include "traffic/side.h"

#define BUCKETS    10000u
#define WEIGHT_MAX 10000u /* 100 %; a weight is in hundredths of a percent */

static inline enum side bucket_side(unsigned bucket, unsigned weight)
{
    return bucket < weight ? SIDE_NEW : SIDE_OLD;
}

/* XXH3-64 of the value, scaled to 0..9999: the same in every process, on every machine. */
unsigned bucket_of_value(struct str value);

/* As bucket_of_value for a client address: /32 for IPv4, /64 for IPv6, the port left out. */
unsigned bucket_of_address(const struct addr *address);

/*
 * The `term`th of a low-discrepancy sequence (golden-ratio multiples), scaled to [from, to): any
 * 1000 terms in a row put 100 +- 3 of them into a tenth of the range. from < to <= BUCKETS.
 */
unsigned bucket_of_draw(uint64_t term, unsigned from, unsigned to);

/* The affinity cookie's value: "0427", with keep policies "0427o" or "0427n". */
struct bucket_mark {
    unsigned bucket;
    bool has_side;
    enum side side;
};
#define BUCKET_MARK_BYTES 6 /* with its NUL */

/* Exactly four digits, with or without o/n; anything else is absent (false). */
bool bucket_mark_parse(struct str value, struct bucket_mark *mark) MUST_CHECK;
struct str bucket_mark_format(const struct bucket_mark *mark, char text[BUCKET_MARK_BYTES]);

#endif
