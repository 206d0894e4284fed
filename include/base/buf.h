/*
 * buf.h - a growing run of bytes that is filled at its end and eaten from its front.
 *
 *     0 ........ start ............... end ............ cap
 *     | consumed | held: buf_str()     | free: reserve  |
 *
 * An empty buf holds no memory: it is allocated by the first append and given back by buf_deinit,
 * or as soon as everything is consumed and the block is larger than BUF_KEEP_BYTES. So an idle
 * connection owns nothing.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/str.h"

#define BUF_KEEP_BYTES 4096

struct buf {
    char *data; /* owned; NULL while cap is 0 */
    size_t start;
    size_t end;
    size_t cap;
};

#define BUF_EMPTY     \
    {                 \
        NULL, 0, 0, 0 \
    }

void buf_init(struct buf *buf);
void buf_deinit(struct buf *buf);

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

/* What is held; valid until the next call that changes the buf. */
static inline struct str buf_str(const struct buf *buf)
{
    return str_from(buf->data == NULL ? "" : buf->data + buf->start, buf_len(buf));
}

/* At least `size` free bytes; returns where they begin. Fill, then buf_commit what was filled. */
char *buf_reserve(struct buf *buf, size_t size);

static inline void buf_commit(struct buf *buf, size_t size)
{
    buf->end += size;
}

void buf_append(struct buf *buf, const void *data, size_t size);
void buf_append_str(struct buf *buf, struct str s);
void buf_append_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *buf, const char *format, va_list arguments) PRINTF_LIKE(2, 0);

/* Drops `size` bytes (at most what is held) from the front. */
void buf_consume(struct buf *buf, size_t size);

/* Drops what is held and keeps the memory. */
static inline void buf_clear(struct buf *buf)
{
    buf->start = buf->end = 0;
}

#endif
