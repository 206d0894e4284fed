/*
 * board.h - what `cutover watch` knows at one moment, and how it is shown: drawn for a window, or as
 * a line for a log.
 */
#ifndef CLI_BOARD_H
#define CLI_BOARD_H

#include <jansson.h>

#include "base/clock.h"
#include "cli/page.h"

#define BOARD_EVENTS 30

/* So long after the last status the proxy counts as silent. */
#define BOARD_SILENT_MS 2500

struct board {
    const char *url;    /* borrowed: of the admin API */
    json_t *status;     /* owned; NULL: none yet */
    json_t *compare;    /* owned; of the main weight; NULL: none yet */
    uint64_t status_ms; /* when it came: clock_mono_ms */
    char status_at[CLOCK_ISO_BYTES];
    json_t *events[BOARD_EVENTS]; /* owned; oldest first */
    unsigned event_count;
    char trouble[512]; /* why there is no answer; empty: none known */
};

void board_init(struct board *board, const char *url);
void board_deinit(struct board *board);

/* Takes in an item of a feed. False: nothing new (known already, or no JSON). */
bool board_take(struct board *board, struct str kind, struct str text, uint64_t now_ms);

/* For a window of `rows`: never more lines than that. What matters comes first, and is cut last. */
void board_draw(const struct board *board, struct page *page, unsigned rows, uint64_t now_ms);

/* The item that was taken last, in one line. */
void board_line(const struct board *board, struct page *page, struct str kind);

#endif
