/*
 * log.h - lines for people and machines: one JSON object a line, on stdout or in a file.
 *
 * The message is a constant text and the facts are keys, so that a line can be searched for:
 *
 *     log_event(LOG_WARN, "server is down", LOG_TEXT("server", url), LOG_U64("failures", n));
 *     {"time":"2026-11-20T10:01:02.345Z","level":"warn","message":"server is down","server":...}
 *
 * Nothing that logs ever waits: lines go into a bounded ring in memory, and a thread of its own
 * writes them out. When the sink blocks or its disk is full the ring fills, further lines are
 * dropped, and the drops are counted and told in a line as soon as there is room again.
 *
 * The log is the one thing in the process that is global: every module may speak. Safe from any
 * thread. Before log_start and after log_stop lines go to stderr, straight.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"
#include "base/str.h"

enum log_level { LOG_DEBUG = 0, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_type { LOG_TYPE_STR, LOG_TYPE_U64, LOG_TYPE_I64, LOG_TYPE_BOOL };

struct log_field {
    const char *name;
    enum log_type type;
    struct str text;
    int64_t number;
};

#define LOG_STR(key, value)  ((struct log_field){key, LOG_TYPE_STR, (value), 0})
#define LOG_TEXT(key, value) ((struct log_field){key, LOG_TYPE_STR, str_of(value), 0})
#define LOG_U64(key, value)  ((struct log_field){key, LOG_TYPE_U64, {NULL, 0}, (int64_t)(value)})
#define LOG_I64(key, value)  ((struct log_field){key, LOG_TYPE_I64, {NULL, 0}, (int64_t)(value)})
#define LOG_BOOL(key, value) ((struct log_field){key, LOG_TYPE_BOOL, {NULL, 0}, (value) ? 1 : 0})

/* One or more LOG_* fields follow the message. */
#define log_event(level, message, ...)                                  \
    log_fields(level, message, (const struct log_field[]){__VA_ARGS__}, \
               sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* A line without further facts. */
#define log_message(level, message) log_fields(level, message, NULL, 0)

void log_fields(enum log_level level, const char *message, const struct log_field *fields,
                size_t count);

/*
 * Whether something that happens again and again is to be told now: once in LOG_AGAIN_MS. `told_ms`
 * is the caller's, 0 at first, and may be shared by threads, each with its own idea of `now_ms`
 * (monotonic): one of them tells.
 */
#define LOG_AGAIN_MS 10000
bool log_is_due(_Atomic uint64_t *told_ms, uint64_t now_ms);

/* Whole lines, each ended by '\n', as they are (access lines of a worker). */
void log_lines(struct str lines);

/*
 * Starts the writer thread. `file` NULL: stdout. The file is created with mode 0640 and appended
 * to. Lines below `level` are left out from here on.
 */
bool log_start(const char *file, enum log_level level, struct error *error) MUST_CHECK;

/* Opens the file anew under its name (log rotation); no effect on stdout. Any thread. */
void log_reopen(void);

/* Lines dropped since log_start because the sink did not take them. */
uint64_t log_dropped(void);

/* Writes out what is left, for at most one second, and ends the thread. */
void log_stop(void);

#endif
