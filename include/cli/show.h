/*
 * show.h - what the admin API answered to a change, and its events, for people: aligned, plain ASCII
 * in a page; refusals on stderr.
 *
 * Those with a page return false when the answer is not what it should be.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <jansson.h>

#include "cli/page.h"

/* "weight 10 % -> 30 %: buckets 1000..2999 (20 % of users) now go to new" */
bool show_weight_change(struct page *page, const json_t *answer);
bool show_dry_run(struct page *page, const json_t *answer);

/* Also the plans that were taken back, and what stays on new. */
bool show_rollback(struct page *page, const json_t *answer);

bool show_backend(struct page *page, const json_t *answer, const char *side);
bool show_reload(struct page *page, const json_t *answer);

/* What stands behind every change that was made: not on disk, warnings; without those of plans that
 * wait, which `cutover status` is for. with_freeze: also the one that writes are frozen. */
void show_warnings(struct page *page, const json_t *answer, bool with_freeze);

/* {"events":[...]}, and one event in a line. is_short: without number and year, for watch. */
bool show_events(struct page *page, const json_t *answer);
void show_event(struct page *page, const json_t *event, bool is_short);

/* "cutover VERB: MESSAGE (CODE)", the problems of a configuration, and what to do about it. */
void show_refusal(const char *verb, unsigned status, struct str json);

#endif
