/* dice.h - pseudo-random numbers that are the same on every machine. */
#ifndef SIMULATION_DICE_H
#define SIMULATION_DICE_H

#include <math.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

/* 64 bits (splitmix64). */
static inline uint64_t dice_throw(struct dice *dice)
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* 0 <= .. < 1. */
static inline double dice_real(struct dice *dice)
{
    return (double)(dice_throw(dice) >> 11) * 0x1p-53;
}

static inline unsigned dice_below(struct dice *dice, unsigned limit)
{
    return (unsigned)(((dice_throw(dice) >> 32) * limit) >> 32);
}

/* Mean 1. */
static inline double dice_exponential(struct dice *dice)
{
    return -log(1 - dice_real(dice));
}

/* Mean 0, deviation 1 (Box and Muller). */
static inline double dice_normal(struct dice *dice)
{
    double radius = sqrt(2 * dice_exponential(dice));
    return radius * cos(6.283185307179586 * dice_real(dice));
}

#endif
