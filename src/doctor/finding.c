/* finding.c - two texts and a result. */
#include "doctor/finding.h"

#include <stdarg.h>
#include <stdio.h>

const char *result_name(enum result result)
{
    static const char *const NAMES[RESULTS] = {"ok", "warn", "fail"};

    return NAMES[result];
}

void finding_say(struct finding *finding, enum result result, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    finding->result = result;
    vsnprintf(finding->detail, sizeof(finding->detail), format, arguments);
    finding->todo[0] = '\0';
    va_end(arguments);
}

void finding_add(struct finding *finding, const char *format, ...)
{
    size_t len = strlen(finding->detail);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(finding->detail + len, sizeof(finding->detail) - len, format, arguments);
    va_end(arguments);
}

void finding_advise(struct finding *finding, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(finding->todo, sizeof(finding->todo), format, arguments);
    va_end(arguments);
}
