/*
 * check.c - the two ways in which the process gives up: a broken promise of its own, no memory.
 *
 * Both write one line straight to stderr and abort, so that the core dump shows the place. The log
 * is not used: it may be the very thing that is broken.
 */
#include "base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "cutover: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}

NORETURN static void out_of_memory(size_t size)
{
    fprintf(stderr, "cutover: out of memory (%zu bytes)\n", size);
    abort();
}

/* malloc(0) may answer NULL, which is no failure: one byte is asked for instead. */
static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *mem_alloc(size_t size)
{
    void *memory = malloc(at_least_one(size));
    if (memory == NULL)
        out_of_memory(size);
    return memory;
}

void *mem_zalloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        out_of_memory(SIZE_MAX);
    void *memory = calloc(1, at_least_one(total));
    if (memory == NULL)
        out_of_memory(total);
    return memory;
}

void *mem_realloc(void *memory, size_t size)
{
    void *moved = realloc(memory, at_least_one(size));
    if (moved == NULL)
        out_of_memory(size);
    return moved;
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    memcpy(copy, text, size);
    return copy;
}

void mem_free(void *memory)
{
    free(memory);
}
