/* freeze.h - `cutover freeze on|off`: unsafe methods are answered 503 while it lasts. */
#ifndef CLI_FREEZE_H
#define CLI_FREEZE_H

#include <jansson.h>

#include "cli/options.h"
#include "cli/page.h"

/* Returns the exit code. */
int verb_freeze(const struct cli_options *options);

/* False when the answer is not what it should be. */
bool freeze_show(struct page *page, const json_t *status);

#endif
