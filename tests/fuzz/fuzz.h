/*
 * fuzz.h - what the fuzz targets share. Each is one file with one function, which libFuzzer calls
 * with one input after another; a property that does not hold is a CHECK, and so a crash.
 *
 * Inputs are plain bytes of the protocol, so that a corpus can be read and written by hand. What a
 * target needs besides (where to cut, which options) it draws from a hash of the input: the same
 * input always does the same.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/buf.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Numbers that look random and depend on the input alone. */
struct dice {
    uint64_t state;
};

static inline struct dice dice_of(struct str input)
{
    struct dice dice = {UINT64_C(0xcbf29ce484222325)};

    for (size_t i = 0; i < input.len; i++)
        dice.state = (dice.state ^ (unsigned char)input.data[i]) * UINT64_C(0x100000001b3);
    return dice;
}

/* 0 .. sides - 1 */
static inline unsigned dice_roll(struct dice *dice, unsigned sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice->state >> 33) % sides;
}

static inline bool dice_flip(struct dice *dice)
{
    return dice_roll(dice, 2) == 0;
}

/* How much of `left` bytes the next piece has: often one, often all, else something between. */
static inline size_t dice_piece(struct dice *dice, size_t left)
{
    switch (dice_roll(dice, 4)) {
    case 0:
        return left;
    case 1:
        return left < 1 ? left : 1;
    default:
        return left == 0 ? 0 : 1 + dice_roll(dice, left < 64 ? (unsigned)left : 64);
    }
}

static inline struct str input_of(const uint8_t *data, size_t size)
{
    return str_from((const char *)data, size);
}

/* A copy in memory of exactly its size, so that a read beyond its end is seen. mem_free. */
static inline char *copy_of(struct str s)
{
    char *copy = mem_alloc(s.len > 0 ? s.len : 1);

    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    return copy;
}

#endif
