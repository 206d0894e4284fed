/* tempdir.h - a folder of its own for each test, and small helpers for the files in it. */
#ifndef TESTS_CONTROL_TEMPDIR_H
#define TESTS_CONTROL_TEMPDIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

struct tempdir {
    char path[64];
};

static inline void tempdir_make(struct tempdir *dir)
{
    *dir = (struct tempdir){.path = "/tmp/cutover-control-XXXXXX"};
    CHECK(mkdtemp(dir->path) != NULL);
}

static inline void tempdir_remove(struct tempdir *dir)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir->path);
    CHECK(system(command) == 0);
}

/* The path of `name` in the folder; good for the next three calls. */
static inline const char *tempdir_file(const struct tempdir *dir, const char *name)
{
    static char texts[4][128];
    static unsigned next;
    char *text = texts[next++ % ARRAY_LEN(texts)];

    snprintf(text, sizeof(texts[0]), "%s/%s", dir->path, name);
    return text;
}

static inline bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static inline void file_write(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "wb");

    CHECK(file != NULL);
    CHECK(fwrite(bytes.data, 1, bytes.len, file) == bytes.len);
    CHECK(fclose(file) == 0);
}

/* Appends to `bytes`; nothing when there is no such file. */
static inline void file_read(const char *path, struct buf *bytes)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL)
        return;
    do {
        got = fread(buf_reserve(bytes, 4096), 1, 4096, file);
        buf_commit(bytes, got);
    } while (got > 0);
    fclose(file);
}

#endif
