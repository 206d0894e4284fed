/*
 * follow.c - `cutover events`: a page of them, or the stream until it is cut.
 */
#include "cli/follow.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/client.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define FOLLOW_LIMIT 10
#define PAGE_LIMIT   100

/* Of an event stream only the data lines matter: the event's number and kind are in them too. */
static void on_line(void *data, struct str line)
{
    const struct cli_options *options = data;
    const struct str name = STR("data: ");
    if (!str_starts_with(line, name))
        return;
    line = str_slice(line, name.len, line.len);
    if (options->json)
        printf("%.*s\n", STR_ARG(line));
    else
        show_event(line);
    fflush(stdout);
}

static bool ask(const struct login *login, const struct cli_options *options, uint64_t limit,
                struct client_answer *answer, struct error *error)
{
    char path[64];
    if (options->follow) {
        snprintf(path, sizeof(path), "/v1/events?follow=1&limit=%" PRIu64, limit);
        return client_follow(login, path, on_line, (void *)(uintptr_t)options, answer, error);
    }
    snprintf(path, sizeof(path), "/v1/events?limit=%" PRIu64, limit);
    struct client_request request = {.method = "GET", .path = path, .body = STR("")};
    return client_call(login, &request, answer, error);
}

static int show(const struct cli_options *options, const struct client_answer *answer)
{
    struct str json = buf_str(&answer->body);
    if (answer->status == 200 && options->follow) {
        fprintf(stderr, "cutover events: the stream has ended\n");
        return CLI_FAILED;
    }
    if (options->json) {
        printf("%.*s\n", STR_ARG(json));
    } else if (answer->status != 200) {
        show_refusal(options->verb, answer->status, json);
    } else if (!show_events(json)) {
        fprintf(stderr, "cutover events: the answer is not the admin API's\n");
        return CLI_FAILED;
    }
    return answer->status == 200 ? CLI_DONE : CLI_FAILED;
}

int verb_events(const struct cli_options *options)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    uint64_t limit = options->follow ? FOLLOW_LIMIT : PAGE_LIMIT;
    int code = CLI_FAILED;
    if (options->limit != NULL && !str_to_u64(str_of(options->limit), &limit))
        return usage_error(options, "--limit: expected a whole number, got \"%s\"", options->limit);
    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!ask(&login, options, limit, &answer, &error))
        fprintf(stderr, "cutover events: %s\n", error.text);
    else
        code = show(options, &answer);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}
