/*
 * options.h - the command line as plain data: one verb, its options, its arguments.
 *
 *     cutover weight 30 --route products --reason "week two"
 *             verb   argument  options, in any order; --name VALUE or --name=VALUE
 *
 * Which options a verb takes stands in its row of the verb table (verbs.h); anything else is wrong
 * usage, told with the nearest name that exists.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "base/error.h"
#include "base/str.h"

#define CLI_ARGUMENTS_MAX 4
#define CLI_LIST_MAX      64

#define CLI_DONE   0
#define CLI_FAILED 1
#define CLI_USAGE  2

/* Of an option that may be given more than once; those behind `count` are NULL. */
struct cli_list {
    const char *items[CLI_LIST_MAX];
    unsigned count;
};

/* All texts are borrowed from argv; NULL: not given. */
struct cli_options {
    const char *verb;
    const char *arguments[CLI_ARGUMENTS_MAX];
    unsigned argument_count;
    const char *config, *admin, *ca_file, *token_file, *reason, *if_match, *to, *limit, *host,
        *address;
    const char *step, *window, *retry_after, *wait;
    const char *websocket, *origin, *idle, *timeout, *upload, *upload_path, *head_bytes;
    struct cli_list headers, paths, routes;
    bool json, dry_run, force, follow, reset_state, help, version;
    uint64_t given; /* one bit for each row of the option table: what was on the command line */
};

/* Splits argv into verb, arguments and options. False: wrong usage, `error` says what. */
bool options_parse(int argc, char **argv, struct cli_options *options,
                   struct error *error) MUST_CHECK;

/* Whether all that was given is in `allowed`, a list of option names such as "json,header+": those
 * with a '+' may be given more than once. */
bool options_check(const struct cli_options *options, const char *allowed,
                   struct error *error) MUST_CHECK;

/* Prints name and meaning of each option in `allowed` to stdout. */
void options_print(const char *allowed);

/* The option name (without dashes) nearest to a misspelt one, or NULL when none is near. */
const char *options_nearest(struct str name);

/* "30", "30%", "0.25" as 0..10000; false for anything else. */
bool percent_parse(struct str text, unsigned *weight) MUST_CHECK;

#endif
