/* balance.h - which server of a side: round robin over those that can be used. */
#ifndef TRAFFIC_BALANCE_H
#define TRAFFIC_BALANCE_H

#include <stdbool.h>

#define SERVERS_MAX 64 /* of one side */

/* Next usable index after *cursor (which is moved there), or -1 when none is usable. */
int balance_next(const bool *usable, unsigned count, unsigned *cursor);

#endif
