#include "base/arena.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>

#include "base/check.h"

static struct arena arena;

static void set_up(void)
{
    arena_init(&arena);
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(arena, .init = set_up, .fini = tear_down);

static bool is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

Test(arena, what_is_taken_is_zeroed_and_aligned)
{
    for (size_t size = 0; size < 600; size++) {
        char *taken = arena_alloc(&arena, size);
        cr_assert_eq((uintptr_t)taken % _Alignof(max_align_t), 0);
        cr_assert(is_zero(taken, size));
        memset(taken, 0xff, size);
    }
}

Test(arena, what_is_taken_stays_where_it_is_and_is_not_shared)
{
    char *taken[300];
    for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
        taken[i] = arena_alloc(&arena, 100);
        memset(taken[i], (int)(i % 256), 100);
    }
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        for (size_t at = 0; at < 100; at++)
            cr_assert_eq((unsigned char)taken[i][at], i % 256);
}

Test(arena, more_than_a_block_can_be_taken_at_once)
{
    char *small = arena_alloc(&arena, 8);
    char *large = arena_alloc(&arena, 100000);
    cr_expect(is_zero(large, 100000));
    memset(large, 0xff, 100000);
    cr_expect(is_zero(small, 8));
    cr_expect(is_zero(arena_alloc(&arena, 8), 8));
}

Test(arena, an_array_has_room_for_all_its_elements)
{
    uint64_t *numbers = arena_array(&arena, 1000, sizeof(*numbers));
    cr_expect(is_zero((char *)numbers, 8000));
    numbers[999] = 1;
    cr_expect(is_zero(arena_alloc(&arena, 16), 16));
}

Test(arena, an_array_that_cannot_be_aborts, .signal = SIGABRT)
{
    arena_array(&arena, SIZE_MAX / 2, 3);
}

Test(arena, a_copied_str_is_a_c_string_too)
{
    char from[] = "abcdef";
    struct str copy = arena_str(&arena, str_from(from, 3));
    memset(from, 'x', sizeof(from) - 1);
    cr_expect_eq(copy.len, 3);
    cr_expect_str_eq(copy.data, "abc");

    copy = arena_str(&arena, str_of(NULL));
    cr_expect_eq(copy.len, 0);
    cr_expect_str_eq(copy.data, "");
}

Test(arena, a_text_is_printed_at_its_full_length)
{
    struct str text = arena_printf(&arena, "%s:%d|%5000d", "host", 80, 7);
    cr_expect_eq(text.len, 8 + 5000);
    cr_expect(str_starts_with(text, STR("host:80|  ")));
    cr_expect_eq(text.data[text.len - 1], '7');
    cr_expect_eq(text.data[text.len], '\0');
}

Test(arena, it_can_be_used_again_once_emptied)
{
    arena_alloc(&arena, 10);
    arena_deinit(&arena);
    cr_expect_null(arena.blocks);
    cr_expect(is_zero(arena_alloc(&arena, 10), 10));
}
