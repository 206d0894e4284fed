/*
 * call.c - login -> client_call -> refusal, JSON, or a page on stdout.
 */
#include "cli/call.h"

#include <stdio.h>

#include "cli/read.h"
#include "cli/show.h"
#include "cli/verbs.h"

bool call_ask(const struct login *login, const struct cli_options *options, const char *method,
              const char *path, const struct buf *body, struct client_answer *answer,
              struct error *error)
{
    struct client_request request = {.method = method,
                                     .path = path,
                                     .body = body == NULL ? STR("") : buf_str(body),
                                     .if_match = options->if_match};

    return client_call(login, &request, answer, error);
}

static bool show_page(const struct cli_options *options, struct str json, call_show_cb show)
{
    json_t *answer = read_json(json);
    struct page page;

    page_init(&page, page_width_of(stdout), false);
    bool is_right = answer != NULL && show != NULL && show(options, answer, &page);
    if (is_right)
        page_write(&page, stdout);
    else
        fprintf(stderr, "cutover %s: the answer is not the admin API's\n", options->verb);
    page_deinit(&page);
    json_decref(answer);
    return is_right;
}

int call_tell(const struct cli_options *options, const struct client_answer *answer,
              call_show_cb show)
{
    struct str json = buf_str(&answer->body);
    bool is_good = answer->status >= 200 && answer->status < 300;

    if (options->json)
        printf("%.*s\n", STR_ARG(json));
    else if (!is_good)
        show_refusal(options->verb, answer->status, json);
    else
        is_good = show_page(options, json, show);
    return is_good ? CLI_DONE : CLI_FAILED;
}

int call_failed(const struct cli_options *options, const struct error *error)
{
    struct buf text = BUF_EMPTY;
    struct json json;

    fprintf(stderr, "cutover %s: %s\n", options->verb, error->text);
    if (options->json) {
        json_init(&json, &text);
        json_object_begin(&json, NULL);
        json_object_begin(&json, "error");
        json_text(&json, "code", "no_answer");
        json_text(&json, "message", error->text);
        json_object_end(&json);
        json_object_end(&json);
        printf("%.*s\n", STR_ARG(buf_str(&text)));
        buf_deinit(&text);
    }
    return CLI_FAILED;
}

int call_api(const struct cli_options *options, const char *method, const char *path,
             const struct buf *body, call_show_cb show)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    int code;

    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!call_ask(&login, options, method, path, body, &answer, &error))
        code = call_failed(options, &error);
    else
        code = call_tell(options, &answer, show);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}

void call_body_begin(const struct cli_options *options, struct buf *body, struct json *json)
{
    buf_init(body);
    json_init(json, body);
    json_object_begin(json, NULL);
    if (options->reason != NULL)
        json_text(json, "reason", options->reason);
}

bool call_if_match_is_right(const struct cli_options *options)
{
    uint64_t generation;

    return options->if_match == NULL || str_to_u64(str_of(options->if_match), &generation);
}

int call_bad_if_match(const struct cli_options *options)
{
    return usage_error(options, "--if-match: expected the generation that status shows, got \"%s\"",
                       options->if_match);
}
