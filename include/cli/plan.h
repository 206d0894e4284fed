/* plan.h - `cutover plan`: shows the plans, and walks them. */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include <jansson.h>

#include "cli/options.h"
#include "cli/page.h"

/* Returns the exit code. */
int verb_plan(const struct cli_options *options);

/* The table of one plan, or of all (`route` NULL). False: the answer is not what it should be. */
bool plan_show(struct page *page, const json_t *status, const char *route);

/* What an order has led to, in a sentence. */
bool plan_show_outcome(struct page *page, const json_t *status, const char *route);

#endif
