/*
 * buf.c - grows by doubling, and moves what is held to the front as rarely as it can.
 *
 * The trick is when to move: only if a reserve finds no room at the end and at least a quarter of
 * the block has been consumed. So a byte that passes through is moved about three times at most,
 * however small the steps are in which the buf is filled and eaten.
 */
#include "base/buf.h"

#include <stdio.h>

#include "base/check.h"

#define FIRST_BYTES 256

void buf_init(struct buf *buf)
{
    *buf = (struct buf)BUF_EMPTY;
}

void buf_deinit(struct buf *buf)
{
    mem_free(buf->data);
    buf_init(buf);
}

static void move_to_front(struct buf *buf)
{
    if (buf->start > 0 && buf->data != NULL) {
        memmove(buf->data, buf->data + buf->start, buf_len(buf));
        buf->end -= buf->start;
        buf->start = 0;
    }
}

static void grow(struct buf *buf, size_t needed)
{
    CHECK(needed <= PTRDIFF_MAX / 2);
    size_t cap = buf->cap == 0 ? FIRST_BYTES : buf->cap;
    while (cap < needed)
        cap *= 2;
    if (cap != buf->cap) {
        buf->data = mem_realloc(buf->data, cap);
        buf->cap = cap;
    }
}

char *buf_reserve(struct buf *buf, size_t size)
{
    if (buf->data != NULL && buf->cap - buf->end >= size)
        return buf->data + buf->end;
    if (buf->start >= buf->cap / 4)
        move_to_front(buf);
    CHECK(size <= PTRDIFF_MAX / 4 && buf->end <= PTRDIFF_MAX / 4);
    grow(buf, buf->end + size);
    return buf->data + buf->end;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    if (size > 0) {
        memcpy(buf_reserve(buf, size), data, size);
        buf_commit(buf, size);
    }
}

void buf_append_str(struct buf *buf, struct str s)
{
    buf_append(buf, s.data, s.len);
}

void buf_append_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf_commit(buf, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(buf, format, arguments);
    va_end(arguments);
}

void buf_vprintf(struct buf *buf, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    /* Most texts fit into what is free already: one pass. */
    char *room = buf_reserve(buf, 1);
    int len = vsnprintf(room, buf->cap - buf->end, format, arguments);
    CHECK(len >= 0);
    size_t size = (size_t)len;
    if (size >= buf->cap - buf->end) {
        room = buf_reserve(buf, size + 1);
        vsnprintf(room, size + 1, format, again);
    }
    va_end(again);
    buf_commit(buf, size);
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size < buf_len(buf)) {
        buf->start += size;
        return;
    }
    buf_clear(buf);
    if (buf->cap > BUF_KEEP_BYTES)
        buf_deinit(buf);
}
