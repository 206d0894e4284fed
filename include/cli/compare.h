/* compare.h - `cutover compare`: both sides in a table, and the verdict. */
#ifndef CLI_COMPARE_H
#define CLI_COMPARE_H

#include <jansson.h>

#include "cli/options.h"
#include "cli/page.h"

/* Returns the exit code. */
int verb_compare(const struct cli_options *options);

/* False when the answer is not what it should be. */
bool compare_show(struct page *page, const json_t *answer);

#endif
