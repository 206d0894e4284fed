/* local.h - the verbs that need no running proxy, or only ask whether there is one. */
#ifndef CLI_LOCAL_H
#define CLI_LOCAL_H

#include "cli/options.h"

/* Each returns the exit code. */
int verb_check(const struct cli_options *options);
int verb_healthcheck(const struct cli_options *options);
int verb_version(const struct cli_options *options);

#endif
