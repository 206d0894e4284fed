/*
 * warning.c - control/warnings_plan.c writes these sentences; its unit test looks that they are known
 * here.
 */
#include "cli/warning.h"

#include <string.h>

#include "base/str.h"

const char warning_not_durable[] = "not on disk yet: do not restart until durable is true (the "
                                   "state file cannot be written; it is "
                                   "tried again every second)";

enum warning_subject warning_subject(const char *text)
{
    struct str line = str_of(text);

    if (str_starts_with(line, STR("the guard of the plan ")))
        return WARNING_GUARD;
    if (str_starts_with(line, STR("writes are frozen on ")))
        return WARNING_FREEZE;
    if (strstr(text, " waits for you: the hold of ") != NULL ||
        strstr(text, ": resume sets it again") != NULL)
        return WARNING_PLAN;
    return WARNING_OTHER;
}
