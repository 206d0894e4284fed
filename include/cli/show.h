/*
 * show.h - what the admin API answered, for people: aligned, plain ASCII on stdout, refusals on
 * stderr. Whatever is not printable ASCII is shown as '?', so that no text that came over the
 * network can drive the terminal.
 *
 * Each takes the JSON text of an answer and returns false when it is not what it should be.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "base/str.h"

/* "weight 10 % -> 30 %: buckets 1000..2999 (20 % of users) now go to new" */
bool show_weight_change(struct str json);
bool show_dry_run(struct str json);
bool show_rollback(struct str json);
bool show_backend(struct str json, const char *side);
bool show_reload(struct str json);

/* {"events":[...]}, and one event of a stream. */
bool show_events(struct str json);
bool show_event(struct str json);

/* "cutover VERB: MESSAGE (CODE)", and the problems of a configuration below it. */
void show_refusal(const char *verb, unsigned status, struct str json);

#endif
