/*
 * log.c - any thread puts lines into a ring; one thread of its own writes them out.
 *
 *      start                       start + held
 *        | sent | to be written ....... |  free: push_lines copies in here
 *
 * The trick: the thread writes straight from the ring without the lock, because only it moves
 * `start`, and nobody else touches the bytes that are held. `start` moves over whole lines only;
 * `sent` is what the sink already has of the first one. So when the sink fails nothing is lost and
 * no line is cut: the ring keeps it all, fills up, and what no longer fits is dropped whole. From
 * the first dropped line on all are dropped until the thread has made room and told the number:
 * one gap, one line about it, at the place where the gap is.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

#define RING_BYTES  ((size_t)1 << 20)
#define CHUNK_BYTES ((size_t)64 << 10) /* the most for one write */
#define ROOM_BYTES  (RING_BYTES / 16)  /* free again before a gap ends: few gaps, not many */
#define PAUSE_MS    100                /* before a sink that failed is tried again */
#define STOP_MS     1000

struct log_writer {
    pthread_t thread;
    int fd;                  /* the thread's own */
    char *path;              /* owned; NULL: stdout, which is never closed */
    size_t sent;             /* the thread's own */
    struct {                 /* under `lock` */
        pthread_cond_t wake; /* for the thread: something to do */
        pthread_cond_t over; /* for log_stop: has ended */
        size_t start;
        size_t held;
        uint64_t untold; /* dropped, and no line about it yet */
        uint64_t stop_at_ms;
        bool reopen;
        bool stopping;
        bool ended;
        bool abandoned; /* log_stop did not wait: the thread frees all this */
    } shared;
    char ring[RING_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_writer *current; /* under `lock`; NULL: lines go to stderr */
static uint64_t dropped;           /* under `lock` */
static atomic_int lowest_level = LOG_DEBUG;

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n';
    return lines;
}

/* ---- the ring; all of it with the lock held ---- */

static void ring_copy_in(struct log_writer *writer, struct str lines)
{
    size_t at = (writer->shared.start + writer->shared.held) % RING_BYTES;
    size_t first = RING_BYTES - at < lines.len ? RING_BYTES - at : lines.len;
    memcpy(writer->ring + at, lines.data, first);
    memcpy(writer->ring, lines.data + first, lines.len - first);
    writer->shared.held += lines.len;
}

static size_t ring_room(const struct log_writer *writer)
{
    return RING_BYTES - writer->shared.held;
}

/* As many whole lines as there is room for; the rest is dropped and counted. */
static void push_lines(struct log_writer *writer, struct str lines)
{
    size_t fits = 0;
    if (writer->shared.untold == 0) {
        fits = lines.len < ring_room(writer) ? lines.len : ring_room(writer);
        const char *last = memrchr(lines.data, '\n', fits);
        fits = last == NULL ? 0 : (size_t)(last - lines.data) + 1;
    }
    ring_copy_in(writer, str_from(lines.data, fits));
    pthread_cond_signal(&writer->shared.wake);

    uint64_t lost = count_lines(lines.data + fits, lines.len - fits);
    writer->shared.untold += lost;
    dropped += lost;
}

static uint64_t ring_lines(const struct log_writer *writer)
{
    size_t first = RING_BYTES - writer->shared.start;
    if (first >= writer->shared.held)
        return count_lines(writer->ring + writer->shared.start, writer->shared.held);
    return count_lines(writer->ring + writer->shared.start, first) +
           count_lines(writer->ring, writer->shared.held - first);
}

/* ---- lines ---- */

static void put_field(struct json *json, const struct log_field *field)
{
    switch (field->type) {
    case LOG_TYPE_STR:
        if (field->text.data == NULL)
            json_none(json, field->name);
        else
            json_str(json, field->name, field->text);
        break;
    case LOG_TYPE_U64:
        json_u64(json, field->name, (uint64_t)field->number);
        break;
    case LOG_TYPE_I64:
        json_i64(json, field->name, field->number);
        break;
    case LOG_TYPE_BOOL:
        json_bool(json, field->name, field->number != 0);
        break;
    }
}

static void make_line(struct buf *out, enum log_level level, const char *message,
                      const struct log_field *fields, size_t count)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    char time[CLOCK_ISO_BYTES];
    clock_format(clock_wall_ms(), time);

    struct json json;
    json_init(&json, out);
    json_object_begin(&json, NULL);
    json_text(&json, "time", time);
    json_text(&json, "level", names[level]);
    json_text(&json, "message", message);
    for (size_t i = 0; i < count; i++)
        put_field(&json, &fields[i]);
    json_object_end(&json);
    buf_append_char(out, '\n');
}

/* Nobody could be told of a failure here. */
static void write_to_stderr(struct str lines)
{
    while (lines.len > 0) {
        ssize_t written = write(STDERR_FILENO, lines.data, lines.len);
        if (written > 0)
            lines = str_slice(lines, (size_t)written, lines.len);
        else if (written == 0 || errno != EINTR)
            return;
    }
}

void log_lines(struct str lines)
{
    if (str_is_empty(lines))
        return;
    CHECK(lines.data[lines.len - 1] == '\n');
    pthread_mutex_lock(&lock);
    bool taken = current != NULL;
    if (taken)
        push_lines(current, lines);
    pthread_mutex_unlock(&lock);
    if (!taken)
        write_to_stderr(lines);
}

void log_fields(enum log_level level, const char *message, const struct log_field *fields,
                size_t count)
{
    if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
        return;
    struct buf line = BUF_EMPTY;
    make_line(&line, level, message, fields, count);
    log_lines(buf_str(&line));
    buf_deinit(&line);
}

bool log_is_due(_Atomic uint64_t *told_ms, uint64_t now_ms)
{
    uint64_t before_ms = atomic_load_explicit(told_ms, memory_order_relaxed);

    return (before_ms == 0 || now_ms >= before_ms + LOG_AGAIN_MS) &&
           atomic_compare_exchange_strong(told_ms, &before_ms, now_ms);
}

/* ---- the writer thread ---- */

/* O_NONBLOCK is for a FIFO: without a reader it is an error, not a wait. Files ignore it. */
static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

/* With the lock held, as all that changes what is shared. False when the deadline has come. */
static bool wait_until(pthread_cond_t *condition, uint64_t deadline_ms)
{
    struct timespec deadline = {(time_t)(deadline_ms / 1000), (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(condition, &lock, &deadline) != ETIMEDOUT;
}

/* Told as soon as there is room, at the end of the lines that came before the gap. */
static void tell_gap(struct log_writer *writer)
{
    if (writer->shared.untold == 0 || ring_room(writer) < ROOM_BYTES)
        return;
    struct buf line = BUF_EMPTY;
    struct log_field field = LOG_U64("dropped", writer->shared.untold);
    make_line(&line, LOG_WARN, "log lines dropped", &field, 1);
    ring_copy_in(writer, buf_str(&line));
    buf_deinit(&line);
    writer->shared.untold = 0;
}

/* `written` bytes from `chunk` on have reached the sink: move over the lines that are complete. */
static void account(struct log_writer *writer, const char *chunk, size_t written)
{
    const char *last = memrchr(chunk, '\n', written);
    if (last == NULL) {
        writer->sent += written;
        return;
    }
    size_t whole = (size_t)(last - chunk) + 1;
    size_t lines = writer->sent + whole;
    writer->shared.held -= lines;
    writer->shared.start = (writer->shared.start + lines) % RING_BYTES;
    writer->sent = written - whole;
    if (writer->shared.held == 0)
        writer->shared.start = 0; /* a quiet log touches the same few pages again and again */
    tell_gap(writer);
}

/* A new file begins with a whole line, also when the old one ends with a part of it. */
static void reopen_file(struct log_writer *writer)
{
    int fd = open_file(writer->path);
    if (fd < 0) {
        log_event(LOG_ERROR, "cannot reopen the log file", LOG_TEXT("file", writer->path),
                  LOG_TEXT("error", strerror(errno)));
        return;
    }
    close(writer->fd);
    writer->fd = fd;
    writer->sent = 0;
}

/* As write, and 0 for "not now, try again". */
static ssize_t write_some(int fd, const char *chunk, size_t len)
{
    ssize_t written = write(fd, chunk, len);
    if (written < 0 && errno == EAGAIN) {
        struct pollfd sink = {.fd = fd, .events = POLLOUT};
        poll(&sink, 1, PAUSE_MS);
        return 0;
    }
    return written < 0 && errno == EINTR ? 0 : written;
}

/* A full disk or a reader that is gone must not become a busy loop. */
static void pause_writing(struct log_writer *writer)
{
    uint64_t until_ms = clock_mono_ms() + PAUSE_MS;
    while (!writer->shared.reopen && clock_mono_ms() < until_ms)
        wait_until(&writer->shared.wake, until_ms);
}

/* Called with the lock held, and returns so; let go of in between, while it writes. */
static void write_chunk(struct log_writer *writer)
{
    size_t at = (writer->shared.start + writer->sent) % RING_BYTES;
    size_t len = writer->shared.held - writer->sent;
    len = len < RING_BYTES - at ? len : RING_BYTES - at;
    len = len < CHUNK_BYTES ? len : CHUNK_BYTES;

    pthread_mutex_unlock(&lock);
    ssize_t written = write_some(writer->fd, writer->ring + at, len);
    pthread_mutex_lock(&lock);

    if (written > 0)
        account(writer, writer->ring + at, (size_t)written);
    else if (written < 0)
        pause_writing(writer);
}

/* Waits for something to do; false when the thread is to end. */
static bool wait_for_work(struct log_writer *writer)
{
    while (writer->shared.held == 0 && !writer->shared.reopen && !writer->shared.stopping)
        pthread_cond_wait(&writer->shared.wake, &lock);
    if (writer->shared.stopping)
        return writer->shared.held > 0 && clock_mono_ms() < writer->shared.stop_at_ms;
    return true;
}

static void writer_free(struct log_writer *writer)
{
    if (writer->path != NULL)
        close(writer->fd);
    pthread_cond_destroy(&writer->shared.wake);
    pthread_cond_destroy(&writer->shared.over);
    mem_free(writer->path);
    mem_free(writer);
}

static void *writer_main(void *argument)
{
    struct log_writer *writer = argument;
    pthread_mutex_lock(&lock);
    while (wait_for_work(writer)) {
        if (writer->shared.reopen) {
            writer->shared.reopen = false;
            pthread_mutex_unlock(&lock);
            reopen_file(writer);
            pthread_mutex_lock(&lock);
        } else {
            write_chunk(writer);
        }
    }
    /* From here on nobody empties the ring: what is still said goes to stderr. */
    if (current == writer)
        current = NULL;
    writer->shared.ended = true;
    bool abandoned = writer->shared.abandoned;
    pthread_cond_signal(&writer->shared.over);
    pthread_mutex_unlock(&lock);
    if (abandoned)
        writer_free(writer);
    return NULL;
}

/* ---- start, reopen, stop ---- */

static struct log_writer *writer_new(int fd, const char *path)
{
    struct log_writer *writer = mem_zalloc(1, sizeof(*writer));
    writer->fd = fd;
    writer->path = path == NULL ? NULL : mem_strdup(path);

    /* Monotonic: a wall clock that is set must not stretch a pause. */
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->shared.wake, &monotonic);
    pthread_cond_init(&writer->shared.over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return writer;
}

/* Signals are for the main thread; and SIGPIPE, blocked, becomes EPIPE. */
static int start_thread(struct log_writer *writer)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&writer->thread, NULL, writer_main, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

bool log_start(const char *file, enum log_level level, struct error *error)
{
    int fd = file == NULL ? STDOUT_FILENO : open_file(file);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot open the log file %s", file);
    struct log_writer *writer = writer_new(fd, file);
    int failed = start_thread(writer);
    if (failed != 0) {
        writer_free(writer);
        return error_set_errno(error, failed, "cannot start the log's thread");
    }
    pthread_setname_np(writer->thread, "log");
    atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);

    pthread_mutex_lock(&lock);
    CHECK(current == NULL);
    current = writer;
    dropped = 0;
    pthread_mutex_unlock(&lock);
    return true;
}

void log_reopen(void)
{
    pthread_mutex_lock(&lock);
    if (current != NULL && current->path != NULL) {
        current->shared.reopen = true;
        pthread_cond_signal(&current->shared.wake);
    }
    pthread_mutex_unlock(&lock);
}

uint64_t log_dropped(void)
{
    pthread_mutex_lock(&lock);
    uint64_t lines = dropped;
    pthread_mutex_unlock(&lock);
    return lines;
}

void log_stop(void)
{
    pthread_mutex_lock(&lock);
    struct log_writer *writer = current;
    if (writer == NULL) {
        pthread_mutex_unlock(&lock);
        return;
    }
    writer->shared.stopping = true;
    writer->shared.stop_at_ms = clock_mono_ms() + STOP_MS;
    pthread_cond_signal(&writer->shared.wake);
    while (!writer->shared.ended && wait_until(&writer->shared.over, writer->shared.stop_at_ms)) {
    }
    current = NULL;
    dropped += ring_lines(writer);
    bool ended = writer->shared.ended;
    writer->shared.abandoned = !ended;
    pthread_t thread = writer->thread;
    pthread_mutex_unlock(&lock);

    if (ended) {
        pthread_join(thread, NULL);
        writer_free(writer);
    } else {
        pthread_detach(
            thread); /* blocked in write: it would keep us for as long as the sink does */
    }
}
