/*
 * window.c - sums at the ends of slots, in a ring.
 *
 *     ring:  [first] ........ [first + count - 1]         now
 *              |                    |                      |
 *              |                    +---- window_latest ---+
 *              +------ window_span (as far back as asked) -+
 *
 * Cells may wrap around: a difference of two sums is right as long as it is below 2^32.
 */
#include "control/window.h"

#include "base/check.h"

void window_init(struct window *window, unsigned slots)
{
    CHECK(slots > 0);
    *window = (struct window){
        .ring = mem_zalloc(slots, sizeof(*window->ring)),
        .capacity = slots,
    };
}

void window_deinit(struct window *window)
{
    mem_free(window->ring);
    *window = (struct window){.ring = NULL};
}

void window_begin(struct window *window, const struct window_sum *sum)
{
    window->count = 0;
    window->first = 0;
    window_push(window, sum);
}

/* The boundary number `index`, the oldest first. */
static struct window_sum *boundary(const struct window *window, unsigned index)
{
    return &window->ring[(window->first + index) % window->capacity];
}

void window_push(struct window *window, const struct window_sum *sum)
{
    CHECK(window->capacity > 0);
    if (window->count == window->capacity) {
        window->first = (window->first + 1) % window->capacity;
        window->count--;
    }
    *boundary(window, window->count++) = *sum;
}

static void subtract(const struct window_sum *now, const struct window_sum *from,
                     struct window_sum *span)
{
    *span = *now;
    for (int side = 0; side < SIDES; side++)
        sample_subtract(&span->side[side], &from->side[side]);
    span->at_ms = now->at_ms - from->at_ms;
}

bool window_span(const struct window *window, const struct window_sum *now, uint64_t span_ms,
                 struct window_sum *span)
{
    for (unsigned i = 0; i < window->count; i++) {
        const struct window_sum *from = boundary(window, i);

        if (now->at_ms - from->at_ms <= span_ms) {
            subtract(now, from, span);
            return true;
        }
    }
    return false;
}

bool window_latest(const struct window *window, const struct window_sum *now,
                   struct window_sum *span)
{
    if (window->count == 0)
        return false;
    subtract(now, boundary(window, window->count - 1), span);
    return true;
}
