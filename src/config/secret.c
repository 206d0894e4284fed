/*
 * secret.c - secrets stand in files of their own, so that the configuration can be shown around.
 *
 * No problem ever repeats what is in such a file.
 */
#include "config/secret.h"

#include <errno.h>
#include <unistd.h>

#include "config/files.h"

#define FILE_MAX_BYTES (SECRET_MAX_BYTES + 64)

static bool read_all(int fd, char *bytes, size_t *len)
{
    *len = 0;
    while (*len < FILE_MAX_BYTES) {
        ssize_t got = read(fd, bytes + *len, FILE_MAX_BYTES - *len);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *len += got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str trim(struct str s)
{
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_space(s.data[0]))
        s = str_slice(s, 1, s.len);
    return s;
}

static bool is_secret(struct str text, uint64_t min)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7F)
            return false;
    return text.len >= min && text.len <= SECRET_MAX_BYTES;
}

bool secret_reader(struct schema *schema, const struct yaml_node *node,
                   const struct schema_key *key, void *place)
{
    const struct reader_range *range = key->argument;
    struct str path = STR("");
    struct error error;
    char bytes[FILE_MAX_BYTES];
    size_t len = 0;
    if (!schema_scalar(schema, node, "expected the path of a file", &path))
        return false;
    if (path.len == 0)
        return true; /* ${NAME:-}: as null */
    if (!word_file(path, &error))
        return schema_expected(schema, node, error.text);
    int fd = file_open(schema, node, path);
    if (fd < 0)
        return false;
    bool was_read = read_all(fd, bytes, &len) || error_set_errno(&error, errno, "cannot read it");
    (void)close(fd);
    if (!was_read)
        return file_bad(schema, node, error.text);
    struct str secret = trim(str_from(bytes, len));
    if (!is_secret(secret, range->min)) {
        (void)error_set(&error, "it must hold one word of %u to %d visible ASCII characters",
                        (unsigned)range->min, SECRET_MAX_BYTES);
        return file_bad(schema, node, error.text);
    }
    *(struct str *)place = arena_str(schema->arena, secret);
    return true;
}
