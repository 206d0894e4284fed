/*
 * fleet.h - the servers of both sides as the controller knows them: made from the configuration,
 * carried over when it changes. For the parts of the controller only; what the prober and the
 * resolver tell it comes in through controller.h.
 */
#ifndef CONTROL_FLEET_H
#define CONTROL_FLEET_H

#include "control/controller.h"

/* Makes the servers those of controller->config. One whose side and URL are still there is carried
 * over, with its health, addresses and connections. */
void fleet_adopt(struct controller *controller);
void fleet_release(struct controller *controller);

/* Fills a new snapshot with the servers and their present addresses. */
void fleet_write(const struct controller *controller, struct snapshot *snapshot);

/* The side has a server that is not down and not ejected, and is not in maint. */
bool fleet_old_is_usable(const struct controller *controller);
bool fleet_new_is_usable(const struct controller *controller);

/* Whether `addr` is among the `count` addresses. */
bool fleet_has_addr(const struct addr *addrs, unsigned count, const struct addr *addr);

#endif
