/* watch.h - `cutover watch`: the status, live. */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "cli/options.h"

/* Returns the exit code. */
int verb_watch(const struct cli_options *options);

#endif
