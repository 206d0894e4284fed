/*
 * error.c - formats an error's sentence.
 *
 * The text is made aside and then copied, so that an error may be wrapped in itself:
 * error_set(error, "backends.new: %s", error->text).
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_write(struct error *error, const char *format, ...)
{
    struct error made = {""};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made.text, sizeof(made.text), format, arguments);
    va_end(arguments);
    *error = made;
}

void error_write_errno(struct error *error, int number, const char *format, ...)
{
    struct error made = {""};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made.text, sizeof(made.text), format, arguments);
    va_end(arguments);

    size_t len = strlen(made.text);
    snprintf(made.text + len, sizeof(made.text) - len, ": %s", strerror(number));
    *error = made;
}
