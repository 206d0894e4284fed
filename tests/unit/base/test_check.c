#include "base/check.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

Test(check, a_broken_promise_aborts, .signal = SIGABRT)
{
    CHECK(1 + 1 == 3);
}

Test(check, a_kept_promise_costs_nothing)
{
    CHECK(1 + 1 == 2);
}

Test(check, a_product_that_overflows_aborts, .signal = SIGABRT)
{
    mem_free(mem_zalloc(SIZE_MAX / 2, 3));
}

Test(check, no_bytes_are_memory_too)
{
    mem_free(mem_alloc(0));
    mem_free(mem_zalloc(0, 8));
    mem_free(mem_realloc(NULL, 0));
    mem_free(NULL);
}
