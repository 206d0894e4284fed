/* remote.h - the verbs that show the proxy, or change it by one call. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli/options.h"

/* Each returns the exit code. */
int verb_status(const struct cli_options *options);
int verb_weight(const struct cli_options *options);
int verb_rollback(const struct cli_options *options);
int verb_backend(const struct cli_options *options);
int verb_reload(const struct cli_options *options);

#endif
