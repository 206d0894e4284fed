/* answers.h - answers of the admin API to be put into words, made from a status and what differs. */
#ifndef TESTS_CLI_ANSWERS_H
#define TESTS_CLI_ANSWERS_H

#include <criterion/criterion.h>
#include <jansson.h>

#include "cli/page.h"

/* Two backends, weight 30, a plan of four steps in step 2 with 4 days and 3 hours left. */
json_t *answer_status(void);

/* The same with members of the plan replaced: {"state":"waiting"}. */
json_t *answer_plan(const char *members);

/* One with members of its own replaced: {"weight":20}. */
json_t *answer_with(json_t *status, const char *members);

json_t *answer_compare(void);

void answer_expect_has(const struct page *page, const char *text);
void answer_expect_has_not(const struct page *page, const char *text);

#endif
