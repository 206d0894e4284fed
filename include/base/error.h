/*
 * error.h - one sentence for a person, for the functions that return bool.
 *
 * The convention: such a function returns true and leaves the error untouched, or returns false and
 * has set it to a text that can be shown as it is ("cannot open /x: Permission denied").
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#include "base/compiler.h"

#define ERROR_TEXT_BYTES 512

struct error {
    char text[ERROR_TEXT_BYTES]; /* NUL-terminated; cut at the end when too long */
};

/* Sets the text and returns false, so that `return error_set(err, ...)` reads well. */
bool error_set(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* As error_set, with ": " and the text of the errno value `number` behind it. */
bool error_set_errno(struct error *error, int number, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
