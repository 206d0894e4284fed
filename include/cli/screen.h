/*
 * screen.h - `cutover status` on one screen; `cutover watch` shows the same above its events.
 */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include <jansson.h>

#include "cli/page.h"

/* "30 % on new | step 2 of 4: holding, 4d 3h left | verdict pass": 80 columns, and fewer. */
void screen_brief(struct page *page, const json_t *status, const json_t *compare);

/* `compare` is the answer to GET /v1/compare, NULL: there was none. is_whole: each server and route
 * too, not only those that somebody should look at. False: the status is not what it should be. */
bool screen_status(struct page *page, const json_t *status, const json_t *compare, bool is_whole);

#endif
