#include "net/tally.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/check.h"
#include "base/compiler.h"

static struct addr ip(const char *text)
{
    struct addr addr;
    cr_assert(addr_parse_ip(str_of(text), 0, &addr), "%s", text);
    return addr;
}

static struct addr number(unsigned n)
{
    char text[ADDR_TEXT_BYTES];
    snprintf(text, sizeof(text), "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
    return ip(text);
}

Test(tally, an_address_has_so_many_places_and_no_more)
{
    struct tally *tally = tally_new();
    struct addr one = ip("192.0.2.1");
    struct addr other = ip("192.0.2.2");

    for (unsigned i = 0; i < 3; i++)
        cr_assert(tally_acquire(tally, &one, 3));
    cr_assert_not(tally_acquire(tally, &one, 3));
    cr_assert_eq(tally_of(tally, &one), 3u, "who was refused does not count");
    cr_assert(tally_acquire(tally, &other, 3));
    cr_assert_eq(tally_addresses(tally), 2u);

    tally_release(tally, &one);
    cr_assert(tally_acquire(tally, &one, 3));
    cr_assert_not(tally_acquire(tally, &one, 2), "a lower number holds for those to come");
    cr_assert(tally_acquire(tally, &one, 4));
    tally_free(tally);
}

Test(tally, the_port_is_of_no_meaning)
{
    struct tally *tally = tally_new();
    struct addr addr = ip("192.0.2.1");

    for (uint16_t port = 1; port <= 5; port++) {
        addr_set_port(&addr, port);
        cr_assert(tally_acquire(tally, &addr, 5));
    }
    cr_assert_eq(tally_addresses(tally), 1u);
    addr_set_port(&addr, 6);
    cr_assert_not(tally_acquire(tally, &addr, 5));
    tally_free(tally);
}

/* Each pair: one client or two. */
Test(tally, ipv6_counts_by_its_64)
{
    static const struct {
        const char *a, *b;
        bool same;
    } ROWS[] = {
        {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"2001:db8:0:ff00::", "2001:db8:0:ff01::", false},
        {"::ffff:192.0.2.1", "192.0.2.1", true},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
        {"::1", "127.0.0.1", false},
        /* The same bytes, told apart by the family alone. */
        {"0.0.0.0", "::1", false},
        {"192.0.2.1", "c000:201::", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct tally *tally = tally_new();
        struct addr a = ip(ROWS[i].a);
        struct addr b = ip(ROWS[i].b);
        cr_assert(tally_acquire(tally, &a, 1));
        cr_expect_neq(tally_acquire(tally, &b, 1), ROWS[i].same, "%s %s", ROWS[i].a, ROWS[i].b);
        tally_free(tally);
    }
}

Test(tally, an_address_without_connections_is_forgotten)
{
    enum { MANY = 20000 };
    struct tally *tally = tally_new();
    size_t room = tally_room(tally);

    for (unsigned n = 0; n < MANY; n++) {
        struct addr addr = number(n);
        cr_assert(tally_acquire(tally, &addr, 2));
        if (n % 2 == 0)
            cr_assert(tally_acquire(tally, &addr, 2));
    }
    cr_assert_eq(tally_addresses(tally), (size_t)MANY);
    cr_assert(tally_room(tally) >= MANY, "chains stay short");
    for (unsigned n = 0; n < MANY; n++) {
        struct addr addr = number(n);
        cr_assert_eq(tally_of(tally, &addr), n % 2 == 0 ? 2u : 1u);
        tally_release(tally, &addr);
        cr_assert_eq(tally_of(tally, &addr), n % 2 == 0 ? 1u : 0u);
    }
    cr_assert_eq(tally_addresses(tally), (size_t)MANY / 2);
    for (unsigned n = 0; n < MANY; n += 2) {
        struct addr addr = number(n);
        tally_release(tally, &addr);
    }
    cr_assert_eq(tally_addresses(tally), 0u);
    cr_assert_eq(tally_room(tally), room, "and so is the room for them");
    tally_free(tally);
}

/* Threads on one address, and each on many of its own: never more than may be, and all of them are
 * given back. */
#define THREADS 4
#define ROUNDS  100000
#define MOST    3

struct storm {
    struct tally *tally;
    _Atomic unsigned held;
    _Atomic unsigned most_held;
    unsigned next;
};

static void hold(struct storm *storm)
{
    unsigned held = atomic_fetch_add(&storm->held, 1) + 1;
    unsigned most = atomic_load(&storm->most_held);
    while (held > most && !atomic_compare_exchange_weak(&storm->most_held, &most, held))
        ;
}

static void *rush(void *argument)
{
    struct storm *storm = argument;
    struct addr shared = ip("192.0.2.1");
    unsigned self = __atomic_fetch_add(&storm->next, 1, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct addr own = number(self << 16 | (i & 1023));
        cr_assert(tally_acquire(storm->tally, &own, 1));
        if (tally_acquire(storm->tally, &shared, MOST)) {
            hold(storm);
            atomic_fetch_sub(&storm->held, 1);
            tally_release(storm->tally, &shared);
        }
        tally_release(storm->tally, &own);
    }
    return NULL;
}

Test(tally, threads_that_storm_it)
{
    struct storm storm = {.tally = tally_new()};
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, rush, &storm), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert(storm.most_held >= 1 && storm.most_held <= MOST, "%u", storm.most_held);
    cr_assert_eq(tally_addresses(storm.tally), 0u);
    tally_free(storm.tally);
}

Test(tally, nothing_to_free)
{
    tally_free(NULL);
}
