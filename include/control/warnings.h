/*
 * warnings.h - what was ordered and stands, but does not do what one would think: users of a side
 * that cannot take them, a drain that changes nothing, a file that was refused; and what goes wrong
 * with the process itself: lost log lines, memory. One sentence each, for people.
 */
#ifndef CONTROL_WARNINGS_H
#define CONTROL_WARNINGS_H

#include "base/json.h"
#include "control/controller.h"

/* What the last minute has brought, and what is under way. */
struct warnings_traffic {
    uint64_t requests_1m[SIDES];
    uint64_t writes_open; /* unsafe requests that were let through and have not ended */
};

/* Appends the sentences about how things are now to an array that the caller has begun. */
void warnings_write(const struct controller *controller, const struct warnings_traffic *traffic,
                    struct json *json);

/* The same for a weight that is not in effect (yet): only what concerns the users of that weight.
 */
void warnings_write_for(const struct controller *controller, unsigned weight, struct json *json);

/* The part of warnings_write that is about the cutover itself: plans, the freeze, the share, the
 * audit. In warnings_plan.c. */
void warnings_write_plans(const struct controller *controller,
                          const struct warnings_traffic *traffic, struct json *json);

/* Looks for lines that the log has lost; to be called once a second. */
void warnings_watch_log(struct controller *controller);

#endif
