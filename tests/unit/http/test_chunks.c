/* What makes a body right or wrong is tried through the parser; here is how it is cut into runs. */
#include "http/chunks.h"

#include <criterion/criterion.h>

static struct chunks chunks;
static struct chunks_run run;

static bool read_more(const char *text, unsigned most_pieces)
{
    return chunks_read(&chunks, str_of(text), most_pieces, &run);
}

static void expect_run(size_t len, size_t skipped, uint64_t bytes, unsigned pieces)
{
    cr_expect_eq(run.len, len, "len %zu", run.len);
    cr_expect_eq(run.skipped, skipped, "skipped %zu", run.skipped);
    cr_expect_eq(run.bytes, bytes, "bytes %zu", (size_t)run.bytes);
    cr_expect_eq(run.pieces, pieces, "pieces %u", run.pieces);
}

Test(chunks, a_body_in_one_run)
{
    cr_assert(read_more("5\r\nhello\r\n0\r\n\r\nnext", 8));
    expect_run(15, 0, 5, 1);
    cr_expect(chunks_is_complete(&chunks));
    cr_assert(read_more("next", 8));
    expect_run(0, 0, 0, 0);
}

Test(chunks, an_extension_ends_a_run_and_its_line_begins_the_next)
{
    cr_assert(read_more("5;a=b;c\r\nhello", 8));
    expect_run(1, 6, 0, 0);
    cr_assert(read_more("\r\nhello\r\n0;x\r\n\r\n", 8));
    expect_run(10, 2, 5, 1);
    cr_assert(read_more("\r\n\r\n", 8));
    expect_run(4, 0, 0, 0);
    cr_expect(chunks_is_complete(&chunks));
}

Test(chunks, an_extension_in_two_parts)
{
    cr_assert(read_more("5;a=\"b", 8));
    expect_run(1, 5, 0, 0);
    cr_assert(read_more(";c\";d\r", 8));
    expect_run(0, 5, 0, 0);
    cr_assert(read_more("\r\nhe", 8));
    expect_run(4, 0, 2, 1);
    cr_assert(read_more("llo", 8));
    expect_run(3, 0, 3, 1);
}

Test(chunks, a_piece_too_many_waits)
{
    cr_assert(read_more("1\r\na\r\n1\r\nb\r\n", 1));
    expect_run(9, 0, 1, 1);
    cr_assert(read_more("b\r\n", 0));
    expect_run(0, 0, 0, 0);
    cr_assert(read_more("b\r\n", 1));
    expect_run(3, 0, 1, 1);
}

Test(chunks, what_is_wrong_stays_wrong_wherever_it_is_cut)
{
    cr_assert(read_more("5", 8));
    cr_expect_not(read_more("\n", 8));
    chunks = (struct chunks){.left = 0};
    cr_assert(read_more("5;a=\"", 8));
    cr_expect_not(read_more("\r", 8));
    chunks = (struct chunks){.left = 0};
    cr_assert(read_more("0\r\nHos", 8));
    cr_expect_not(read_more("t:", 8));
}
