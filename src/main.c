/*
 * main.c - the command line of cutover: finds the verb's row, checks what was given against it, and
 * calls it. Everything else happens in cli/ and server.c.
 */
#include <signal.h>
#include <stdio.h>

#include "base/error.h"
#include "base/version.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "server.h"

static void print_help(FILE *out)
{
    fprintf(out, "cutover %s moves an application's users from an old platform to a new one.\n\n",
            CUTOVER_VERSION);
    fprintf(out, "Usage: cutover VERB [ARGUMENTS] [OPTIONS]\n\n");
    for (unsigned i = 0; i < verb_count; i++)
        fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "\n`cutover VERB --help` tells more. Exit codes: 0 done, 1 failed, 2 wrong usage "
                 "or configuration.\n");
}

static int print_verb_help(const struct verb *verb)
{
    printf("cutover %s: %s\n\n", verb->name, verb->summary);
    printf("Usage: cutover %s%s%s [OPTIONS]\n\n", verb->name, verb->arguments[0] == '\0' ? "" : " ",
           verb->arguments);
    options_print(verb->options);
    if (verb->details != NULL)
        printf("\n%s\n", verb->details);
    return CLI_DONE;
}

static int unknown_verb(const char *name)
{
    const struct verb *near = verb_nearest(str_of(name));
    fprintf(stderr, "cutover: there is no verb \"%s\"", name);
    if (near != NULL)
        fprintf(stderr, " (did you mean %s?)", near->name);
    fprintf(stderr, "\nSee `cutover help`.\n");
    return CLI_USAGE;
}

static int help(const struct cli_options *options)
{
    if (options->argument_count == 0) {
        print_help(stdout);
        return CLI_DONE;
    }
    const struct verb *verb = verb_find(str_of(options->arguments[0]));
    return verb == NULL ? unknown_verb(options->arguments[0]) : print_verb_help(verb);
}

static int run_proxy(const struct cli_options *options)
{
    if (options->config == NULL)
        return usage_error(options, "a configuration file is needed: cutover run -c FILE");
    struct server_options server = {.config_path = options->config,
                                    .reset_state = options->reset_state};
    return server_run(&server);
}

static int run_verb(const struct verb *verb, const struct cli_options *options)
{
    struct error error;
    if (options->help)
        return print_verb_help(verb);
    if (!options_check(options, verb->options, &error))
        return usage_error(options, "%s", error.text);
    if (options->argument_count < verb->min_arguments ||
        options->argument_count > verb->max_arguments) {
        return usage_error(options, "usage: cutover %s%s%s [OPTIONS]", verb->name,
                           verb->arguments[0] == '\0' ? "" : " ", verb->arguments);
    }
    return verb->run == NULL ? run_proxy(options) : verb->run(options);
}

/* Help and version, which may stand without a verb. */
static int without_verb(const struct cli_options *options)
{
    if (options->version) {
        printf("cutover %s\n", CUTOVER_VERSION);
        return CLI_DONE;
    }
    print_help(options->help ? stdout : stderr);
    return options->help ? CLI_DONE : CLI_USAGE;
}

int main(int argc, char **argv)
{
    struct cli_options options;
    struct error error;
    signal(SIGPIPE, SIG_IGN);
    if (!options_parse(argc, argv, &options, &error)) {
        fprintf(stderr, "cutover: %s\nSee `cutover help`.\n", error.text);
        return CLI_USAGE;
    }
    if (options.verb == NULL)
        return without_verb(&options);
    if (strcmp(options.verb, "help") == 0)
        return help(&options);
    const struct verb *verb = verb_find(str_of(options.verb));
    return verb == NULL ? unknown_verb(options.verb) : run_verb(verb, &options);
}
