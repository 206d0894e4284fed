/*
 * watch.c - the loop: two feeds, one keyboard, a window that changes its size.
 *
 *     feeds --> board_take --> dirty --> board_draw --> terminal_draw      on a terminal
 *                         `--> board_line, or the item as JSON --> stdout  elsewhere
 *
 * Signals are blocked but while it waits (ppoll), so none comes at a wrong moment, and every way out
 * passes terminal_leave.
 */
#include "cli/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/board.h"
#include "cli/call.h"
#include "cli/feed.h"
#include "cli/terminal.h"
#include "cli/verbs.h"

#define DRAW_EVERY_MS \
    1000                  /* also when nothing has come: the clock, and how long nothing has come */
#define DRAW_LEAST_MS 100 /* between two, whatever comes */

/* Set by signals. */
static volatile sig_atomic_t wants_end, wants_stop, wants_draw;

struct watch {
    const struct cli_options *options;
    struct board board;
    struct feed status, events;
    struct terminal terminal;
    bool is_screen, has_ink, is_dirty, has_failed;
    uint64_t drawn_ms;
};

/* ---- signals ---- */

static void on_signal(int number)
{
    if (number == SIGWINCH)
        wants_draw = 1;
    else if (number == SIGTSTP)
        wants_stop = 1;
    else
        wants_end = 1;
}

/* They come only where `open` is the mask. */
static void catch_signals(bool is_screen, sigset_t *open)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t shut;

    wants_end = wants_stop = wants_draw = 0;
    sigemptyset(&shut);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        if (!is_screen && (numbers[i] == SIGTSTP || numbers[i] == SIGWINCH))
            continue;
        sigaction(numbers[i], &action, NULL);
        sigaddset(&shut, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &shut, open);
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++)
        sigdelset(open, numbers[i]);
}

/* Ctrl-Z: the shell gets its terminal as it was, and we ours when we go on. */
static void stop_here(struct watch *watch)
{
    terminal_leave(&watch->terminal);
    raise(SIGSTOP);
    terminal_enter(&watch->terminal);
    watch->is_dirty = true;
}

/* ---- items ---- */

static void print_json(struct str kind, struct str text)
{
    struct buf out = BUF_EMPTY;
    char now[CLOCK_ISO_BYTES], name[32];
    struct json json;

    clock_format(clock_wall_ms(), now);
    snprintf(name, sizeof(name), "%.*s", STR_ARG(kind));
    json_init(&json, &out);
    json_object_begin(&json, NULL);
    json_text(&json, "at", now);
    if (str_eq(kind, STR("trouble")))
        json_str(&json, name, text);
    else
        json_raw(&json, name, text);
    json_object_end(&json);
    printf("%.*s\n", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
}

static void print_line(const struct watch *watch, struct str kind)
{
    struct page page;

    page_init(&page, PAGE_ENDLESS, false);
    board_line(&watch->board, &page, kind);
    page_write(&page, stdout);
    page_deinit(&page);
}

static void on_item(void *data, struct str kind, struct str text)
{
    struct watch *watch = data;

    if (!board_take(&watch->board, kind, text, clock_mono_ms()))
        return;
    watch->is_dirty = true;
    if (watch->is_screen)
        return;
    if (watch->options->json)
        print_json(kind, text);
    else if (!str_eq(kind, STR("compare")))
        print_line(watch, kind);
    /* Whoever read it has gone: that is how it ends. */
    if (fflush(stdout) != 0)
        wants_end = 1;
}

/* The proxy's trouble is told by one feed. */
static void on_event_item(void *data, struct str kind, struct str text)
{
    if (str_eq(kind, STR("event")))
        on_item(data, kind, text);
}

/* ---- the screen ---- */

static void draw(struct watch *watch)
{
    unsigned rows, columns;
    struct page page;

    terminal_size(&rows, &columns);
    /* The last column stays empty: what terminals do behind it differs. */
    page_init(&page, columns > PAGE_LEAST ? columns - 1 : columns, watch->has_ink);
    board_draw(&watch->board, &page, rows, clock_mono_ms());
    if (!terminal_draw(buf_str(&page.text), rows))
        wants_end = 1;
    page_deinit(&page);
    watch->drawn_ms = clock_mono_ms();
    watch->is_dirty = false;
}

static void draw_when_due(struct watch *watch)
{
    uint64_t since_ms = clock_mono_ms() - watch->drawn_ms;

    if (!watch->is_screen)
        return;
    if (wants_draw || since_ms >= DRAW_EVERY_MS || (watch->is_dirty && since_ms >= DRAW_LEAST_MS)) {
        wants_draw = 0;
        draw(watch);
    }
}

/* ---- the loop ---- */

static void take_keys(struct watch *watch)
{
    int key;

    while ((key = terminal_key(&watch->terminal)) > 0)
        if (key == 'q' || key == 'Q')
            wants_end = 1;
    if (key < 0)
        watch->terminal.has_keys = false; /* nobody types there any more */
}

static void wait_for_something(struct watch *watch, const sigset_t *open)
{
    bool has_keys = watch->is_screen && watch->terminal.has_keys;
    long wait_ms = watch->is_dirty ? DRAW_LEAST_MS : DRAW_EVERY_MS;
    struct timespec wait = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    struct pollfd fds[] = {
        {.fd = watch->status.fd, .events = POLLIN},
        {.fd = watch->events.fd, .events = POLLIN},
        {.fd = has_keys ? STDIN_FILENO : -1, .events = POLLIN},
    };

    if (ppoll(fds, ARRAY_LEN(fds), &wait, open) <= 0)
        return;
    if (fds[0].revents != 0 && !feed_read(&watch->status, on_item, watch)) {
        watch->has_failed = true;
        wants_end = 1;
    }
    if (fds[1].revents != 0 && !feed_read(&watch->events, on_event_item, watch))
        feed_stop(&watch->events);
    if (fds[2].revents != 0)
        take_keys(watch);
}

static void run(struct watch *watch, const sigset_t *open)
{
    if (watch->is_screen)
        terminal_enter(&watch->terminal);
    while (!wants_end) {
        draw_when_due(watch);
        wait_for_something(watch, open);
        if (wants_stop) {
            wants_stop = 0;
            stop_here(watch);
        }
    }
    terminal_leave(&watch->terminal);
}

static bool start(struct watch *watch, const struct login *login, struct error *error)
{
    watch->status.fd = watch->events.fd = -1;
    return feed_start(&watch->status, login, FEED_STATUS, error) &&
           feed_start(&watch->events, login, FEED_EVENTS, error);
}

static int watch_with(struct watch *watch, const struct login *login)
{
    struct error error;
    sigset_t open;

    watch->is_screen = !watch->options->json && terminal_is_there();
    watch->has_ink = terminal_wants_ink();
    catch_signals(watch->is_screen, &open);
    if (!start(watch, login, &error))
        watch->has_failed = true;
    else
        run(watch, &open);
    feed_stop(&watch->status);
    feed_stop(&watch->events);
    if (watch->has_failed)
        fprintf(stderr, "cutover watch: the process that asks the admin API has ended\n");
    return watch->has_failed ? CLI_FAILED : CLI_DONE;
}

/* The first status is asked for here: a wrong URL or token is told at once, and not tried for ever. */
int verb_watch(const struct cli_options *options)
{
    struct watch watch = {.options = options};
    struct login login;
    struct client_answer answer = {.status = 0};
    struct error error;
    int code;

    if (!login_find(&login, options, &error)) {
        code = usage_error(options, "%s", error.text);
    } else if (!call_ask(&login, options, "GET", "/v1/status", NULL, &answer, &error)) {
        code = call_failed(options, &error);
    } else if (answer.status != 200) {
        code = call_tell(options, &answer, NULL);
    } else {
        board_init(&watch.board, login.url);
        board_take(&watch.board, STR("status"), buf_str(&answer.body), clock_mono_ms());
        code = watch_with(&watch, &login);
        board_deinit(&watch.board);
    }
    buf_deinit(&answer.body);
    login_deinit(&login);
    return code;
}
