/*
 * verbs.c - the table that help, parsing and dispatch read. The order is the one of the help text:
 * what an operator needs first comes first.
 */
#include "cli/verbs.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/follow.h"
#include "cli/local.h"
#include "cli/remote.h"

#define NEAR_DISTANCE 3
#define API_OPTIONS   "admin,token-file,reason,json,help"

const struct verb verbs[] = {
    {"run", "-c FILE", "run the proxy in the foreground", "config,reset-state,help", 0, 0, NULL,
     "TERM and INT drain and exit (a second one exits now), HUP reloads, USR1 reopens the logs.\n"
     "State that was changed live wins over the configuration's initial_weight."},
    {"check", "-c FILE", "read the configuration and print every problem", "config,help", 0, 0,
     verb_check, "Exits 0 when the file is right and 2 when it is not."},
    {"status", "", "what the proxy does now, on one screen", API_OPTIONS, 0, 0, verb_status, NULL},
    {"weight", "PERCENT", "send this percentage of users to new",
     API_OPTIONS ",route,dry-run,if-match", 1, 1, verb_weight,
     "PERCENT is 0..100 with at most two decimals: 30, 0.25, 10%."},
    {"rollback", "", "every weight to 0: all users to old", API_OPTIONS ",to,force,if-match", 0, 0,
     verb_rollback,
     "Refused when old has no server that is up, unless --force is given. Pinned routes stay."},
    {"backend", "old|new ready|drain|maint", "take a side out of service, or back",
     API_OPTIONS ",if-match", 2, 2, verb_backend,
     "drain: no new users, those placed stay. maint: nobody. ready: as usual."},
    {"plan", "start|pause|resume|advance|abort|finish", "walk the plan (later version)",
     API_OPTIONS, 1, 1, verb_plan, NULL},
    {"events", "", "what happened: changes, refusals, health", API_OPTIONS ",follow,limit", 0, 0,
     verb_events, NULL},
    {"explain", "METHOD PATH", "what would be decided for a request, without sending one",
     API_OPTIONS ",header,host,address", 2, 2, verb_explain,
     "Example: cutover explain GET /api/products -H 'Cookie: cutover=0427'"},
    {"reload", "", "read the configuration file again", API_OPTIONS, 0, 0, verb_reload, NULL},
    {"healthcheck", "[-c FILE]", "silent; exits 0 when the proxy is ready", API_OPTIONS ",config",
     0, 0, verb_healthcheck,
     "For container health checks. -c finds the admin address in the file."},
    {"doctor", "-c FILE", "try both sides before any user is moved (later version)", "config,help",
     0, 0, verb_later, NULL},
    {"watch", "", "live status in the terminal (later version)", API_OPTIONS, 0, 0, verb_later,
     NULL},
    {"version", "", "print the version", "help", 0, 0, verb_version, NULL},
};

const unsigned verb_count = ARRAY_LEN(verbs);

const struct verb *verb_find(struct str name)
{
    for (unsigned i = 0; i < verb_count; i++)
        if (str_eq(name, str_of(verbs[i].name)))
            return &verbs[i];
    return NULL;
}

const struct verb *verb_nearest(struct str name)
{
    const struct verb *best = NULL;
    unsigned best_distance = NEAR_DISTANCE;
    for (unsigned i = 0; i < verb_count; i++) {
        unsigned distance = str_distance(name, str_of(verbs[i].name));
        if (distance < best_distance) {
            best_distance = distance;
            best = &verbs[i];
        }
    }
    return best;
}

int usage_error(const struct cli_options *options, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "cutover %s: ", options->verb);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\n");
    return CLI_USAGE;
}
