#include "traffic/bucket.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW 1000 /* draws in a row, that the promise is about */

static const unsigned weights[] = {0, 100, 1000, 3000, 5000, 7000, 9900, 10000};

static unsigned moved(unsigned before, unsigned after, enum side to)
{
    unsigned count = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        if (bucket_side(bucket, before) == bucket_side(bucket, after))
            continue;
        cr_assert_eq(bucket_side(bucket, after), to);
        cr_assert(bucket >= (before < after ? before : after));
        cr_assert(bucket < (before < after ? after : before));
        count++;
    }
    return count;
}

Test(bucket, raising_moves_exactly_the_buckets_between)
{
    for (size_t i = 1; i < ARRAY_LEN(weights); i++)
        cr_assert_eq(moved(weights[i - 1], weights[i], SIDE_NEW), weights[i] - weights[i - 1]);
    cr_assert_eq(moved(1025, 1026, SIDE_NEW), 1);
}

Test(bucket, lowering_moves_exactly_those_back)
{
    for (size_t i = 1; i < ARRAY_LEN(weights); i++)
        cr_assert_eq(moved(weights[i], weights[i - 1], SIDE_OLD), weights[i] - weights[i - 1]);
    cr_assert_eq(moved(10000, 0, SIDE_OLD), BUCKETS);
}

Test(bucket, a_whole_plan_moves_each_bucket_at_most_once_in_each_direction)
{
    static const unsigned plan[] = {0, 1000, 3000, 7000, 10000, 3000, 0};
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        unsigned to_new = 0, to_old = 0;
        for (size_t i = 1; i < ARRAY_LEN(plan); i++) {
            enum side before = bucket_side(bucket, plan[i - 1]);
            enum side after = bucket_side(bucket, plan[i]);
            to_new += before == SIDE_OLD && after == SIDE_NEW ? 1 : 0;
            to_old += before == SIDE_NEW && after == SIDE_OLD ? 1 : 0;
        }
        cr_assert(to_new == 1 && to_old == 1, "bucket %u moved %u and %u times", bucket, to_new,
                  to_old);
    }
}

/* Known XXH3-64 values, so that another version or byte order cannot move every user. */
Test(bucket, a_value_has_the_same_bucket_everywhere)
{
    cr_assert_eq(bucket_of_value(STR("")), (0x2d068005ull * 10000) >> 32);
    cr_assert_eq(bucket_of_value(STR("alice")), 3032);
    cr_assert_eq(bucket_of_value(STR("bob@example.org")), 4440);
}

Test(bucket, values_spread_evenly)
{
    unsigned below[ARRAY_LEN(weights)] = {0};
    for (unsigned user = 0; user < 100000; user++) {
        char text[32];
        int len = snprintf(text, sizeof(text), "user-%u", user);
        unsigned bucket = bucket_of_value(str_from(text, (size_t)len));
        cr_assert_lt(bucket, BUCKETS);
        for (size_t i = 0; i < ARRAY_LEN(weights); i++)
            below[i] += bucket < weights[i] ? 1 : 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
        /* Three standard deviations of a fair draw are 475 at most; the users are fixed. */
        cr_assert(abs((int)below[i] - (int)weights[i] * 10) <= 475, "%u of 100000 below %u",
                  below[i], weights[i]);
    }
}

static unsigned bucket_of_ip(const char *ip, uint16_t port)
{
    struct addr addr;
    cr_assert(addr_parse_ip(str_of(ip), port, &addr));
    return bucket_of_address(&addr);
}

Test(bucket, an_address_counts_without_port_and_ipv6_by_its_64)
{
    cr_assert_eq(bucket_of_ip("192.0.2.1", 1), bucket_of_ip("192.0.2.1", 65535));
    cr_assert_neq(bucket_of_ip("192.0.2.1", 1), bucket_of_ip("192.0.2.2", 1));
    cr_assert_eq(bucket_of_ip("2001:db8:1:2::1", 1), bucket_of_ip("2001:db8:1:2:ffff::9", 2));
    cr_assert_neq(bucket_of_ip("2001:db8:1:2::1", 1), bucket_of_ip("2001:db8:1:3::1", 1));
    /* The bytes in network order, whatever the machine's. */
    cr_assert_eq(bucket_of_ip("192.0.2.1", 1), bucket_of_value(STR("\xc0\x00\x02\x01")));
    cr_assert_eq(bucket_of_ip("2001:db8:1:2::1", 1),
                 bucket_of_value(STR("\x20\x01\x0d\xb8\x00\x01\x00\x02")));
}

/* Checks every window of ROW terms that begins in [first, first + ROW). */
static void check_share(uint64_t first, unsigned weight)
{
    int on_new = 0;
    for (uint64_t i = 0; i < 2 * ROW; i++) {
        if (i >= ROW) {
            int exact = (int)weight * ROW / 10000;
            int allowed = weight == 0 || weight == WEIGHT_MAX ? 0 : 3;
            cr_assert(abs(on_new - exact) <= allowed, "%d of %d at weight %u, from term %llu",
                      on_new, ROW, weight, (unsigned long long)(first + i - ROW));
            on_new -= (int)bucket_side(bucket_of_draw(first + i - ROW, 0, BUCKETS), weight);
        }
        on_new += (int)bucket_side(bucket_of_draw(first + i, 0, BUCKETS), weight);
    }
}

Test(bucket, any_1000_draws_in_a_row_have_the_share_within_3)
{
    uint64_t firsts[40] = {0,
                           1,
                           UINT32_MAX - 500,
                           (uint64_t)1 << 63,
                           UINT64_MAX - 2 * ROW,
                           UINT64_MAX - 999,
                           UINT64_MAX - 10};
    for (size_t i = 7; i < ARRAY_LEN(firsts); i++)
        firsts[i] = firsts[i - 1] * 6364136223846793005u + 1442695040888963407u;
    for (size_t i = 0; i < ARRAY_LEN(firsts); i++)
        for (size_t j = 0; j < ARRAY_LEN(weights); j++)
            check_share(firsts[i], weights[j]);
}

Test(bucket, every_weight_gets_its_share_of_the_first_draws)
{
    unsigned drawn[BUCKETS] = {0};
    for (uint64_t term = 0; term < ROW; term++)
        drawn[bucket_of_draw(term, 0, BUCKETS)]++;
    unsigned on_new = 0;
    for (unsigned weight = 1; weight <= WEIGHT_MAX; weight++) {
        on_new += drawn[weight - 1];
        cr_assert(abs((int)on_new * 10 - (int)weight) <= 30, "%u at weight %u", on_new, weight);
    }
}

Test(bucket, a_draw_stays_in_its_range_and_is_even_there)
{
    int in_first_tenth = 0;
    for (uint64_t term = 0; term < ROW; term++) {
        unsigned bucket = bucket_of_draw(term, 3000, 10000);
        cr_assert(bucket >= 3000 && bucket < 10000);
        in_first_tenth += bucket < 3700 ? 1 : 0;
        cr_assert_eq(bucket_of_draw(term, 42, 43), 42);
    }
    cr_assert(abs(in_first_tenth - ROW / 10) <= 3);
}

Test(bucket, a_draw_from_no_bucket_is_our_mistake, .signal = SIGABRT)
{
    (void)bucket_of_draw(1, 5, 5);
}

Test(bucket, a_mark_is_written_and_read_back)
{
    char text[BUCKET_MARK_BYTES];
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
        struct bucket_mark mark = {bucket, bucket % 3 != 0, bucket % 2 ? SIDE_NEW : SIDE_OLD};
        struct bucket_mark read;
        cr_assert(bucket_mark_parse(bucket_mark_format(&mark, text), &read));
        cr_assert(read.bucket == bucket && read.has_side == mark.has_side);
        cr_assert(!mark.has_side || read.side == mark.side);
    }
    cr_assert(
        str_eq(bucket_mark_format(&(struct bucket_mark){427, false, SIDE_NEW}, text), STR("0427")));
    cr_assert(
        str_eq(bucket_mark_format(&(struct bucket_mark){7, true, SIDE_OLD}, text), STR("0007o")));
    cr_assert(str_eq(bucket_mark_format(&(struct bucket_mark){9999, true, SIDE_NEW}, text),
                     STR("9999n")));
}

Test(bucket, anything_else_in_a_mark_is_absent)
{
    static const char *const wrong[] = {"",       "1",     "042",   "04277", "0427x", "0427N",
                                        "0427no", "+427",  " 427",  "-001",  "04 7",  "o0427",
                                        "0x1f",   "0427 ", "42.7n", "n",     "nnnn",  "00427o"};
    struct bucket_mark mark;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        cr_assert_not(bucket_mark_parse(str_of(wrong[i]), &mark), "\"%s\"", wrong[i]);
}
