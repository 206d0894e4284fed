/*
 * verbs.h - one row for each verb: what it takes, what it is for, and the function that does it.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/options.h"

struct verb {
    const char *name;
    const char *arguments; /* "PERCENT", for the usage line */
    const char *summary;   /* one line */
    const char *options;   /* names of those it takes, comma-separated */
    unsigned min_arguments, max_arguments;
    int (*run)(const struct cli_options *options); /* the exit code; NULL: main.c runs the proxy */
    const char *details;                           /* more for --help; NULL: none */
};

extern const struct verb verbs[];
extern const unsigned verb_count;

/* NULL when there is none of that name. */
const struct verb *verb_find(struct str name);

/* The verb nearest to a misspelt one, or NULL when none is near. */
const struct verb *verb_nearest(struct str name);

/* "cutover VERB: TEXT" on stderr; returns CLI_USAGE. */
int usage_error(const struct cli_options *options, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
