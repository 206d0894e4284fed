/*
 * follow.c - `cutover events`: a page of them, or the stream, for as long as it is wanted: when the
 * proxy is restarted the stream is taken up again, and nothing is shown twice.
 */
#include "cli/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/call.h"
#include "cli/read.h"
#include "cli/show.h"
#include "cli/verbs.h"

#define FOLLOW_LIMIT 10
#define PAGE_LIMIT   100
#define AGAIN_LIMIT  1000 /* of the newest, after a gap */
#define PATIENCE_S   60   /* the server says something every 15 s */

struct follow {
    const struct cli_options *options;
    uint64_t last_id;
    char last_at[32];
};

/* Seen before: ids go on over restarts, and where they could not, the time tells. */
static bool is_known(struct follow *follow, const json_t *event)
{
    double id = read_number(event, "id");
    const char *at = read_text(event, "at", "");

    if (id <= (double)follow->last_id && strcmp(at, follow->last_at) <= 0)
        return true;
    follow->last_id = id > 0 ? (uint64_t)id : 0;
    snprintf(follow->last_at, sizeof(follow->last_at), "%s", at);
    return false;
}

static void show_line(const struct cli_options *options, const json_t *event, struct str line)
{
    struct page page;

    if (options->json) {
        printf("%.*s\n", STR_ARG(line));
    } else {
        page_init(&page, page_width_of(stdout), false);
        show_event(&page, event, false);
        page_write(&page, stdout);
        page_deinit(&page);
    }
    fflush(stdout);
}

/* Of an event stream only the data lines matter: the event's number and kind are in them too. */
static void on_line(void *data, struct str line)
{
    struct follow *follow = data;
    struct str text;

    if (!client_line_is(line, STR("data"), &text))
        return;
    json_t *event = read_json(text);
    if (event != NULL && !is_known(follow, event))
        show_line(follow->options, event, text);
    json_decref(event);
}

static bool can_write(void)
{
    return ferror(stdout) == 0;
}

static int follow_on(const struct cli_options *options, const struct login *login, uint64_t limit)
{
    struct follow follow = {.options = options};
    struct client_answer answer;
    struct error error;
    bool has_begun = false;

    for (;;) {
        char path[64];
        snprintf(path, sizeof(path), "/v1/events?follow=1&limit=%" PRIu64, limit);
        bool is_answered =
            client_follow(login, path, PATIENCE_S, on_line, &follow, &answer, &error);
        bool is_refused = is_answered && answer.status != 200;
        int code = is_refused ? call_tell(options, &answer, NULL) : CLI_DONE;

        buf_deinit(&answer.body);
        if (is_refused)
            return code;
        if (!has_begun && answer.status != 200)
            return call_failed(options, &error);
        if (!can_write())
            return CLI_DONE; /* whoever read it has gone */
        if (answer.status == 200)
            fprintf(stderr, "cutover events: the stream has ended; trying again every second\n");
        has_begun = true;
        limit = AGAIN_LIMIT;
        sleep(1);
    }
}

static bool on_page(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return show_events(page, answer);
}

int verb_events(const struct cli_options *options)
{
    uint64_t limit = options->follow ? FOLLOW_LIMIT : PAGE_LIMIT;
    struct login login;
    struct error error;
    char path[64];
    int code;

    if (options->limit != NULL && !str_to_u64(str_of(options->limit), &limit))
        return usage_error(options, "--limit: expected a whole number, got \"%s\"", options->limit);
    if (!options->follow) {
        snprintf(path, sizeof(path), "/v1/events?limit=%" PRIu64, limit);
        return call_api(options, "GET", path, NULL, on_page);
    }
    if (login_find(&login, options, &error))
        code = follow_on(options, &login, limit);
    else
        code = usage_error(options, "%s", error.text);
    login_deinit(&login);
    return code;
}
