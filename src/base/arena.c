/*
 * arena.c - cuts allocations off the front block and starts a new block when it is used up.
 *
 *     arena.blocks -> | next size used | taken ....... | free ... |  -> older blocks, full
 *
 * Blocks come zeroed and no byte is handed out twice, so nothing is ever cleared here.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

#define BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next; /* owned */
    size_t size;
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    arena->blocks = NULL;
}

void arena_deinit(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        mem_free(block);
    }
}

static struct arena_block *push_block(struct arena *arena, size_t at_least)
{
    size_t usual = BLOCK_BYTES - sizeof(struct arena_block);
    size_t size = at_least > usual ? at_least : usual;
    struct arena_block *block = mem_zalloc(1, sizeof(*block) + size);
    block->next = arena->blocks;
    block->size = size;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    CHECK(size <= PTRDIFF_MAX / 2); /* so that neither rounding nor the block's head overflows */
    size_t unit = _Alignof(max_align_t);
    size_t rounded = (size + unit - 1) / unit * unit;

    struct arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < rounded)
        block = push_block(arena, rounded);
    void *taken = block->bytes + block->used;
    block->used += rounded;
    return taken;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(count, size, &total));
    return arena_alloc(arena, total);
}

struct str arena_str(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return str_from(copy, s.len);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(len >= 0);

    size_t size = (size_t)len + 1;
    char *text = arena_alloc(arena, size);
    va_start(arguments, format);
    vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return str_from(text, (size_t)len);
}
