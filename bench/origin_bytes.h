/* Growing byte buffers, and the few ways of reading text that the origin needs.
 *
 * Used by every origin_*.c. Memory that cannot be had ends the process: an origin that drops
 * answers under memory pressure would only look like a proxy's mistake.
 */
#ifndef BENCH_ORIGIN_BYTES_H
#define BENCH_ORIGIN_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** bytes that belong to somebody else; not terminated */
struct span {
    const char *at; /* borrowed; NULL: there is none */
    size_t len;
};

struct bytes {
    char *at; /* owned */
    size_t len;
    size_t cap;
};

/** room for `more` bytes behind the present ones */
void bytes_reserve(struct bytes *b, size_t more);
void bytes_put(struct bytes *b, const void *at, size_t len);
void bytes_text(struct bytes *b, const char *text);
void bytes_format(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_vformat(struct bytes *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/** a JSON string with its quotes; every byte from 0x80 up becomes \u00XX, so nothing is lost */
void bytes_json(struct bytes *b, struct span text);
void bytes_free(struct bytes *b);

struct span span_of(const char *text);
bool span_is(struct span s, const char *text);
/** as span_is, ASCII case ignored: for header names and their tokens */
bool span_is_nocase(struct span s, const char *text);
bool span_contains_nocase(struct span s, const char *text);
bool span_starts(struct span s, const char *text);
/** a plain decimal number up to `max`; `suffixes` allows k, m and g (powers of 1024) */
bool span_number(struct span s, uint64_t max, bool suffixes, uint64_t *out);

#endif
