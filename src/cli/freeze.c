/*
 * freeze.c - POST /v1/freeze, and with --wait the status again and again until no write is open.
 */
#include "cli/freeze.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "cli/call.h"
#include "cli/figures.h"
#include "cli/read.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "config/values.h"

#define LOOK_EVERY_MS     500
#define QUIET_LOOKS       2 /* one alone may have come before each worker knew */
#define WAIT_MAX_MS       86400000
#define RETRY_AFTER_MAX_S 3600

/* ---- the answer ---- */

static double writes_open(const json_t *status)
{
    return read_inner_number(status, "freeze", "writes_open");
}

static void print_on(struct page *page, const json_t *freeze)
{
    const json_t *routes = json_object_get(freeze, "routes");
    double open = read_number(freeze, "writes_open");

    page_print(page, INK_PLAIN, "frozen: writes ");
    if (json_array_size(routes) == 0)
        page_print(page, INK_PLAIN, "on all routes");
    for (size_t i = 0; i < json_array_size(routes); i++)
        page_print(page, INK_PLAIN, "%s%.64s", i == 0 ? "on " : ", ", read_item_text(routes, i));
    page_print(page, INK_PLAIN,
               " are answered 503, Retry-After %.0f; GET, HEAD, OPTIONS and "
               "WebSockets pass",
               read_number(freeze, "retry_after_s"));
    page_end(page);
    if (open > 0)
        page_line(page, INK_PLAIN,
                  "%s write%s still open: the copy can begin when there is none "
                  "(cutover freeze on --wait 60s)",
                  figure_count(open).text, open == 1 ? " is" : "s are");
    else
        page_line(page, INK_PLAIN, "no write is open");
    page_line(page, INK_PLAIN, "to end it: cutover freeze off");
}

bool freeze_show(struct page *page, const json_t *status)
{
    const json_t *freeze = json_object_get(status, "freeze");

    if (!json_is_object(freeze))
        return false;
    if (read_bool(freeze, "on", false))
        print_on(page, freeze);
    else
        page_line(page, INK_PLAIN, "the freeze is off: writes pass again");
    show_warnings(page, status, false);
    return true;
}

static bool on_answer(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return freeze_show(page, answer);
}

/* ---- waiting until no write is open ---- */

static void sleep_ms(unsigned ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&time, NULL);
}

/* How many are open now; below 0: it cannot be said, `answer` or `error` says why. */
static double look(const struct login *login, const struct cli_options *options,
                   struct client_answer *answer, struct error *error)
{
    double open = -1;

    buf_deinit(&answer->body);
    if (!call_ask(login, options, "GET", "/v1/status", NULL, answer, error))
        return -1;
    json_t *status = answer->status == 200 ? read_json(buf_str(&answer->body)) : NULL;
    if (status != NULL && read_bool(json_object_get(status, "freeze"), "on", false))
        open = writes_open(status);
    else
        error_set(error, "the freeze was taken off meanwhile");
    json_decref(status);
    return open;
}

/* On stderr, since stdout is for the result. */
static void tell_open(double open)
{
    if (open > 0)
        fprintf(stderr, "%s write%s still open\n", figure_count(open).text,
                open == 1 ? " is" : "s are");
}

/* Leaves the last status in `answer`. */
static int wait_for_quiet(const struct login *login, const struct cli_options *options,
                          uint64_t wait_ms, struct client_answer *answer)
{
    uint64_t end_ms = clock_mono_ms() + wait_ms;
    unsigned quiet = 0;
    double before = 0;
    struct error error;

    while (quiet < QUIET_LOOKS) {
        sleep_ms(LOOK_EVERY_MS);
        double open = look(login, options, answer, &error);
        if (open < 0)
            return call_failed(options, &error);
        if (open != before)
            tell_open(open);
        before = open;
        quiet = open > 0 ? 0 : quiet + 1;
        if (quiet < QUIET_LOOKS && clock_mono_ms() >= end_ms) {
            error_set(&error,
                      "%.0f writes are still open after %s: do not copy yet; the freeze "
                      "stays on",
                      open, options->wait);
            return call_failed(options, &error);
        }
    }
    return CLI_DONE;
}

/* ---- the verb ---- */

static void make_body(const struct cli_options *options, bool on, uint64_t retry_after_s,
                      struct buf *body)
{
    struct json json;

    call_body_begin(options, body, &json);
    json_bool(&json, "on", on);
    if (options->routes.count > 0) {
        json_array_begin(&json, "routes");
        for (unsigned i = 0; i < options->routes.count; i++)
            json_text(&json, NULL, options->routes.items[i]);
        json_array_end(&json);
    }
    if (options->retry_after != NULL)
        json_u64(&json, "retry_after_s", retry_after_s);
    json_object_end(&json);
}

static int freeze(const struct cli_options *options, const struct buf *body, uint64_t wait_ms)
{
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    int code = CLI_DONE;

    if (!login_find(&login, options, &error))
        code = usage_error(options, "%s", error.text);
    else if (!call_ask(&login, options, "POST", "/v1/freeze", body, &answer, &error))
        code = call_failed(options, &error);
    else if (answer.status == 200 && wait_ms > 0)
        code = wait_for_quiet(&login, options, wait_ms, &answer);
    if (code == CLI_DONE)
        code = call_tell(options, &answer, on_answer);
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}

int verb_freeze(const struct cli_options *options)
{
    bool on = strcmp(options->arguments[0], "on") == 0;
    uint64_t retry_after_s = 0, wait_ms = 0;
    struct buf body;
    struct error error;

    if (!on && strcmp(options->arguments[0], "off") != 0)
        return usage_error(options, "expected on or off, got \"%s\"", options->arguments[0]);
    if (!on && (options->routes.count > 0 || options->retry_after != NULL || options->wait != NULL))
        return usage_error(options,
                           "--route, --retry-after and --wait go with on; off ends it all");
    if (options->retry_after != NULL &&
        (!str_to_u64(str_of(options->retry_after), &retry_after_s) || retry_after_s == 0 ||
         retry_after_s > RETRY_AFTER_MAX_S))
        return usage_error(options, "--retry-after: expected whole seconds, 1 to 3600, got \"%s\"",
                           options->retry_after);
    if (options->wait != NULL && (!value_duration(str_of(options->wait), &wait_ms, &error) ||
                                  wait_ms == 0 || wait_ms > WAIT_MAX_MS))
        return usage_error(options, "--wait: expected a time such as 60s, at most 24h, got \"%s\"",
                           options->wait);
    make_body(options, on, retry_after_s, &body);
    int code = freeze(options, &body, wait_ms);
    buf_deinit(&body);
    return code;
}
