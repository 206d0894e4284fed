/* Growing byte buffers; see origin_bytes.h. The bottom layer of the origin: libc only. */
#include "origin_bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void bytes_reserve(struct bytes *b, size_t more)
{
    if (b->cap - b->len >= more)
        return;
    size_t cap = b->cap == 0 ? 256 : b->cap;
    while (cap - b->len < more)
        cap *= 2;
    char *at = realloc(b->at, cap);
    if (at == NULL)
        abort();
    b->at = at;
    b->cap = cap;
}

void bytes_put(struct bytes *b, const void *at, size_t len)
{
    if (len == 0)
        return; /* memcpy from NULL is undefined even for no bytes */
    bytes_reserve(b, len);
    memcpy(b->at + b->len, at, len);
    b->len += len;
}

void bytes_text(struct bytes *b, const char *text)
{
    bytes_put(b, text, strlen(text));
}

void bytes_vformat(struct bytes *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (need < 0)
        abort();
    bytes_reserve(b, (size_t)need + 1);
    vsnprintf(b->at + b->len, (size_t)need + 1, format, args);
    b->len += (size_t)need;
}

void bytes_format(struct bytes *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bytes_vformat(b, format, args);
    va_end(args);
}

void bytes_json(struct bytes *b, struct span text)
{
    bytes_put(b, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', (char)c};
            bytes_put(b, pair, 2);
        } else if (c < 0x20 || c >= 0x7f) {
            bytes_format(b, "\\u%04x", (unsigned)c);
        } else {
            bytes_put(b, &text.at[i], 1);
        }
    }
    bytes_put(b, "\"", 1);
}

void bytes_free(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){0};
}

struct span span_of(const char *text)
{
    return (struct span){.at = text, .len = strlen(text)};
}

bool span_is(struct span s, const char *text)
{
    return s.at != NULL && s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

bool span_is_nocase(struct span s, const char *text)
{
    return s.at != NULL && s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

bool span_contains_nocase(struct span s, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= s.len; i++)
        if (strncasecmp(s.at + i, text, len) == 0)
            return true;
    return false;
}

bool span_starts(struct span s, const char *text)
{
    size_t len = strlen(text);
    return s.len >= len && memcmp(s.at, text, len) == 0;
}

static unsigned suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

bool span_number(struct span s, uint64_t max, bool suffixes, uint64_t *out)
{
    unsigned shift = 0;
    if (suffixes && s.len > 1) {
        shift = suffix_shift(s.at[s.len - 1]);
        s.len -= shift != 0;
    }
    if (s.len == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.at[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > max >> shift)
        return false;
    *out = value << shift;
    return true;
}
