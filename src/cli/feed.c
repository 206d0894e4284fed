/*
 * feed.c - the child's side (asking, and what to do when there is no answer), and the pipe with one
 * line for each item: "KIND TEXT\n".
 */
#include "cli/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/read.h"

#define EVENTS_SHOWN      30
#define STATUS_PATIENCE_S 10 /* it comes once a second */
#define EVENTS_PATIENCE_S 60 /* something comes every 15 s */
#define COMPARE_EVERY     5  /* polls */
#define ITEM_MAX_BYTES    (4 * 1024 * 1024)
#define READ_BYTES        65536

struct child {
    const struct login *login;
    int fd;
    enum feed_kind kind;
    char event[64];     /* the name of the item whose data comes next */
    uint64_t told;      /* items of this stream */
    unsigned polled;    /* times */
    bool has_no_stream; /* this proxy does not know it: polls */
};

/* ---- the child: telling ---- */

/* The parent has gone: nobody is left to tell. */
static void write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t done = write(fd, bytes.data, bytes.len);
        if (done < 0 && errno != EINTR)
            _exit(0);
        bytes = str_slice(bytes, done < 0 ? 0 : (size_t)done, bytes.len);
    }
}

static void tell(const struct child *child, const char *kind, struct str text)
{
    struct buf line = BUF_EMPTY;

    buf_printf(&line, "%s ", kind);
    for (size_t i = 0; i < text.len; i++)
        buf_append_char(&line, text.data[i] == '\n' ? ' ' : text.data[i]);
    buf_append_char(&line, '\n');
    write_all(child->fd, buf_str(&line));
    buf_deinit(&line);
}

static void tell_refused(const struct child *child, const struct client_answer *answer)
{
    json_t *root = read_json(buf_str(&answer->body));
    const json_t *error = json_object_get(root, "error");
    char text[512];

    snprintf(text, sizeof(text), "refused: %.300s (%.48s, HTTP %u)",
             read_text(error, "message", "the admin API refused"), read_text(error, "code", "?"),
             answer->status);
    tell(child, "trouble", str_of(text));
    json_decref(root);
}

/* ---- the child: streams ---- */

static void on_line(void *data, struct str line)
{
    struct child *child = data;
    struct str text;

    if (client_line_is(line, STR("event"), &text)) {
        snprintf(child->event, sizeof(child->event), "%.*s", STR_ARG(text));
    } else if (client_line_is(line, STR("data"), &text)) {
        tell(child, child->kind == FEED_EVENTS ? "event" : child->event, text);
        child->told++;
    }
}

/* What says that this path or query is not known, and not that somebody may not have it. */
static bool is_unknown(unsigned status)
{
    return status == 400 || status == 404 || status == 405 || status == 501;
}

static void follow(struct child *child)
{
    bool is_events = child->kind == FEED_EVENTS;
    struct client_answer answer;
    struct error error;
    char path[64] = "/v1/status?follow=1";

    if (is_events)
        snprintf(path, sizeof(path), "/v1/events?follow=1&limit=%d", EVENTS_SHOWN);
    child->told = 0;
    bool is_answered =
        client_follow(child->login, path, is_events ? EVENTS_PATIENCE_S : STATUS_PATIENCE_S,
                      on_line, child, &answer, &error);
    if (!is_answered)
        tell(child, "trouble", str_of(error.text));
    else if (is_unknown(answer.status) || (answer.status == 200 && child->told == 0 && !is_events))
        child->has_no_stream = true;
    else if (answer.status != 200)
        tell_refused(child, &answer);
    else
        tell(child, "trouble", STR("the proxy has ended the connection"));
    buf_deinit(&answer.body);
}

/* ---- the child: polls ---- */

static bool poll_one(struct child *child, const char *path, const char *kind)
{
    struct client_request request = {.method = "GET", .path = path, .body = STR("")};
    struct client_answer answer;
    struct error error;
    bool is_good = client_call(child->login, &request, &answer, &error);

    if (!is_good)
        tell(child, "trouble", str_of(error.text));
    else if (answer.status == 200)
        tell(child, kind, buf_str(&answer.body));
    else if (!is_unknown(answer.status))
        tell_refused(child, &answer);
    buf_deinit(&answer.body);
    return is_good;
}

/* A break may mean another version: then the stream is tried again. */
static void poll_status(struct child *child)
{
    child->has_no_stream = poll_one(child, "/v1/status", "status");
    if (child->has_no_stream && child->polled++ % COMPARE_EVERY == 0)
        child->has_no_stream = poll_one(child, "/v1/compare", "compare");
}

static void run_child(struct child *child)
{
    struct timespec second = {.tv_sec = 1};

    for (;;) {
        if (!child->has_no_stream)
            follow(child);
        if (child->has_no_stream && child->kind == FEED_STATUS)
            poll_status(child);
        nanosleep(&second, NULL);
    }
}

/* ---- the parent ---- */

static void become_child(const struct login *login, enum feed_kind kind, int fd, pid_t parent)
{
    struct child child = {.login = login, .kind = kind, .fd = fd};
    static const int typed[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGWINCH};
    int nothing = open("/dev/null", O_RDWR);
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* What a keyboard sends to all is for the parent: it ends us. */
    for (unsigned i = 0; i < ARRAY_LEN(typed); i++)
        signal(typed[i], SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    /* It must not outlive the parent, nor hold its terminal or pipe. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    run_child(&child);
}

bool feed_start(struct feed *feed, const struct login *login, enum feed_kind kind,
                struct error *error)
{
    pid_t parent = getpid();
    int ends[2];

    *feed = (struct feed){.pid = -1, .fd = -1};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_set_errno(error, errno, "cannot make a pipe");
    feed->pid = fork();
    if (feed->pid == 0) {
        close(ends[0]);
        become_child(login, kind, ends[1], parent);
        _exit(0);
    }
    close(ends[1]);
    if (feed->pid < 0) {
        close(ends[0]);
        return error_set_errno(error, errno, "cannot make a process");
    }
    feed->fd = ends[0];
    fcntl(feed->fd, F_SETFL, O_NONBLOCK);
    return true;
}

static void give_items(struct feed *feed, feed_item_cb on_item, void *data)
{
    ptrdiff_t end;

    while ((end = str_find_char(buf_str(&feed->in), '\n', 0)) >= 0) {
        struct str line = str_slice(buf_str(&feed->in), 0, (size_t)end);
        ptrdiff_t space = str_find_char(line, ' ', 0);

        if (space > 0)
            on_item(data, str_slice(line, 0, (size_t)space),
                    str_slice(line, (size_t)space + 1, line.len));
        buf_consume(&feed->in, (size_t)end + 1);
    }
}

bool feed_read(struct feed *feed, feed_item_cb on_item, void *data)
{
    for (;;) {
        ssize_t size = read(feed->fd, buf_reserve(&feed->in, READ_BYTES), READ_BYTES);
        if (size < 0)
            return errno == EAGAIN || errno == EINTR;
        if (size == 0)
            return false;
        buf_commit(&feed->in, (size_t)size);
        give_items(feed, on_item, data);
        if (buf_len(&feed->in) > ITEM_MAX_BYTES)
            return false; /* no answer of ours is so long */
    }
}

void feed_stop(struct feed *feed)
{
    if (feed->fd >= 0)
        close(feed->fd);
    if (feed->pid > 0) {
        kill(feed->pid, SIGKILL);
        waitpid(feed->pid, NULL, 0);
    }
    buf_deinit(&feed->in);
    *feed = (struct feed){.pid = -1, .fd = -1};
}
