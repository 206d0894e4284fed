/*
 * journal_file.c - bytes of a disk -> lines -> events, of which some may be cut short or broken:
 *
 *     {"id":1,...}\n {"id":2,...}\n @@@@@\n {"id":4,...}\n {"id":5,"at":"20
 *                                   skipped                 torn: to be cut off
 *     '-------------------- whole_bytes -------------------'
 */
#include "control/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/journal.h"

#define READ_BYTES 65536

/* More than any event has, with all its bytes escaped. */
#define LINE_MAX_BYTES 8192

int journal_file_open(const char *path, bool writable, struct error *error)
{
    struct stat status;
    int flags = writable ? O_RDWR | O_APPEND | O_CREAT : O_RDONLY;
    /* O_NONBLOCK: somebody's FIFO under this name must not hang us. */
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

    if (fd < 0 && errno == ELOOP) {
        error_set(error, "%s is a symbolic link: move it away", path);
        return -1;
    }
    if (fd < 0 || fstat(fd, &status) < 0)
        error_set_errno(error, errno, "cannot open %s", path);
    else if (!S_ISREG(status.st_mode))
        error_set(error, "%s is not a regular file: move it away", path);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Up to one byte more than a file of ours may have. */
static bool read_all(int fd, struct buf *bytes, struct error *error)
{
    ssize_t got = 1;

    while (got != 0 && buf_len(bytes) <= JOURNAL_READ_BYTES) {
        got = pread(fd, buf_reserve(bytes, READ_BYTES), READ_BYTES, (off_t)buf_len(bytes));
        if (got < 0 && errno != EINTR)
            return error_set_errno(error, errno, "it cannot be read");
        buf_commit(bytes, got > 0 ? (size_t)got : 0);
    }
    return true;
}

/* Without its newline. False: it is no event at all. */
static bool take_line(struct str line, struct events *events, struct journal_found *found)
{
    struct event event;
    bool is_event = event_read(line, &event);
    bool fits = false;

    found->lines++;
    if (is_event) {
        fits = event.id > found->newest_id && (events == NULL || events_restore(events, &event));
        found->newest_id = event.id > found->newest_id ? event.id : found->newest_id;
    }
    found->bad_lines += fits ? 0 : 1;
    return is_event;
}

static void take_lines(struct str bytes, struct events *events, struct journal_found *found)
{
    size_t at = 0, last_line = 0;
    bool is_last_event = true;
    ptrdiff_t end;

    while ((end = str_find_char(bytes, '\n', at)) >= 0) {
        last_line = at;
        is_last_event = take_line(str_slice(bytes, at, (size_t)end), events, found);
        at = (size_t)end + 1;
    }
    /* A last line that is nothing was being written when the power went. */
    if (!is_last_event && found->newest_id > 0) {
        at = last_line;
        found->lines--;
        found->bad_lines--;
    }
    found->whole_bytes = at;
    found->torn_bytes = bytes.len - at;
}

bool journal_file_read(int fd, struct events *events, struct journal_found *found,
                       struct error *error)
{
    struct buf bytes = BUF_EMPTY;
    bool is_read = read_all(fd, &bytes, error);

    *found = (struct journal_found){.newest_id = 0};
    if (is_read && buf_len(&bytes) <= JOURNAL_READ_BYTES) {
        take_lines(buf_str(&bytes), events, found);
        /* The first line of all, cut short, is a crash; other bytes without an event are not ours. */
        found->is_readable =
            found->newest_id > 0 || (found->lines == 0 && found->torn_bytes < LINE_MAX_BYTES);
    }
    buf_deinit(&bytes);
    return is_read;
}
