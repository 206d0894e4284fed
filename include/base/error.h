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

/* Sets the text and is false, so that `return error_set(err, format, ...)` reads well. Macros, so
 * that compilers and analysers know the result and do not follow paths that cannot be. */
#define error_set(...) (error_write(__VA_ARGS__), error_false())

/* As error_set, with ": " and the text of an errno value: error_set_errno(err, errno, format, ...).
 */
#define error_set_errno(...) (error_write_errno(__VA_ARGS__), error_false())

void error_write(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);
void error_write_errno(struct error *error, int number, const char *format, ...) PRINTF_LIKE(3, 4);

static inline bool error_false(void)
{
    return false;
}

#endif
