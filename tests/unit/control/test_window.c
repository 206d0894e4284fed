/* test_window.c - spans of the ring of sums. */
#include <criterion/criterion.h>

#include "base/check.h"
#include "control/window.h"

static struct window window;
static struct window_sum *sum, *span;

static void setup(void)
{
    window_init(&window, 3);
    sum = mem_zalloc(1, sizeof(*sum));
    span = mem_zalloc(1, sizeof(*span));
}

static void teardown(void)
{
    window_deinit(&window);
    mem_free(sum);
    mem_free(span);
}

TestSuite(window, .init = setup, .fini = teardown);

/* So much time later so many more requests were counted, on new. */
static const struct window_sum *later(uint64_t ms, uint32_t requests)
{
    sum->at_ms += ms;
    sum->side[SIDE_NEW].requests[7] += requests;
    return sum;
}

static uint32_t counted(void)
{
    return span->side[SIDE_NEW].requests[7];
}

Test(window, without_a_boundary_there_is_no_span)
{
    cr_assert_not(window_span(&window, later(5, 5), 1000, span));
    cr_assert_not(window_latest(&window, sum, span));
}

Test(window, a_span_is_what_came_after_its_boundary)
{
    window_begin(&window, later(100, 40));
    cr_assert(window_span(&window, later(10, 2), 1000, span));
    cr_assert_eq(counted(), 2, "what came before the begin does not count");
    cr_assert_eq(span->at_ms, 10);
    cr_assert_eq(span->side[SIDE_OLD].requests[7], 0);
    cr_assert(window_latest(&window, sum, span));
    cr_assert_eq(counted(), 2);
}

Test(window, a_span_goes_as_far_back_as_asked)
{
    window_begin(&window, later(100, 0));
    window_push(&window, later(10, 1));
    window_push(&window, later(10, 2));
    later(10, 4);
    cr_assert(window_span(&window, sum, 30, span));
    cr_assert_eq(counted(), 7);
    cr_assert_eq(span->at_ms, 30);
    cr_assert(window_span(&window, sum, 29, span));
    cr_assert_eq(counted(), 6);
    cr_assert(window_span(&window, sum, 10, span));
    cr_assert_eq(counted(), 4);
    cr_assert_not(window_span(&window, sum, 9, span), "no boundary is that near");
    cr_assert(window_latest(&window, sum, span));
    cr_assert_eq(counted(), 4);
}

Test(window, the_oldest_boundary_falls_out)
{
    window_begin(&window, later(100, 0));
    for (uint32_t i = 0; i < 10; i++)
        window_push(&window, later(10, 1));
    later(10, 1);
    cr_assert(window_span(&window, sum, UINT64_MAX, span));
    cr_assert_eq(counted(), 3);
    cr_assert_eq(span->at_ms, 30);
    window_begin(&window, sum);
    cr_assert(window_span(&window, later(1, 0), UINT64_MAX, span));
    cr_assert_eq(counted(), 0, "a new begin forgets all");
}

Test(window, cells_may_wrap_around)
{
    later(1, UINT32_MAX - 1);
    window_begin(&window, sum);
    cr_assert(window_span(&window, later(1, 5), 100, span));
    cr_assert_eq(counted(), 5);
}
