/*
 * local.c - the verbs that need no running proxy, or only ask whether there is one.
 */
#include "cli/local.h"

#include <stdio.h>

#include "base/check.h"
#include "base/json.h"
#include "base/version.h"
#include "cli/client.h"
#include "cli/verbs.h"
#include "config/config.h"

/* Check */

static void print_problems(const struct config_problems *problems)
{
    struct buf text = BUF_EMPTY;
    config_problems_format(problems, &text);
    struct str all = buf_str(&text);
    fwrite(all.data, 1, all.len, stderr);
    buf_deinit(&text);
}

static void print_backend(const struct config *config, enum side side)
{
    const struct config_backend *backend = &config->backends[side];
    printf("  %-8s %.*s:", side_name(side), STR_ARG(backend->name));
    for (unsigned i = 0; i < backend->server_count; i++)
        printf(" %.*s", STR_ARG(backend->servers[i].url));
    printf("\n");
}

static void print_summary(const struct config *config)
{
    printf("  %-8s", "listen");
    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct config_listen *listen = &config->listen[i];
        printf("%s %.*s%s", i == 0 ? "" : ",", STR_ARG(listen->text),
               listen->pair_count > 0 ? " with TLS" : "");
    }
    printf("\n  %-8s %.*s%s, %s\n", "admin", STR_ARG(config->admin.text),
           config->admin.pair_count > 0 ? " with TLS" : "",
           str_is_empty(config->admin.token) ? "no token" : "with a token");
    print_backend(config, SIDE_OLD);
    print_backend(config, SIDE_NEW);
    printf("  %-8s %u, first match wins; the rest follows the main weight\n", "routes",
           config->route_count);
    printf("  %-8s %g %% until there is a state in %.*s\n", "weight",
           (double)config->initial_weight / 100, STR_ARG(config->state_file));
}

static void write_problems(const struct config_problems *problems, struct json *json)
{
    json_array_begin(json, "problems");
    for (unsigned i = 0; i < problems->count; i++) {
        const struct config_problem *problem = &problems->items[i];

        json_object_begin(json, NULL);
        json_u64(json, "line", problem->line);
        json_u64(json, "column", problem->column);
        json_str(json, "path", problem->path);
        json_str(json, "message", problem->text);
        json_object_end(json);
    }
    json_array_end(json);
    json_u64(json, "left_out", problems->left_out);
}

static void print_json(const char *path, const struct config_problems *problems, bool is_right)
{
    struct buf text = BUF_EMPTY;
    struct json json;

    json_init(&json, &text);
    json_object_begin(&json, NULL);
    json_text(&json, "file", path);
    json_bool(&json, "ok", is_right);
    write_problems(problems, &json);
    json_object_end(&json);
    printf("%.*s\n", STR_ARG(buf_str(&text)));
    buf_deinit(&text);
}

int verb_check(const struct cli_options *options)
{
    struct config_problems problems;
    if (options->config == NULL)
        return usage_error(options, "a configuration file is needed: cutover check -c FILE");
    config_problems_init(&problems);
    struct config *config = config_load(options->config, &problems);
    if (options->json) {
        print_json(options->config, &problems, config != NULL);
    } else if (config == NULL) {
        print_problems(&problems);
    } else {
        printf("%s: ok\n", options->config);
        print_summary(config);
    }
    int code = config == NULL ? CLI_USAGE : CLI_DONE;
    config_unref(config);
    config_problems_deinit(&problems);
    return code;
}

/* Health check */

int verb_healthcheck(const struct cli_options *options)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct client_request request = {.method = "GET", .path = "/readyz", .body = STR("")};
    struct error error;
    bool is_found = login_find(&login, options, &error);
    /* A certificate that has expired, or was just replaced, is no reason to end a proxy that is
     * well. No secret is told for it. */
    mem_free(login.token);
    login.token = NULL;
    login.is_unverified = true;
    bool is_ready =
        is_found && client_call(&login, &request, &answer, &error) && answer.status == 200;
    if (options->json)
        printf("{\"ready\":%s}\n", is_ready ? "true" : "false");
    buf_deinit(&answer.body);
    login_deinit(&login);
    return is_ready ? CLI_DONE : CLI_FAILED;
}

/* The rest */

int verb_version(const struct cli_options *options)
{
    if (options->json)
        printf("{\"version\":\"%s\"}\n", CUTOVER_VERSION);
    else
        printf("cutover %s\n", CUTOVER_VERSION);
    return CLI_DONE;
}
