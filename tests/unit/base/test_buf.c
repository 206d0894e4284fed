#include "base/buf.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "base/check.h"

static struct buf buf;

static void set_up(void)
{
    buf_init(&buf);
}

static void tear_down(void)
{
    buf_deinit(&buf);
}

TestSuite(buf, .init = set_up, .fini = tear_down);

static void expect_held(const char *wanted)
{
    struct str held = buf_str(&buf);
    cr_expect(str_eq(held, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(held), wanted);
}

static void append_many(char c, size_t count)
{
    memset(buf_reserve(&buf, count), c, count);
    buf_commit(&buf, count);
}

Test(buf, an_empty_one_owns_nothing)
{
    struct buf fresh = BUF_EMPTY;
    cr_expect_null(fresh.data);
    cr_expect_null(buf.data);
    expect_held("");
    buf_append(&buf, NULL, 0);
    buf_append_str(&buf, STR(""));
    buf_consume(&buf, 10);
    cr_expect_null(buf.data);
}

Test(buf, what_is_appended_is_held_in_order)
{
    buf_append(&buf, "ab", 2);
    buf_append_char(&buf, 'c');
    buf_append_str(&buf, STR("def"));
    buf_printf(&buf, "-%d-", 42);
    expect_held("abcdef-42-");
    cr_expect_eq(buf_len(&buf), 10);
}

Test(buf, bytes_are_eaten_from_the_front)
{
    buf_append_str(&buf, STR("abcdef"));
    buf_consume(&buf, 2);
    expect_held("cdef");
    buf_append_char(&buf, 'g');
    expect_held("cdefg");
    buf_consume(&buf, 99);
    expect_held("");
}

Test(buf, growing_keeps_what_is_held)
{
    for (unsigned i = 0; i < 10000; i++)
        buf_append_char(&buf, (char)(i % 251));
    struct str held = buf_str(&buf);
    cr_assert_eq(held.len, 10000);
    for (unsigned i = 0; i < 10000; i++)
        cr_assert_eq((unsigned char)held.data[i], i % 251);
    cr_expect_leq(buf.cap, 16384);
}

Test(buf, growing_keeps_what_is_held_behind_what_was_eaten)
{
    append_many('x', 10);
    append_many('a', 200);
    buf_consume(&buf, 10);
    append_many('b', 1000);
    struct str held = buf_str(&buf);
    cr_assert_eq(held.len, 1200);
    cr_expect_eq(held.data[0], 'a');
    cr_expect_eq(held.data[199], 'a');
    cr_expect_eq(held.data[200], 'b');
    cr_expect_eq(held.data[1199], 'b');
}

Test(buf, a_reserve_gives_the_room_that_was_asked_for)
{
    for (size_t size = 0; size < 5000; size += 37) {
        char *room = buf_reserve(&buf, size);
        cr_assert_geq(buf.cap - buf.end, size);
        cr_assert_eq(room, buf.data + buf.end);
        memset(room, 'x', size);
        buf_commit(&buf, size / 2);
    }
}

Test(buf, a_stream_through_it_does_not_make_it_grow)
{
    append_many('a', 100);
    for (unsigned i = 0; i < 100000; i++) {
        append_many((char)('a' + i % 26), 1);
        buf_consume(&buf, 1);
    }
    cr_expect_eq(buf_len(&buf), 100);
    cr_expect_leq(buf.cap, 512);
    cr_expect_eq(buf_str(&buf).data[99], (char)('a' + 99999 % 26));
}

Test(buf, a_large_block_is_given_back_when_all_is_eaten)
{
    append_many('a', BUF_KEEP_BYTES + 1);
    buf_consume(&buf, BUF_KEEP_BYTES);
    cr_expect_not_null(buf.data);
    buf_consume(&buf, 1);
    cr_expect_null(buf.data);
    cr_expect_eq(buf.cap, 0);
    buf_append_str(&buf, STR("again"));
    expect_held("again");
}

Test(buf, a_small_block_is_kept_when_all_is_eaten)
{
    append_many('a', BUF_KEEP_BYTES);
    buf_consume(&buf, BUF_KEEP_BYTES);
    cr_expect_not_null(buf.data);
    cr_expect_eq(buf.start, 0);
    expect_held("");
}

Test(buf, clearing_keeps_the_memory)
{
    append_many('a', 10000);
    buf_clear(&buf);
    cr_expect_geq(buf.cap, 10000);
    expect_held("");
}

Test(buf, a_printed_text_may_be_longer_than_the_room)
{
    for (int width = 1; width < 2000; width += 13) {
        size_t before = buf_len(&buf);
        buf_printf(&buf, "%*d|", width, 7);
        cr_assert_eq(buf_len(&buf), before + (size_t)width + 1);
        cr_assert_eq(buf_str(&buf).data[buf_len(&buf) - 1], '|');
        cr_assert_eq(buf_str(&buf).data[buf_len(&buf) - 2], '7');
    }
}

Test(buf, a_printed_text_may_fill_the_room_to_the_last_byte)
{
    append_many('a', 200);
    cr_assert_eq(buf.cap, 256);
    buf_printf(&buf, "%56d", 7);
    cr_expect_eq(buf_len(&buf), 256);
    cr_expect_eq(buf_str(&buf).data[255], '7');
}

Test(buf, more_than_memory_can_hold_aborts, .signal = SIGABRT)
{
    buf_reserve(&buf, SIZE_MAX - 10);
}
