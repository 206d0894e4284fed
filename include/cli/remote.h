/* remote.h - the verbs that ask the admin API once. */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "cli/options.h"

/* Each returns the exit code. */
int verb_status(const struct cli_options *options);
int verb_weight(const struct cli_options *options);
int verb_rollback(const struct cli_options *options);
int verb_backend(const struct cli_options *options);
int verb_reload(const struct cli_options *options);
int verb_plan(const struct cli_options *options);
int verb_explain(const struct cli_options *options);

#endif
