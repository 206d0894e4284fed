/*
 * warnings.h - what was ordered and stands, but does not do what one would think: users of a side
 * that cannot take them, a drain that changes nothing, a file that was refused; and what goes wrong
 * with the process itself: lost log lines, memory. One sentence each, for people.
 */
#ifndef CONTROL_WARNINGS_H
#define CONTROL_WARNINGS_H

#include "base/json.h"
#include "control/controller.h"

/* Appends the sentences about how things are now to an array that the caller has begun. */
void warnings_write(const struct controller *controller, struct json *json);

/* The same for a weight that is not in effect (yet): only what concerns the users of that weight.
 */
void warnings_write_for(const struct controller *controller, unsigned weight, struct json *json);

/* Looks for lines that the log has lost; to be called once a second. */
void warnings_watch_log(struct controller *controller);

#endif
