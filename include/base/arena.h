/*
 * arena.h - memory that is freed all at once: a parsed configuration, a snapshot.
 *
 * What is taken from an arena is zeroed, aligned for any type, never freed alone and never moves.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* owned; newest first */
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);

void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));

/* An array of `count` zeroed elements of `size` bytes. */
void *arena_array(struct arena *arena, size_t count, size_t size) __attribute__((returns_nonnull));

/* A copy with a NUL behind it, so that .data is also a C string. */
struct str arena_str(struct arena *arena, struct str s);

struct str arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
