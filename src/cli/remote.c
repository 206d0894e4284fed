/*
 * remote.c - status, and the verbs that change something by one call: options -> JSON body ->
 * call_api -> show_*.
 */
#include "cli/remote.h"

#include <stdio.h>

#include "cli/call.h"
#include "cli/read.h"
#include "cli/screen.h"
#include "cli/show.h"
#include "cli/verbs.h"

/* Status */

/* With what both sides did, where the proxy can say it. */
static int show_status(const struct cli_options *options, const struct login *login,
                       const struct client_answer *answer)
{
    struct client_answer compared = {.status = 0};
    struct error error;
    struct page page;

    json_t *status = read_json(buf_str(&answer->body));
    bool has_compared = call_ask(login, options, "GET", "/v1/compare", NULL, &compared, &error) &&
                        compared.status == 200;
    json_t *compare = has_compared ? read_json(buf_str(&compared.body)) : NULL;
    page_init(&page, page_width_of(stdout), false);
    bool is_right = screen_status(&page, status, compare, true);
    if (is_right)
        page_write(&page, stdout);
    else
        fprintf(stderr, "cutover status: the answer is not the admin API's\n");
    page_deinit(&page);
    json_decref(compare);
    json_decref(status);
    buf_deinit(&compared.body);
    return is_right ? CLI_DONE : CLI_FAILED;
}

int verb_status(const struct cli_options *options)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    int code;

    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!call_ask(&login, options, "GET", "/v1/status", NULL, &answer, &error))
        code = call_failed(options, &error);
    else if (options->json || answer.status != 200)
        code = call_tell(options, &answer, NULL);
    else
        code = show_status(options, &login, &answer);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}

/* Weight */

static bool on_weight(const struct cli_options *options, const json_t *answer, struct page *page)
{
    return options->dry_run ? show_dry_run(page, answer) : show_weight_change(page, answer);
}

int verb_weight(const struct cli_options *options)
{
    const char *route = options->routes.items[0];
    struct buf body;
    struct json json;
    unsigned weight = 0;

    if (!percent_parse(str_of(options->arguments[0]), &weight))
        return usage_error(options,
                           "expected a percentage 0..100 with at most two decimals, got \"%s\"",
                           options->arguments[0]);
    if (!call_if_match_is_right(options))
        return call_bad_if_match(options);
    call_body_begin(options, &body, &json);
    json_decimal(&json, "weight", weight, 2);
    if (route != NULL)
        json_text(&json, "route", route);
    json_object_end(&json);
    int code = call_api(options, "PUT", options->dry_run ? "/v1/weight?dry_run=1" : "/v1/weight",
                        &body, on_weight);
    buf_deinit(&body);
    return code;
}

/* Rollback */

static bool on_rollback(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return show_rollback(page, answer);
}

int verb_rollback(const struct cli_options *options)
{
    struct buf body;
    struct json json;
    unsigned to = 0;

    if (options->to != NULL && !percent_parse(str_of(options->to), &to))
        return usage_error(options, "--to: expected a percentage 0..100, got \"%s\"", options->to);
    if (!call_if_match_is_right(options))
        return call_bad_if_match(options);
    call_body_begin(options, &body, &json);
    json_decimal(&json, "to", to, 2);
    if (options->force)
        json_bool(&json, "force", true);
    json_object_end(&json);
    int code = call_api(options, "POST", "/v1/rollback", &body, on_rollback);
    buf_deinit(&body);
    return code;
}

/* Backends */

static bool on_backend(const struct cli_options *options, const json_t *answer, struct page *page)
{
    return show_backend(page, answer, options->arguments[0]);
}

int verb_backend(const struct cli_options *options)
{
    struct str side = str_of(options->arguments[0]);
    struct str state = str_of(options->arguments[1]);
    bool is_new = str_eq(side, STR("new"));
    struct buf body;
    struct json json;

    if (!str_eq(side, STR("old")) && !is_new)
        return usage_error(options, "expected old or new, got \"%s\"", options->arguments[0]);
    if (!str_eq(state, STR("ready")) && !str_eq(state, STR("drain")) &&
        !str_eq(state, STR("maint")))
        return usage_error(options, "expected ready, drain or maint, got \"%s\"",
                           options->arguments[1]);
    if (!call_if_match_is_right(options))
        return call_bad_if_match(options);
    call_body_begin(options, &body, &json);
    json_str(&json, "admin", state);
    json_object_end(&json);
    int code = call_api(options, "PATCH", is_new ? "/v1/backends/new" : "/v1/backends/old", &body,
                        on_backend);
    buf_deinit(&body);
    return code;
}

/* Reload */

static bool on_reload(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return show_reload(page, answer);
}

int verb_reload(const struct cli_options *options)
{
    struct buf body;
    struct json json;

    call_body_begin(options, &body, &json);
    json_object_end(&json);
    int code = call_api(options, "POST", "/v1/reload", &body, on_reload);
    buf_deinit(&body);
    return code;
}
