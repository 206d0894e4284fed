/*
 * str.c - the operations on byte views that are too long to be inline.
 *
 * A str of length 0 may have a NULL pointer, and libc's mem* functions must not be given one:
 * hence the tests for an empty str before them.
 */
#include "base/str.h"

#include "base/check.h"

#define DISTANCE_LIMIT 63
#define DISTANCE_FAR   99

static bool same_letters(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (ascii_lower(a[i]) != ascii_lower(b[i]))
            return false;
    return true;
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.len == b.len && same_letters(a.data, b.data, a.len);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_from(s.data, prefix.len), prefix);
}

bool str_starts_with_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && same_letters(s.data, prefix.data, prefix.len);
}

bool str_ends_with_nocase(struct str s, struct str suffix)
{
    return suffix.len == 0 || (s.len >= suffix.len && same_letters(s.data + (s.len - suffix.len),
                                                                   suffix.data, suffix.len));
}

ptrdiff_t str_find_char(struct str s, char c, size_t from)
{
    if (from >= s.len)
        return -1;
    const char *found = memchr(s.data + from, c, s.len - from);
    return found == NULL ? -1 : found - s.data;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (to > s.len)
        to = s.len;
    if (from > to)
        from = to;
    return from == 0 ? str_from(s.data, to) : str_from(s.data + from, to - from);
}

bool str_next_part(struct str *rest, char separator, struct str *part)
{
    if (str_is_empty(*rest))
        return false;
    ptrdiff_t at = str_find_char(*rest, separator, 0);
    size_t len = at < 0 ? rest->len : (size_t)at;
    *part = str_trim(str_slice(*rest, 0, len));
    *rest = str_slice(*rest, len + 1, rest->len);
    return true;
}

bool str_list_has(struct str list, struct str token)
{
    struct str part;
    while (str_next_part(&list, ',', &part))
        if (str_eq_nocase(part, token))
            return true;
    return false;
}

bool str_to_u64(struct str s, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s.len; i++)
        if (!ascii_is_digit(s.data[i]) || __builtin_mul_overflow(sum, (uint64_t)10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(s.data[i] - '0'), &sum))
            return false;
    if (s.len == 0)
        return false;
    *value = sum;
    return true;
}

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/*
 * Optimal string alignment: two letters that changed places count as one mistake, because that is
 * how people mistype. Only the last three rows of the table are ever looked at.
 */
unsigned str_distance(struct str a, struct str b)
{
    unsigned rows[3][DISTANCE_LIMIT + 1];
    if (a.len > DISTANCE_LIMIT || b.len > DISTANCE_LIMIT)
        return DISTANCE_FAR;
    for (unsigned j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        const unsigned *two_above = rows[(i + 1) % 3];
        char letter = ascii_lower(a.data[i - 1]);
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            char other = ascii_lower(b.data[j - 1]);
            row[j] = min_of(min_of(above[j], row[j - 1]) + 1, above[j - 1] + (letter != other));
            if (i > 1 && j > 1 && letter == ascii_lower(b.data[j - 2]) &&
                other == ascii_lower(a.data[i - 2]))
                row[j] = min_of(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

char *str_dup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

bool str_eq_secret(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    /* volatile: or the compiler may see that the loop can end at the first difference. */
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (unsigned char)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}
