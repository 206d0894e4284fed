/*
 * files.c - paths that are looked at when the configuration is read, so that a wrong one is found
 * by "cutover check" and not when the file is needed.
 */
#include "config/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

/* ---- problems ---- */

static bool bad_path(struct schema *schema, const struct yaml_node *node, const char *kind,
                     const char *why)
{
    struct buf path = BUF_EMPTY;
    json_escape(&path, str_slice(node->text, 0, PATH_MAX));
    (void)schema_bad(schema, node, "the %s \"%.*s\": %s", kind, STR_ARG(buf_str(&path)), why);
    buf_deinit(&path);
    return false;
}

bool file_bad(struct schema *schema, const struct yaml_node *node, const char *why)
{
    return bad_path(schema, node, "file", why);
}

/* ---- files ---- */

/* O_NONBLOCK: a pipe by that name must not hold up the start. */
static int open_plain(struct str path, struct error *error)
{
    struct stat info;
    int fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open it");
        return -1;
    }
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        return fd;
    (void)close(fd);
    error_set(error, "not a plain file");
    return -1;
}

int file_open(struct schema *schema, const struct yaml_node *node, struct str path)
{
    struct error error;
    int fd = open_plain(path, &error);
    if (fd < 0)
        (void)file_bad(schema, node, error.text);
    return fd;
}

static bool read_path(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, word_rule_cb rule, struct str *path)
{
    const struct reader_word word = {rule};
    struct schema_key as_word = *key;
    as_word.argument = &word;
    return reader_word(schema, node, &as_word, path);
}

bool file_reader(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place)
{
    struct str path = STR("");
    if (!read_path(schema, node, key, word_file, &path))
        return false;
    if (path.len > 0) {
        int fd = file_open(schema, node, path);
        if (fd < 0)
            return false;
        (void)close(fd);
    }
    *(struct str *)place = path;
    return true;
}

/* ---- folders ---- */

static bool word_folder(struct str text, struct error *error)
{
    return word_file(text, error) || error_set(error, "expected the path of a folder");
}

bool folder_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place)
{
    struct str path = STR("");
    struct error error;
    struct stat info;
    if (!read_path(schema, node, key, word_folder, &path))
        return false;
    if (path.len > 0 && stat(path.data, &info) != 0) {
        error_set_errno(&error, errno, "cannot find it");
        return bad_path(schema, node, "folder", error.text);
    }
    if (path.len > 0 && !S_ISDIR(info.st_mode))
        return bad_path(schema, node, "folder", "not a folder");
    if (path.len > 0 && faccessat(AT_FDCWD, path.data, X_OK, AT_EACCESS) != 0) {
        error_set_errno(&error, errno, "cannot open files in it");
        return bad_path(schema, node, "folder", error.text);
    }
    *(struct str *)place = path;
    return true;
}
