/*
 * remote.c - the verbs that ask the admin API: options -> JSON body -> client_call -> show_*.
 */
#include "cli/remote.h"

#include <stdio.h>

#include "base/json.h"
#include "cli/client.h"
#include "cli/screen.h"
#include "cli/show.h"
#include "cli/verbs.h"

/* Shows an answer that was no refusal; false when it is not what it should be. */
typedef bool (*show_cb)(const struct cli_options *options, struct str json);

static int show_answer(const struct cli_options *options, const struct client_answer *answer,
                       show_cb show)
{
    struct str json = buf_str(&answer->body);
    bool is_good = answer->status >= 200 && answer->status < 300;
    if (options->json) {
        printf("%.*s\n", STR_ARG(json));
    } else if (!is_good) {
        show_refusal(options->verb, answer->status, json);
    } else if (!show(options, json)) {
        fprintf(stderr, "cutover %s: the answer is not the admin API's\n", options->verb);
        is_good = false;
    }
    return is_good ? CLI_DONE : CLI_FAILED;
}

/* One call and what it answers; the exit code. */
static int call(const struct cli_options *options, const char *method, const char *path,
                const struct buf *body, show_cb show)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    struct client_request request = {.method = method,
                                     .path = path,
                                     .body = body == NULL ? STR("") : buf_str(body),
                                     .if_match = options->if_match};
    int code = CLI_FAILED;
    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!client_call(&login, &request, &answer, &error))
        fprintf(stderr, "cutover %s: %s\n", options->verb, error.text);
    else
        code = show_answer(options, &answer, show);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}

static void body_begin(const struct cli_options *options, struct buf *body, struct json *json)
{
    buf_init(body);
    json_init(json, body);
    json_object_begin(json, NULL);
    if (options->reason != NULL)
        json_text(json, "reason", options->reason);
}

/* Whether --if-match can stand in a header: a number, as status shows it. */
static bool if_match_is_right(const struct cli_options *options)
{
    uint64_t generation;
    return options->if_match == NULL || str_to_u64(str_of(options->if_match), &generation);
}

static int bad_if_match(const struct cli_options *options)
{
    return usage_error(options, "--if-match: expected the generation that status shows, got \"%s\"",
                       options->if_match);
}

static bool on_status(const struct cli_options *options, struct str json)
{
    (void)options;
    return screen_status(json);
}

int verb_status(const struct cli_options *options)
{
    return call(options, "GET", "/v1/status", NULL, on_status);
}

static bool on_weight(const struct cli_options *options, struct str json)
{
    return options->dry_run ? show_dry_run(json) : show_weight_change(json);
}

int verb_weight(const struct cli_options *options)
{
    struct buf body;
    struct json json;
    unsigned weight = 0;
    if (!percent_parse(str_of(options->arguments[0]), &weight)) {
        return usage_error(options,
                           "expected a percentage 0..100 with at most two decimals, got \"%s\"",
                           options->arguments[0]);
    }
    if (!if_match_is_right(options))
        return bad_if_match(options);
    body_begin(options, &body, &json);
    json_decimal(&json, "weight", weight, 2);
    if (options->route != NULL)
        json_text(&json, "route", options->route);
    json_object_end(&json);
    int code = call(options, "PUT", options->dry_run ? "/v1/weight?dry_run=1" : "/v1/weight", &body,
                    on_weight);
    buf_deinit(&body);
    return code;
}

static bool on_rollback(const struct cli_options *options, struct str json)
{
    (void)options;
    return show_rollback(json);
}

int verb_rollback(const struct cli_options *options)
{
    struct buf body;
    struct json json;
    unsigned to = 0;
    if (options->to != NULL && !percent_parse(str_of(options->to), &to))
        return usage_error(options, "--to: expected a percentage 0..100, got \"%s\"", options->to);
    if (!if_match_is_right(options))
        return bad_if_match(options);
    body_begin(options, &body, &json);
    json_decimal(&json, "to", to, 2);
    if (options->force)
        json_bool(&json, "force", true);
    json_object_end(&json);
    int code = call(options, "POST", "/v1/rollback", &body, on_rollback);
    buf_deinit(&body);
    return code;
}

static bool on_backend(const struct cli_options *options, struct str json)
{
    return show_backend(json, options->arguments[0]);
}

int verb_backend(const struct cli_options *options)
{
    struct str side = str_of(options->arguments[0]);
    struct str state = str_of(options->arguments[1]);
    struct buf body;
    struct json json;
    if (!str_eq(side, STR("old")) && !str_eq(side, STR("new")))
        return usage_error(options, "expected old or new, got \"%s\"", options->arguments[0]);
    if (!str_eq(state, STR("ready")) && !str_eq(state, STR("drain")) &&
        !str_eq(state, STR("maint"))) {
        return usage_error(options, "expected ready, drain or maint, got \"%s\"",
                           options->arguments[1]);
    }
    if (!if_match_is_right(options))
        return bad_if_match(options);
    body_begin(options, &body, &json);
    json_str(&json, "admin", state);
    json_object_end(&json);
    bool is_new = str_eq(side, STR("new"));
    int code =
        call(options, "PATCH", is_new ? "/v1/backends/new" : "/v1/backends/old", &body, on_backend);
    buf_deinit(&body);
    return code;
}

static bool on_reload(const struct cli_options *options, struct str json)
{
    (void)options;
    return show_reload(json);
}

int verb_reload(const struct cli_options *options)
{
    struct buf body;
    struct json json;
    body_begin(options, &body, &json);
    json_object_end(&json);
    int code = call(options, "POST", "/v1/reload", &body, on_reload);
    buf_deinit(&body);
    return code;
}

int verb_plan(const struct cli_options *options)
{
    static const char *const steps[] = {"start", "pause", "resume", "advance", "abort", "finish"};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
        if (strcmp(options->arguments[0], steps[i]) != 0)
            continue;
        struct buf body, path = BUF_EMPTY;
        struct json json;
        body_begin(options, &body, &json);
        json_object_end(&json);
        buf_printf(&path, "/v1/plan/%s", steps[i]);
        buf_append_char(&path, '\0');
        int code = call(options, "POST", buf_str(&path).data, &body, on_status);
        buf_deinit(&path);
        buf_deinit(&body);
        return code;
    }
    return usage_error(options,
                       "expected start, pause, resume, advance, abort or finish, got \"%s\"",
                       options->arguments[0]);
}

/* Explain */

static bool on_explain(const struct cli_options *options, struct str json)
{
    (void)options;
    return screen_explain(json);
}

/* All values of the header whose first one is at `first`, as a list. */
static void put_header(const struct cli_options *options, unsigned first, struct str name,
                       struct json *json)
{
    char text[256];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    json_array_begin(json, text);
    for (unsigned i = first; i < options->header_count; i++) {
        struct str header = str_of(options->headers[i]);
        size_t colon = (size_t)str_find_char(header, ':', 0);
        if (str_eq_nocase(str_slice(header, 0, colon), name))
            json_str(json, NULL, str_trim(str_slice(header, colon + 1, header.len)));
    }
    json_array_end(json);
}

static bool is_repeated(const struct cli_options *options, unsigned index, struct str name)
{
    for (unsigned i = 0; i < index; i++) {
        struct str header = str_of(options->headers[i]);
        size_t colon = (size_t)str_find_char(header, ':', 0);
        if (str_eq_nocase(str_slice(header, 0, colon), name))
            return true;
    }
    return false;
}

static void put_headers(const struct cli_options *options, struct json *json)
{
    json_object_begin(json, "headers");
    for (unsigned i = 0; i < options->header_count; i++) {
        struct str header = str_of(options->headers[i]);
        struct str name = str_slice(header, 0, (size_t)str_find_char(header, ':', 0));
        if (!is_repeated(options, i, name))
            put_header(options, i, name, json);
    }
    json_object_end(json);
}

int verb_explain(const struct cli_options *options)
{
    struct buf body = BUF_EMPTY;
    struct json json;
    for (unsigned i = 0; i < options->header_count; i++) {
        if (str_find_char(str_of(options->headers[i]), ':', 0) < 1) {
            return usage_error(options, "-H: expected 'Name: value', got \"%s\"",
                               options->headers[i]);
        }
    }
    json_init(&json, &body);
    json_object_begin(&json, NULL);
    json_text(&json, "method", options->arguments[0]);
    json_text(&json, "path", options->arguments[1]);
    if (options->host != NULL)
        json_text(&json, "host", options->host);
    if (options->address != NULL)
        json_text(&json, "address", options->address);
    put_headers(options, &json);
    json_object_end(&json);
    int code = call(options, "POST", "/v1/explain", &body, on_explain);
    buf_deinit(&body);
    return code;
}
