/*
 * compare_rate.c - limits of a rate and of a rank, and the two distributions that they need.
 *
 * A rate p is within the limits at z as long as the likelihood of what was seen is not smaller than
 * its largest by more than a factor e^(z^2/2):
 *
 *     n KL(seen || p) <= z^2 / 2        KL(a || b) = a ln(a/b) + (1-a) ln((1-a)/(1-b))
 *
 * With half an observation taken towards the inside of either end (the continuity correction) the
 * chance beyond a limit is that of z even at a z of 6 and for a few errors, where the normal
 * approximation is wrong by powers of ten.
 */
#include <math.h>

#include "compare_inside.h"

/* Newton's steps until a limit is exact to 1e-12; the curve is convex, so it is met from one side. */
#define STEPS_MAX 100

double compare_rate_lower(double x, double n, double z)
{
    if (n <= 0 || x <= 0.5)
        return 0;
    double seen = (x - 0.5) / n, most = z * z / 2 / n;
    if (seen >= 1)
        return exp(-most);
    /* p = seen e^-t; beyond this t the first term alone is too much. */
    double t = (most + 1) / seen;
    for (int i = 0; i < STEPS_MAX; i++) {
        double p = seen * exp(-t);
        double excess = seen * t + (1 - seen) * log((1 - seen) / (1 - p)) - most;
        double slope = (seen - p) / (1 - p);
        double step = slope > 0 ? excess / slope : 0;
        if (step <= 1e-12 * t)
            break;
        t -= step;
    }
    return seen * exp(-t);
}

double compare_rate_upper(double x, double n, double z)
{
    return 1 - compare_rate_lower(n - x, n, z);
}

/* The share between `level` and `end` from where on n samples are too far from `level` at z: Newton's
 * steps, halving instead where one would leave what is known to hold the share. */
static double share_beyond(double level, double end, double n, double z)
{
    double near = level, far = end, most = z * z / 2 / n;
    double guess = level + (end - level) * fmin(z * sqrt(level * (1 - level) / n), 0.5);
    for (int i = 0; i < STEPS_MAX && fabs(far - near) > 1e-10; i++) {
        double odds = log(guess / level), others = log((1 - guess) / (1 - level));
        double excess = guess * odds + (1 - guess) * others - most;
        *(excess < 0 ? &near : &far) = guess;
        double next = guess - excess / (odds - others);
        bool is_inside = near < far ? next > near && next < far : next < near && next > far;
        if (fabs(next - guess) < 1e-10)
            break;
        guess = is_inside ? next : (near + far) / 2;
    }
    return guess;
}

/*
 * How many of n lie below the true quantile is binomial with `level`. So a sample's level is taken
 * as long as that many could have been seen, which is not the same as the limits of a rate of which
 * level * n were seen: 50 values hold no upper limit of a p95 at z = 5, since all of them may lie
 * below it.
 */
void compare_levels(double level, double n, double z, double *lower, double *upper)
{
    *lower = 0;
    *upper = 1;
    if (n <= 0)
        return;
    double least = share_beyond(level, 0, n, z) - 0.5 / n;
    *lower = least > 0 ? least : 0;
    if (-n * log(level) > z * z / 2)
        *upper = share_beyond(level, 1, n, z) + 0.5 / n;
}

double compare_z(double chance)
{
    double low = 0, high = 38; /* beyond it erfc is 0 */
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(middle / sqrt(2)) / 2 > chance)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* After Wallace (1959), the other way round; within 1 % of the true t from 5 degrees of freedom on,
 * as far out as z = 6, where a Cornish-Fisher series of three terms is not. */
double compare_t(double z, double freedom)
{
    if (freedom <= 0)
        return INFINITY;
    double normal = z * (8 * freedom + 3) / (8 * freedom + 1);
    return sqrt(freedom * expm1(normal * normal / freedom));
}
