/*
 * expand.c - between yaml's text and the schema's readers: the environment is put in.
 *
 *     http://${HOST:-127.0.0.1}:3000
 *     copied | variable          | copied
 */
#include "config/expand.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"

/* What stands between "${" and "}". */
struct variable {
    struct str name;
    bool has_fallback;
    struct str fallback;
};

static bool is_name_byte(char c, bool first)
{
    char lower = ascii_lower(c);
    return c == '_' || (lower >= 'a' && lower <= 'z') || (!first && ascii_is_digit(c));
}

static bool variable_parse(struct str inside, struct variable *variable)
{
    size_t end = 0;
    while (end < inside.len && is_name_byte(inside.data[end], end == 0))
        end++;
    variable->name = str_slice(inside, 0, end);
    struct str rest = str_slice(inside, end, inside.len);
    variable->has_fallback = str_starts_with(rest, STR(":-"));
    variable->fallback = str_slice(rest, 2, rest.len);
    return end > 0 && (rest.len == 0 || variable->has_fallback);
}

static bool append_variable(const struct variable *variable, struct buf *out, struct error *error)
{
    char *name = str_dup(variable->name);
    struct str value = str_of(getenv(name));
    mem_free(name);

    if (value.len == 0 && variable->has_fallback) {
        value = variable->fallback;
    } else if (value.data == NULL) {
        return error_set(error,
                         "the environment variable %.*s is not set: set it, or give a default as "
                         "in ${%.*s:-default}",
                         STR_ARG(variable->name), STR_ARG(variable->name));
    }
    if (buf_len(out) + value.len > EXPAND_MAX_BYTES)
        return error_set(error, "longer than %d bytes with its variables put in", EXPAND_MAX_BYTES);
    buf_append_str(out, value);
    return true;
}

/* Takes "${...}" off the front of `rest`. */
static bool take_variable(struct str *rest, struct buf *out, struct error *error)
{
    struct variable variable;
    ptrdiff_t end = str_find_char(*rest, '}', 2);
    if (end < 0 || !variable_parse(str_slice(*rest, 2, (size_t)end), &variable)) {
        return error_set(error, "expected a variable such as ${NAME} or ${NAME:-default} ($${ "
                                "stands for ${ itself)");
    }
    *rest = str_slice(*rest, (size_t)end + 1, rest->len);
    return append_variable(&variable, out, error);
}

static bool expand_into(struct str rest, struct buf *out, struct error *error)
{
    while (rest.len > 0) {
        if (str_starts_with(rest, STR("${"))) {
            if (!take_variable(&rest, out, error))
                return false;
            continue;
        }
        bool is_escape = str_starts_with(rest, STR("$${"));
        buf_append_str(out, is_escape ? STR("${") : str_slice(rest, 0, 1));
        rest = str_slice(rest, is_escape ? 3 : 1, rest.len);
    }
    return true;
}

bool expand(struct str written, struct arena *arena, struct str *value, struct error *error)
{
    struct buf out = BUF_EMPTY;
    bool good = expand_into(written, &out, error);
    if (good)
        *value = arena_str(arena, buf_str(&out));
    buf_deinit(&out);
    return good;
}
