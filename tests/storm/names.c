/*
 * names.c - the system's name resolution, replaced: every name with ".test" at its end leads to the
 * origins, by one address or both; some take their time, some fail. Nothing asks a name server.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "base/check.h"
#include "storm.h"

static _Atomic uint64_t throws; /* dice of all look-ups' threads */

static struct addrinfo *make(enum place place, struct addrinfo *next)
{
    struct addrinfo *info = mem_zalloc(1, sizeof(*info));
    struct addr addr = storm_addr(place, 0);

    info->ai_family = AF_INET;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addrlen = addr_len(&addr);
    info->ai_addr = mem_zalloc(1, sizeof(struct sockaddr_storage));
    memcpy(info->ai_addr, &addr.any, addr_len(&addr));
    info->ai_next = next;
    return info;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    struct dice dice = dice_of(atomic_fetch_add_explicit(&throws, 1, memory_order_relaxed));
    (void)service;
    (void)hints;

    count(&counts.lookups);
    if (strncmp(name, "slow", 4) == 0 || dice_is(&dice, 10))
        storm_sleep_us(dice_below(&dice, 20000));
    if (strncmp(name, "bad", 3) == 0 || dice_is(&dice, 3))
        return dice_is(&dice, 50) ? EAI_NONAME : EAI_AGAIN;
    *result = NULL;
    unsigned which = 1 + dice_below(&dice, 3);
    if ((which & 1) != 0)
        *result = make(PLACE_ORIGIN, *result);
    if ((which & 2) != 0)
        *result = make(PLACE_ORIGIN_TOO, *result);
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    while (info != NULL) {
        struct addrinfo *next = info->ai_next;
        mem_free(info->ai_addr);
        mem_free(info);
        info = next;
    }
}
