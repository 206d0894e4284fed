/*
 * terminal.h - a screen to draw on again and again: the alternate one, so that what stood in the
 * terminal is back afterwards; no cursor, no echo, keys without a newline.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

#include "base/str.h"

struct terminal {
    struct termios before;
    bool has_keys; /* stdin is a terminal, and `before` is how it was */
    bool is_on;
};

/* Whether stdout can be drawn on. */
bool terminal_is_there(void);

/* Whether colours are wanted: NO_COLOR is not set. */
bool terminal_wants_ink(void);

void terminal_enter(struct terminal *terminal);

/* Everything as it was before. May be called twice. */
void terminal_leave(struct terminal *terminal);

/* At least 1 x 1. */
void terminal_size(unsigned *rows, unsigned *columns);

/* Shows `text`, lines with their newlines, of which at most `rows` are drawn; in one write, line over
 * line, so that nothing flickers. False: the terminal has gone. */
bool terminal_draw(struct str text, unsigned rows);

/* One key, or 0: none, or -1: stdin has ended. Does not wait. */
int terminal_key(const struct terminal *terminal);

#endif
