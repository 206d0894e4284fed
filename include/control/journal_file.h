/*
 * journal_file.h - one file of the journal as it is found: opened with care, read, mended at its end.
 * For journal.c only.
 */
#ifndef CONTROL_JOURNAL_FILE_H
#define CONTROL_JOURNAL_FILE_H

#include "base/buf.h"
#include "base/error.h"
#include "control/events.h"

/* What stands in it. */
struct journal_found {
    bool is_readable;     /* else: too large, or nothing in it is an event */
    uint64_t whole_bytes; /* from the front: behind it a last line was cut short */
    uint64_t torn_bytes;
    unsigned lines, bad_lines; /* bad: no event, or its id is not above the ones before */
    uint64_t newest_id;        /* 0: none */
};

/* A descriptor, or -1. A link, folder, device or FIFO under this name is an error. */
int journal_file_open(const char *path, bool writable, struct error *error);

/* Reads it from the front; `events` (NULL: none) takes each in. False: it cannot be read. */
bool journal_file_read(int fd, struct events *events, struct journal_found *found,
                       struct error *error);

#endif
