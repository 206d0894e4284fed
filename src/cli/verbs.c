/*
 * verbs.c - the table that help, parsing and dispatch read. The order is the one of the help text:
 * what an operator needs first comes first.
 */
#include "cli/verbs.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/compare.h"
#include "cli/doctor.h"
#include "cli/explain.h"
#include "cli/follow.h"
#include "cli/freeze.h"
#include "cli/local.h"
#include "cli/plan.h"
#include "cli/remote.h"
#include "cli/watch.h"

#define NEAR_DISTANCE 3
#define API_OPTIONS   "admin,ca-file,token-file,reason,json,help"

/* Of the verbs that find a proxy on this machine by its configuration. */
#define LOCAL_OPTIONS API_OPTIONS ",config"
#define LOCAL_DETAILS                                                                              \
    "On the proxy's own machine -c FILE is enough: address and token of the admin API are taken\n" \
    "from it, and with admin.tls its certificate is what is trusted."

const struct verb verbs[] = {
    {"run", "-c FILE", "run the proxy in the foreground", "config,reset-state,help", 0, 0, NULL,
     "TERM and INT drain and exit (a second one exits now), HUP reloads, USR1 reopens the logs.\n"
     "State that was changed live wins over the configuration's initial_weight."},
    {"check", "-c FILE", "read the configuration and print every problem", "config,json,help", 0, 0,
     verb_check,
     "Exits 0 when the file is right and 2 when it is not.\n"
     "Example: cutover check -c cutover.yaml"},
    {"status", "", "what the proxy does now, on one screen", LOCAL_OPTIONS, 0, 0, verb_status,
     "The first line says all: the share of users on new, where the plan is, the verdict. `act` "
     "is\n"
     "who has to do something, and the command to type. ERRORS and P95 (of the first byte) are\n"
     "those of `cutover compare`.\n" LOCAL_DETAILS},
    {"watch", "", "the same, live in the terminal, with the newest events", LOCAL_OPTIONS, 0, 0,
     verb_watch,
     "q or Ctrl-C ends it; it changes nothing. It goes on through a restart of the proxy. Where\n"
     "stdout is no terminal: a line a second, and one for each event; with --json an object a "
     "line.\n"
     "NO_COLOR=1 takes the colours away.\n" LOCAL_DETAILS},
    {"weight", "PERCENT", "send this percentage of users to new",
     LOCAL_OPTIONS ",route,dry-run,if-match", 1, 1, verb_weight,
     "PERCENT is 0..100 with at most two decimals: 30, 0.25, 10%. A plan that is under way "
     "pauses.\n"
     "Example: cutover weight 30 --reason \"week two\"\n" LOCAL_DETAILS},
    {"rollback", "", "every weight to 0: all users to old", LOCAL_OPTIONS ",to,force,if-match", 0,
     0, verb_rollback,
     "Refused when old has no server that is up, unless --force is given. Pinned routes stay, and "
     "so\n"
     "do open WebSockets. Plans that have begun are rolled back with it.\n"
     "Example: cutover rollback --reason \"checkout is slow\"\n" LOCAL_DETAILS},
    {"backend", "old|new ready|drain|maint", "take a side out of service, or back",
     LOCAL_OPTIONS ",if-match", 2, 2, verb_backend,
     "drain: no new users, those placed stay. maint: nobody. ready: as usual.\n"
     "Example: cutover backend new drain\n" LOCAL_DETAILS},
    {"plan", "[show|start|pause|resume|advance|abort|finish]", "show the plan, or walk it",
     LOCAL_OPTIONS ",step,route,force", 0, 1, verb_plan,
     "Without a verb: all steps, where the plan is, and who has to act.\n"
     "  start    begin, at the first step that is not below the present weight\n"
     "  pause    stop the clock; the weight stays        resume   go on\n"
     "  advance  the next step now, whatever is left of the hold\n"
     "  abort    end the plan; the weight stays          finish   the last step is done\n"
     "--step says where you think it is: a command that comes late or twice does nothing.\n"
     "--force overrules the guard, a failing side and hooks.\n"
     "Example: cutover plan advance --step 2 --reason \"week two was quiet\"\n" LOCAL_DETAILS},
    {"compare", "", "both sides next to each other, with a verdict", LOCAL_OPTIONS ",window,route",
     0, 0, verb_compare,
     "Requests, errors by kind, and how fast each side answers, over the last minutes; whether "
     "new\n"
     "is as good as old, why, and how many requests are missing to know.\n"
     "Example: cutover compare --window 1m --route products\n" LOCAL_DETAILS},
    {"freeze", "on|off", "answer writes with 503, while data is copied",
     LOCAL_OPTIONS ",route+,retry-after,wait", 1, 1, verb_freeze,
     "Unsafe methods (POST, PUT, PATCH, DELETE, ...) get 503 with Retry-After; GET, HEAD, OPTIONS\n"
     "and WebSockets pass. Says how many writes are still open: the copy can begin at none.\n"
     "Example: cutover freeze on --retry-after 60 --wait 30s && ./copy-database && cutover freeze "
     "off\n" LOCAL_DETAILS},
    {"events", "", "what happened: changes, refusals, plans, health", LOCAL_OPTIONS ",follow,limit",
     0, 0, verb_events,
     "Also what was before a restart. -f goes on with each new one, and through a restart.\n"
     "Example: cutover events -n 20 -f\n" LOCAL_DETAILS},
    {"explain", "METHOD PATH", "what would be decided for a request, without sending one",
     LOCAL_OPTIONS ",header+,host,address", 2, 2, verb_explain,
     "Example: cutover explain GET /api/products -H 'Cookie: cutover=0427'\n" LOCAL_DETAILS},
    {"reload", "", "read the configuration file again", API_OPTIONS, 0, 0, verb_reload,
     "The file is the one that the proxy was started with."},
    {"healthcheck", "[-c FILE]", "silent; exits 0 when the proxy is ready", LOCAL_OPTIONS, 0, 0,
     verb_healthcheck, "For container health checks.\n" LOCAL_DETAILS},
    {"doctor", "-c FILE", "try both sides before any user is moved",
     "config,host,path+,header+,websocket,idle,origin,upload,upload-path,head-bytes,timeout,json,"
     "help",
     0, 0, verb_doctor,
     "A line for each check, and what to do where something is wrong. --host is the name that\n"
     "users type. Exits 0 when nothing failed, 1 when something did. All of it: docs/doctor.md."},
    {"version", "", "print the version", "json,help", 0, 0, verb_version, NULL},
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
