/*
 * store.c - the state file on the disk. What a write does, and what stands on disk after each step
 * (A the old state, B the new one, Z the one before A):
 *
 *                                      FILE   FILE.prev
 *     write FILE.tmp, fsync             A      Z
 *     link FILE to FILE.prev.tmp        A      Z
 *     rename it to FILE.prev            A      A
 *     rename FILE.tmp to FILE           B      A
 *     fsync of the folder               B      A       now, and not before, the answer is "saved"
 *
 * Killed at any line, the next start reads A or B. A step that fails undoes the ones before it. A
 * FILE that was found damaged never becomes FILE.prev: that one is then the only good copy.
 */
#include "control/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

struct paths {
    struct arena arena;
    const char *file, *temp, *prev, *prev_temp, *lock, *folder;
};

static void paths_init(struct paths *paths, const struct store *store)
{
    const char *slash = strrchr(store->path, '/');

    arena_init(&paths->arena);
    paths->file = store->path;
    paths->temp = arena_printf(&paths->arena, "%s.tmp", store->path).data;
    paths->prev = arena_printf(&paths->arena, "%s.prev", store->path).data;
    paths->prev_temp = arena_printf(&paths->arena, "%s.prev.tmp", store->path).data;
    paths->lock = arena_printf(&paths->arena, "%s.lock", store->path).data;
    if (slash == NULL) {
        paths->folder = ".";
    } else if (slash == store->path) {
        paths->folder = "/";
    } else {
        struct str folder = str_from(store->path, (size_t)(slash - store->path));

        paths->folder = arena_str(&paths->arena, folder).data;
    }
}

static void paths_deinit(struct paths *paths)
{
    arena_deinit(&paths->arena);
}

/* Open and close */

/* A folder under one of the two names is somebody's mistake or somebody else's data: it is neither
 * read nor put aside. */
static bool check_not_folder(const char *path, const char *what, struct error *error)
{
    struct stat status;

    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode))
        return true;
    return error_set(error, "%s %s is a folder: %s", what, path,
                     strcmp(what, "state_file") == 0 ? "name a file in it" : "move it away");
}

/* A descriptor that holds the lock, or -1. */
static int take_lock(const struct paths *paths, struct error *error)
{
    int fd = open(paths->lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s, the lock of the state file", paths->lock);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK) {
        error_set(error, "another cutover runs on the state file %s (it holds %s)", paths->file,
                  paths->lock);
    } else {
        error_set_errno(error, errno, "cannot take %s, the lock of the state file", paths->lock);
    }
    close(fd);
    return -1;
}

static bool make_folder(const struct paths *paths, struct error *error)
{
    return mkdir(paths->folder, 0750) == 0 || errno == EEXIST ||
           error_set_errno(error, errno, "cannot make the folder %s of the state file",
                           paths->folder);
}

bool store_open(struct store *store, const char *path, struct error *error)
{
    struct paths paths;
    bool locked;

    *store = (struct store){.path = mem_strdup(path), .lock_fd = -1};
    paths_init(&paths, store);
    if (check_not_folder(paths.file, "state_file", error) &&
        check_not_folder(paths.prev, "the previous copy of the state file,", error) &&
        make_folder(&paths, error))
        store->lock_fd = take_lock(&paths, error);
    locked = store->lock_fd >= 0;
    if (locked) {
        unlink(paths.temp);
        unlink(paths.prev_temp);
    }
    paths_deinit(&paths);
    if (!locked)
        store_close(store);
    return locked;
}

/* FILE.lock stays: a lock file that comes and goes can be locked twice. */
void store_close(struct store *store)
{
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    mem_free(store->path);
    *store = (struct store){.lock_fd = -1};
}

/* Read */

enum copy { COPY_MISSING = 0, COPY_BAD, COPY_WHOLE };

/* Up to one byte more than a record may have, which the decoder then refuses. */
static bool read_bytes(int fd, struct buf *bytes, struct error *error)
{
    while (buf_len(bytes) <= RECORD_MAX_BYTES) {
        ssize_t got = read(fd, buf_reserve(bytes, 4096), 4096);

        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return error_set_errno(error, errno, "it cannot be read");
        buf_commit(bytes, got > 0 ? (size_t)got : 0);
    }
    return true;
}

static enum copy read_copy(const char *path, struct state *state, struct arena *arena,
                           struct error *error)
{
    struct buf bytes;
    struct stat status;
    bool whole;
    /* O_NONBLOCK: somebody's FIFO under this name must not hang the start. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        error_set(error, "it does not exist");
        return COPY_MISSING;
    }
    if (fd < 0 || fstat(fd, &status) < 0) {
        error_set_errno(error, errno, "it cannot be opened");
        if (fd >= 0)
            close(fd);
        return COPY_BAD;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, "it is not a regular file");
        close(fd);
        return COPY_BAD;
    }
    buf_init(&bytes);
    struct record_clock clock = record_clock_now();
    whole = read_bytes(fd, &bytes, error) &&
            record_decode(buf_str(&bytes), &clock, state, arena, error);
    buf_deinit(&bytes);
    close(fd);
    return whole ? COPY_WHOLE : COPY_BAD;
}

/* What the person who starts us is told when there is a state and it cannot be read. */
static void explain_unreadable(const struct paths *paths, const struct error *file_error,
                               const struct error *prev_error, struct error *error)
{
    error_set(error, "the state cannot be read. %s: %.120s. %s: %.120s", paths->file,
              file_error->text, paths->prev, prev_error->text);
}

enum store_found store_read(struct store *store, struct state *state, struct arena *arena,
                            struct error *error)
{
    struct error file_error, prev_error;
    struct state prev_state;
    struct paths paths;
    enum store_found found;
    enum copy file, prev;

    paths_init(&paths, store);
    file = read_copy(paths.file, state, arena, &file_error);
    prev = read_copy(paths.prev, &prev_state, arena, &prev_error);
    if (prev == COPY_WHOLE && (file != COPY_WHOLE || prev_state.sequence > state->sequence)) {
        error_set(error, "%s was taken: %s: %s", paths.prev, paths.file,
                  file == COPY_WHOLE ? "it is older" : file_error.text);
        *state = prev_state;
        found = STORE_PREVIOUS;
    } else if (file == COPY_WHOLE) {
        found = STORE_READ;
    } else if (file == COPY_MISSING && prev == COPY_MISSING) {
        found = STORE_NONE;
    } else {
        explain_unreadable(&paths, &file_error, &prev_error, error);
        found = STORE_UNREADABLE;
    }
    store->present_is_whole = found == STORE_READ;
    store->sequence = found == STORE_READ || found == STORE_PREVIOUS ? state->sequence : 0;
    paths_deinit(&paths);
    return found;
}

/* Write */

static bool write_bytes(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = write(fd, bytes.data, bytes.len);

        if (sent < 0 && errno != EINTR)
            return false;
        bytes = str_slice(bytes, sent > 0 ? (size_t)sent : 0, bytes.len);
    }
    return true;
}

static bool write_temp(const char *path, struct str bytes, struct error *error)
{
    int fd, failure;
    bool written;

    unlink(path); /* of a write that could not even clean up */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(error, errno, "cannot create %s", path);
    written = write_bytes(fd, bytes) && fsync(fd) == 0;
    failure = errno;
    if (close(fd) < 0 && written) {
        written = false;
        failure = errno;
    }
    if (!written) {
        error_set_errno(error, failure, "cannot write %s", path);
        unlink(path);
    }
    return written;
}

/*
 * Makes FILE.prev another name of FILE. Where the file system has no hard links FILE is renamed
 * instead; for a moment FILE.prev alone is there then, and a start at that moment reads it.
 */
static bool keep_previous(const struct paths *paths, struct error *error)
{
    bool kept;
    int failure;

    unlink(paths->prev_temp);
    if (link(paths->file, paths->prev_temp) == 0)
        kept = rename(paths->prev_temp, paths->prev) == 0;
    else if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS || errno == EMLINK)
        kept = rename(paths->file, paths->prev) == 0;
    else
        kept = errno == ENOENT; /* somebody removed FILE: nothing to keep */
    failure = errno;
    /* A rename between two names of one file does nothing, and leaves both. */
    unlink(paths->prev_temp);
    return kept ||
           error_set_errno(error, failure, "cannot keep %s as %s", paths->file, paths->prev);
}

/* FILE.tmp becomes FILE. False: FILE, or FILE.prev where FILE was no good, is as it was. */
static bool replace_file(struct store *store, const struct paths *paths, int folder_fd,
                         struct error *error)
{
    bool keep = store->present_is_whole;

    if (keep && !keep_previous(paths, error))
        return false;
    if (rename(paths->temp, paths->file) < 0) {
        error_set_errno(error, errno, "cannot rename %s to %s", paths->temp, paths->file);
        if (keep)
            rename(paths->prev, paths->file);
        return false;
    }
    if (fsync(folder_fd) == 0)
        return true;
    error_set_errno(error, errno, "cannot sync the folder %s", paths->folder);
    if (!keep || rename(paths->prev, paths->file) < 0) {
        unlink(paths->file);
        store->present_is_whole = false;
    }
    fsync(folder_fd);
    return false;
}

static bool write_files(struct store *store, const struct paths *paths, struct str bytes,
                        struct error *error)
{
    bool written;
    /* First of all, so that nothing but the sync itself can fail once FILE is replaced. */
    int folder_fd = open(paths->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder_fd < 0)
        return error_set_errno(error, errno, "cannot open the folder %s", paths->folder);
    written = write_temp(paths->temp, bytes, error) && replace_file(store, paths, folder_fd, error);
    if (!written)
        unlink(paths->temp);
    close(folder_fd);
    return written;
}

/* Whether the lock file that a second cutover would try is still the one that is locked here. */
static bool holds_lock(const struct store *store, const struct paths *paths)
{
    struct stat held, named;

    return fstat(store->lock_fd, &held) == 0 && stat(paths->lock, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Somebody removed the lock file, most likely with its folder: whoever comes first has it now. */
static bool take_lock_anew(struct store *store, const struct paths *paths, struct error *error)
{
    uint64_t sequence = store->sequence;
    struct error ignored;
    struct arena arena;
    struct state found;
    int fd = take_lock(paths, error);

    if (fd < 0)
        return false;
    close(store->lock_fd);
    store->lock_fd = fd;
    /* Another cutover may have been here meanwhile: what comes next must be newer than its state.
     */
    arena_init(&arena);
    store_read(store, &found, &arena, &ignored);
    arena_deinit(&arena);
    if (store->sequence < sequence)
        store->sequence = sequence;
    return true;
}

bool store_write(struct store *store, struct state *state, struct error *error)
{
    struct paths paths;
    struct buf bytes;
    bool written;

    paths_init(&paths, store);
    if (!holds_lock(store, &paths) && !take_lock_anew(store, &paths, error)) {
        paths_deinit(&paths);
        return false;
    }
    if (state->sequence <= store->sequence)
        state->sequence = store->sequence + 1;
    buf_init(&bytes);
    struct record_clock clock = record_clock_now();
    record_encode(state, &clock, &bytes);
    if (buf_len(&bytes) > RECORD_MAX_BYTES)
        written = error_set(error, "the state is larger than %d bytes", RECORD_MAX_BYTES);
    else
        written = write_files(store, &paths, buf_str(&bytes), error);
    if (written) {
        store->sequence = state->sequence;
        store->present_is_whole = true;
    }
    paths_deinit(&paths);
    buf_deinit(&bytes);
    return written;
}

/* Reset */

static bool put_aside(const char *path, struct error *error)
{
    struct arena arena;
    const char *aside;
    bool done;

    arena_init(&arena);
    aside = arena_printf(&arena, "%s.bad", path).data;
    done = rename(path, aside) == 0 || errno == ENOENT ||
           error_set_errno(error, errno, "cannot move %s aside to %s", path, aside);
    arena_deinit(&arena);
    return done;
}

bool store_reset(struct store *store, struct error *error)
{
    struct paths paths;
    bool done;

    paths_init(&paths, store);
    done = put_aside(paths.file, error) && put_aside(paths.prev, error);
    paths_deinit(&paths);
    store->present_is_whole = false;
    store->sequence = 0;
    return done;
}
