/*
 * check.h - what must be true of our own state, and memory that cannot be had.
 *
 * CHECK is on in every build and is for our own mistakes only: bytes that came from a network, a
 * file or a user are never checked with it (they get an answer). It prints the place and aborts.
 *
 * Memory: an allocation that fails aborts with a line on stderr, so that no caller has an
 * out-of-memory path that nobody has ever run. Load is bounded by limits instead, which answer
 * 413, 431 or 503. Nothing outside base/ calls malloc or free.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/compiler.h"

#define CHECK(condition) \
    (LIKELY(condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

NORETURN void check_failed(const char *file, int line, const char *condition);

/* `size` bytes, not initialised. Freed with mem_free. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* `count` x `size` zeroed bytes; aborts on overflow of the product. */
void *mem_zalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc; `memory` may be NULL. */
void *mem_realloc(void *memory, size_t size) __attribute__((returns_nonnull));

/* A copy of the NUL-terminated `text`, freed with mem_free. */
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* NULL is allowed. */
void mem_free(void *memory);

#endif
