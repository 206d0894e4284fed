/* explain.h - `cutover explain`: what would be decided for a request. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <jansson.h>

#include "cli/options.h"
#include "cli/page.h"

/* Returns the exit code. */
int verb_explain(const struct cli_options *options);

/* False when the answer is not what it should be. */
bool explain_show(struct page *page, const json_t *answer);

#endif
