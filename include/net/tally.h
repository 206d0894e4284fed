/*
 * tally.h - how many connections each client's address has open, over all threads.
 *
 * An IPv4 address counts by itself. An IPv6 address counts as its /64: that is the least a network
 * gives to one household, phone or machine, which then has as many addresses as it likes.
 *
 * Exact: whoever is told true has a place until it gives it back, and never more than `most` have
 * one at a time. An address is known while it has a place, so the memory follows the number of open
 * connections. Any thread; a call is a look-up under one lock.
 */
#ifndef NET_TALLY_H
#define NET_TALLY_H

#include "net/addr.h"

struct tally;

struct tally *tally_new(void);
void tally_free(struct tally *tally); /* NULL is allowed */

/* One more for this address, unless it has `most` (at least 1) already: false. */
bool tally_acquire(struct tally *tally, const struct addr *addr, unsigned most) MUST_CHECK;

/* One less: for each tally_acquire that was true. */
void tally_release(struct tally *tally, const struct addr *addr);

/* Inside, for tests: how many it has, how many addresses are known, and how many there is room for. */
unsigned tally_of(struct tally *tally, const struct addr *addr);
size_t tally_addresses(struct tally *tally);
size_t tally_room(struct tally *tally);

#endif
