/*
 * tally.c - a hash table of addresses that have connections:
 *
 *     key (prefix, family) --XXH3, seeded--> chains[hash & mask] -> entry -> entry
 *
 * The seed is drawn at the start, so that nobody can choose addresses that all fall into one chain.
 * The table doubles when there are more entries than chains, and halves when most chains are empty.
 */
#include "net/tally.h"

#include <pthread.h>
#include <sys/random.h>
#include <xxhash.h>

#include "base/check.h"

#define CHAINS_MIN 64

/* Halved when fewer than one in this many chains has an entry: far from where it doubles. */
#define SPARSE 8

struct key {
    uint64_t prefix; /* an IPv4 address, or the first half of an IPv6 address */
    uint64_t family;
};

struct entry {
    struct entry *next; /* owned */
    struct key key;
    unsigned count; /* at least 1 */
};

struct tally {
    uint64_t seed; /* fixed */
    pthread_mutex_t lock;
    struct entry **chains; /* owned array of owned chains */
    size_t chain_count;    /* a power of two */
    size_t entry_count;
};

static struct key key_of(const struct addr *addr)
{
    struct key key = {.family = addr->any.sa_family};

    if (addr->any.sa_family == AF_INET6)
        memcpy(&key.prefix, &addr->v6.sin6_addr, sizeof(key.prefix));
    else
        key.prefix = addr->v4.sin_addr.s_addr;
    return key;
}

static struct entry **chain_of(struct tally *tally, const struct key *key)
{
    uint64_t hash = XXH3_64bits_withSeed(key, sizeof(*key), tally->seed);

    return &tally->chains[hash & (tally->chain_count - 1)];
}

/* Where the pointer to the entry stands, or, when there is none, where it would. */
static struct entry **find(struct tally *tally, const struct key *key)
{
    struct entry **at = chain_of(tally, key);

    while (*at != NULL && ((*at)->key.prefix != key->prefix || (*at)->key.family != key->family))
        at = &(*at)->next;
    return at;
}

static void resize(struct tally *tally, size_t chain_count)
{
    struct entry **before = tally->chains;
    size_t before_count = tally->chain_count;

    tally->chains = mem_zalloc(chain_count, sizeof(struct entry *));
    tally->chain_count = chain_count;
    for (size_t i = 0; i < before_count; i++) {
        struct entry *next;
        for (struct entry *entry = before[i]; entry != NULL; entry = next) {
            struct entry **chain = chain_of(tally, &entry->key);
            next = entry->next;
            entry->next = *chain;
            *chain = entry;
        }
    }
    mem_free(before);
}

static void add(struct tally *tally, const struct key *key)
{
    struct entry *entry = mem_zalloc(1, sizeof(*entry));
    struct entry **chain;

    if (++tally->entry_count > tally->chain_count)
        resize(tally, tally->chain_count * 2);
    chain = chain_of(tally, key);
    entry->key = *key;
    entry->count = 1;
    entry->next = *chain;
    *chain = entry;
}

static void drop(struct tally *tally, struct entry **at)
{
    struct entry *entry = *at;

    *at = entry->next;
    mem_free(entry);
    tally->entry_count--;
    if (tally->chain_count > CHAINS_MIN && tally->entry_count < tally->chain_count / SPARSE)
        resize(tally, tally->chain_count / 2);
}

struct tally *tally_new(void)
{
    struct tally *tally = mem_zalloc(1, sizeof(*tally));

    CHECK(getrandom(&tally->seed, sizeof(tally->seed), 0) == sizeof(tally->seed));
    CHECK(pthread_mutex_init(&tally->lock, NULL) == 0);
    resize(tally, CHAINS_MIN);
    return tally;
}

void tally_free(struct tally *tally)
{
    if (tally == NULL)
        return;
    for (size_t i = 0; i < tally->chain_count; i++)
        while (tally->chains[i] != NULL) {
            struct entry *entry = tally->chains[i];
            tally->chains[i] = entry->next;
            mem_free(entry);
        }
    mem_free(tally->chains);
    pthread_mutex_destroy(&tally->lock);
    mem_free(tally);
}

bool tally_acquire(struct tally *tally, const struct addr *addr, unsigned most)
{
    struct key key = key_of(addr);

    pthread_mutex_lock(&tally->lock);
    struct entry *entry = *find(tally, &key);
    bool has_place = entry == NULL || entry->count < most;
    if (entry == NULL)
        add(tally, &key);
    else if (has_place)
        entry->count++;
    pthread_mutex_unlock(&tally->lock);
    return has_place;
}

void tally_release(struct tally *tally, const struct addr *addr)
{
    struct key key = key_of(addr);

    pthread_mutex_lock(&tally->lock);
    struct entry **at = find(tally, &key);
    CHECK(*at != NULL);
    if (--(*at)->count == 0)
        drop(tally, at);
    pthread_mutex_unlock(&tally->lock);
}

unsigned tally_of(struct tally *tally, const struct addr *addr)
{
    struct key key = key_of(addr);

    pthread_mutex_lock(&tally->lock);
    const struct entry *entry = *find(tally, &key);
    unsigned count = entry == NULL ? 0 : entry->count;
    pthread_mutex_unlock(&tally->lock);
    return count;
}

size_t tally_addresses(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    size_t count = tally->entry_count;
    pthread_mutex_unlock(&tally->lock);
    return count;
}

size_t tally_room(struct tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    size_t count = tally->chain_count;
    pthread_mutex_unlock(&tally->lock);
    return count;
}
