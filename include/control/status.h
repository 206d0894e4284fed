/* status.h - GET /v1/status: all that is known of the proxy, as one JSON object. */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include "control/controller.h"
#include "control/rates.h"

/* Writes the members of the status into an object that the caller has begun, and will end. `notes`:
 * lines that join its warnings. */
void status_write(const struct controller *controller, const struct rates *rates, struct str notes,
                  struct json *json);

/* "up" when any server is, "down" when all are, else "unknown". */
enum health_state status_backend_health(const struct controller *controller, enum side side);

#endif
