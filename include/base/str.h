/*
 * str.h - a view of bytes: pointer and length, passed by value, never NUL-terminated.
 *
 * A str owns nothing; whoever made it says how long its bytes live. Letters are compared in ASCII
 * only, whatever the locale.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

struct str {
    const char *data;
    size_t len;
};

/* A str of a string literal, and the same as a constant initialiser. */
#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }

/* For printf's "%.*s". */
#define STR_ARG(string) (int)(string).len, (string).data

static inline struct str str_of(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline struct str str_from(const char *data, size_t len)
{
    return (struct str){data, len};
}

static inline bool str_is_empty(struct str s)
{
    return s.len == 0;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool str_eq_nocase(struct str a, struct str b);
bool str_starts_with(struct str s, struct str prefix);
bool str_starts_with_nocase(struct str s, struct str prefix);
bool str_ends_with_nocase(struct str s, struct str suffix);

/* Index of the first `c` at or after `from`, or -1. */
ptrdiff_t str_find_char(struct str s, char c, size_t from);

/* Without the spaces and tabs (the OWS of RFC 9110 5.6.3) at both ends. */
struct str str_trim(struct str s);

/* The part from `from` up to `to` (clamped to the length). */
struct str str_slice(struct str s, size_t from, size_t to);

/*
 * Cuts the next part off `rest`, up to `separator` or the end, trimmed; false when there is none
 * left. "a, b" gives "a" then "b"; an empty part between two separators is given as empty.
 */
bool str_next_part(struct str *rest, char separator, struct str *part);

/* True when the comma-separated list `list` has `token`, letters compared without case. */
bool str_list_has(struct str list, struct str token);

/* Digits only (no sign, no space), at least one; false otherwise or on overflow. */
bool str_to_u64(struct str s, uint64_t *value) MUST_CHECK;

/* Edit distance of two words without case, for "did you mean"; words over 63 bytes give 99. */
unsigned str_distance(struct str a, struct str b);

/* A NUL-terminated copy, freed with mem_free. */
char *str_dup(struct str s);

/* Same bytes, decided in a time that does not depend on them (tokens, secrets). */
bool str_eq_secret(struct str a, struct str b);

#endif
