/*
 * journal.c - events -> lines at the end of FILE, which is STATE_FILE.events. When it is full:
 *
 *                              FILE   FILE.1  FILE.2
 *                               C       B       A
 *     rename FILE.1 to FILE.2   C       -       B
 *     rename FILE to FILE.1     -       C       B
 *     make FILE, sync folder    new     C       B
 *
 * Killed at any line, the next start reads FILE.2, FILE.1 and FILE, whichever there are, and misses
 * nothing but A, whose time was over. A line goes out in one write; where the disk takes only a part
 * of it, that part is cut off again.
 */
#include "control/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "control/journal_file.h"

/* "STATE_FILE.events" and what stands behind it. */
static const char *beside(struct arena *arena, const char *path, const char *ending)
{
    return arena_printf(arena, "%s%s", path, ending).data;
}

/* A rename is there after a power cut only when the folder is on disk. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct arena arena;
    int fd;

    arena_init(&arena);
    struct str folder = slash == NULL   ? STR(".")
                        : slash == path ? STR("/")
                                        : str_from(path, (size_t)(slash - path));
    fd = open(arena_str(&arena, folder).data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    arena_deinit(&arena);
}

/* Open */

static void tell_bad_lines(const char *path, const struct journal_found *found)
{
    if (found->bad_lines > 0) {
        log_event(LOG_WARN, "lines of the audit are damaged, and skipped", LOG_TEXT("file", path),
                  LOG_U64("lines", found->bad_lines));
    }
}

/* What it has is not ours, or cannot be read any more: kept for people. */
static bool put_aside(struct journal *journal, const char *why, struct error *error)
{
    struct arena arena;
    const char *aside;
    bool done;

    arena_init(&arena);
    aside = beside(&arena, journal->path, ".bad");
    done = rename(journal->path, aside) == 0 ||
           error_set_errno(error, errno, "cannot move %s aside to %s", journal->path, aside);
    if (done) {
        log_event(LOG_WARN, "the audit on disk was put aside, a new one begins",
                  LOG_TEXT("file", aside), LOG_TEXT("reason", why));
    }
    arena_deinit(&arena);
    return done;
}

/* The end of a file that was read: what a crash has cut short goes. */
static bool mend_end(struct journal *journal, const struct journal_found *found,
                     struct error *error)
{
    if (found->torn_bytes == 0)
        return true;
    if (ftruncate(journal->fd, (off_t)found->whole_bytes) < 0)
        return error_set_errno(error, errno, "cannot mend the end of %s", journal->path);
    log_event(LOG_WARN, "the last line of the audit was cut short, and is dropped",
              LOG_TEXT("file", journal->path), LOG_U64("bytes", found->torn_bytes));
    return true;
}

/* Takes over a file whose content is in order. `why` else. */
static bool take_over(struct journal *journal, struct events *events, const char **why,
                      struct error *error)
{
    struct journal_found found;

    if (!journal_file_read(journal->fd, events, &found, error)) {
        *why = error->text;
        return false;
    }
    *why = !found.is_readable ? "nothing in it is an event" : NULL;
    /* Later on only what we have written ourselves may stand in it: ids of two would mix. */
    if (events == NULL && found.newest_id > journal->written_id)
        *why = "it has events that were not read at the start";
    if (*why != NULL)
        return false;
    tell_bad_lines(journal->path, &found);
    journal->size_bytes = found.whole_bytes;
    return mend_end(journal, &found, error);
}

static void close_file(struct journal *journal)
{
    if (journal->fd >= 0)
        close(journal->fd);
    journal->fd = -1;
}

/* Opens FILE, or makes it. `events`: at the start, to be filled; NULL: later. */
static bool open_file(struct journal *journal, struct events *events, struct error *error)
{
    for (unsigned tries = 0; tries < 2; tries++) {
        const char *why = NULL;

        journal->fd = journal_file_open(journal->path, true, error);
        if (journal->fd < 0)
            return false;
        if (take_over(journal, events, &why, error)) {
            if (journal->size_bytes == 0)
                sync_folder(journal->path);
            return true;
        }
        close_file(journal);
        if (why == NULL || !put_aside(journal, why, error))
            return false;
    }
    return error_set(error, "%s is written by somebody else", journal->path);
}

/* One of those that are full; it may not be there. */
static void read_older(const char *path, struct events *events)
{
    struct journal_found found;
    struct error error;
    int fd;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return;
    fd = journal_file_open(path, false, &error);
    if (fd < 0 || !journal_file_read(fd, events, &found, &error)) {
        log_event(LOG_WARN, "an older part of the audit cannot be read", LOG_TEXT("file", path),
                  LOG_TEXT("error", error.text));
    } else {
        tell_bad_lines(path, &found);
    }
    if (fd >= 0)
        close(fd);
}

bool journal_open(struct journal *journal, const char *state_file, struct events *events,
                  struct error *error)
{
    struct arena arena;
    bool is_open;

    CHECK(events->next_id == 1);
    arena_init(&arena);
    *journal =
        (struct journal){.path = mem_strdup(beside(&arena, state_file, ".events")), .fd = -1};
    read_older(beside(&arena, journal->path, ".2"), events);
    read_older(beside(&arena, journal->path, ".1"), events);
    arena_deinit(&arena);
    is_open = open_file(journal, events, error);
    journal->written_id = events->next_id - 1;
    events->journal = journal;
    events->is_behind = !is_open;
    return is_open;
}

void journal_close(struct journal *journal)
{
    if (journal->path == NULL)
        return;
    close_file(journal);
    mem_free(journal->path);
    *journal = (struct journal){.fd = -1};
}

/* Append */

/* Somebody may have moved it away, or removed it with its folder. */
static bool is_still_there(const struct journal *journal)
{
    struct stat held, named;

    return journal->fd >= 0 && fstat(journal->fd, &held) == 0 && stat(journal->path, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static bool sync_file(struct journal *journal, struct error *error)
{
    if (!journal->needs_sync)
        return true;
    if (fdatasync(journal->fd) < 0)
        return error_set_errno(error, errno, "cannot sync %s", journal->path);
    journal->needs_sync = false;
    return true;
}

static bool rotate(struct journal *journal, struct error *error)
{
    struct arena arena;
    const char *first, *second;
    bool is_renamed;

    if (!sync_file(journal, error))
        return false;
    arena_init(&arena);
    first = beside(&arena, journal->path, ".1");
    second = beside(&arena, journal->path, ".2");
    is_renamed =
        (rename(first, second) == 0 || errno == ENOENT) && rename(journal->path, first) == 0;
    if (!is_renamed)
        error_set_errno(error, errno, "cannot rename %s to %s", journal->path, first);
    arena_deinit(&arena);
    if (!is_renamed)
        return false;
    close_file(journal);
    return open_file(journal, NULL, error);
}

/* All of the line, or nothing of it. */
static bool write_line(struct journal *journal, struct str line, struct error *error)
{
    ssize_t sent;

    do
        sent = write(journal->fd, line.data, line.len);
    while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)line.len) {
        journal->size_bytes += line.len;
        return true;
    }
    error_set_errno(error, sent < 0 ? errno : ENOSPC, "cannot write %s", journal->path);
    /* When even that fails the file is opened anew, which mends its end. */
    if (sent > 0 && ftruncate(journal->fd, (off_t)journal->size_bytes) < 0)
        close_file(journal);
    return false;
}

static bool append(struct journal *journal, const struct event *event, struct error *error)
{
    struct buf line = BUF_EMPTY;
    struct json json;
    bool is_full, is_written;

    json_init(&json, &line);
    event_write(event, &json, NULL);
    buf_append_char(&line, '\n');
    is_full = journal->size_bytes > 0 && journal->size_bytes + buf_len(&line) > JOURNAL_FILE_BYTES;
    is_written = (!is_full || rotate(journal, error)) && write_line(journal, buf_str(&line), error);
    buf_deinit(&line);
    if (is_written) {
        journal->written_id = event->id;
        journal->needs_sync = journal->needs_sync || event_is_deed(event);
    }
    return is_written;
}

bool journal_append(struct journal *journal, const struct events *events, struct error *error)
{
    uint64_t oldest = events->next_id > EVENTS_MAX ? events->next_id - EVENTS_MAX : 1;
    uint64_t id = journal->written_id + 1 > oldest ? journal->written_id + 1 : oldest;

    if (!is_still_there(journal)) {
        close_file(journal);
        if (!open_file(journal, NULL, error))
            return false;
    }
    for (; id < events->next_id; id++) {
        const struct event *event = events_get(events, id);

        if (event != NULL && !append(journal, event, error))
            return false;
    }
    return sync_file(journal, error);
}
