/* follow.h - `cutover events`, which may stay and follow. */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/options.h"

/* Each returns the exit code. */
int verb_events(const struct cli_options *options);

#endif
