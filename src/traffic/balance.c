/* balance.c - picks the server of an attempt, after decide has picked the side. */
#include "traffic/balance.h"

int balance_next(const bool *usable, unsigned count, unsigned *cursor)
{
    for (unsigned step = 1; step <= count; step++) {
        unsigned index = (*cursor + step) % count;
        if (usable[index]) {
            *cursor = index;
            return (int)index;
        }
    }
    return -1;
}
