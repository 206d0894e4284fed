#include "cli/page.h"

#include <criterion/criterion.h>

static struct page page;

static void fini(void)
{
    page_deinit(&page);
}

TestSuite(page, .fini = fini);

static void expect(const char *text)
{
    struct str got = buf_str(&page.text);

    cr_expect(str_eq(got, str_of(text)), "got:\n%.*s\nexpected:\n%s", STR_ARG(got), text);
}

Test(page, words_go_on_under_where_they_began)
{
    page_init(&page, 40, false);
    page_label(&page, "verdict");
    page_print(&page, INK_PLAIN, "one two three four five six seven eight");
    page_end(&page);
    page_line(&page, INK_PLAIN, "next");
    expect("verdict   one two three four five six\n"
           "          seven eight\n"
           "next\n");
}

Test(page, what_came_from_outside_cannot_drive_the_terminal)
{
    page_init(&page, PAGE_ENDLESS, false);
    page_print(&page, INK_PLAIN, "%s", "a\x1b[2Jb\nc\x7f\xc3\xa9\rd\te");
    page_cell(&page, INK_PLAIN, 5, "%s", "\x1b[H\n");
    page_piece(&page, INK_PLAIN, "%s",
               "\x9b"
               "31m");
    page_end(&page);
    expect("a?[2Jb?c????d?e?[H?  ?31m\n");
}

Test(page, no_line_is_wider_than_the_page_at_any_width)
{
    for (unsigned width = 1; width < 130; width++) {
        page_init(&page, width, false);
        page_label(&page, "label");
        page_print(&page, INK_PLAIN, "%s",
                   "some words and averyveryveryverylongwordindeedthatfitsnowhere 30 %");
        page_piece(&page, INK_PLAIN, " cutover plan advance --step 2 --route products --force");
        page_cell(&page, INK_PLAIN, 30, "a cell");
        page_cell(&page, INK_PLAIN, -12, "right");
        page_end(&page);
        struct str rest = buf_str(&page.text);
        for (ptrdiff_t end; (end = str_find_char(rest, '\n', 0)) >= 0;) {
            cr_expect_leq((size_t)end, page.width, "%u: %.*s", width, (int)end, rest.data);
            cr_expect(end == 0 || rest.data[end - 1] != ' ', "ends in a space");
            rest = str_slice(rest, (size_t)end + 1, rest.len);
        }
        page_deinit(&page);
    }
    page_init(&page, 80, false);
}

Test(page, a_piece_and_a_percentage_are_kept_together)
{
    page_init(&page, 44, false);
    page_label(&page, "act");
    page_print(&page, INK_PLAIN, "YOU: go on with this: ");
    page_piece(&page, INK_PLAIN, "cutover plan advance --step 2");
    page_print(&page, INK_PLAIN, ". It is at 30 %% now and stays.");
    page_end(&page);
    expect("act       YOU: go on with this:\n"
           "          cutover plan advance --step 2. It\n"
           "          is at 30 % now and stays.\n");
}

Test(page, cells_are_cut_and_aligned)
{
    page_init(&page, 80, false);
    page_cell(&page, INK_PLAIN, 6, "old");
    page_cell(&page, INK_PLAIN, 6, "a-long-name");
    page_cell(&page, INK_PLAIN, -6, "12");
    page_cell(&page, INK_PLAIN, 6, "%s", "");
    page_end(&page);
    expect("old    a-lon~     12\n");
}

Test(page, a_cut_line_ends_at_the_width)
{
    page_init(&page, 20, false);
    page.is_cut = true;
    page_line(&page, INK_PLAIN, "0123456789 0123456789 0123456789");
    page_line(&page, INK_PLAIN, "next");
    expect("0123456789 012345678\nnext\n");
}

Test(page, inks_do_not_count_as_columns)
{
    page_init(&page, 20, true);
    page_print(&page, INK_BAD, "0123456789");
    page_print(&page, INK_PLAIN, " 01234567");
    page_end(&page);
    expect("\x1b[1;31m0123456789\x1b[0m 01234567\n");
}
