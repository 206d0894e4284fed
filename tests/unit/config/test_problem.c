/* test_problem.c - the list: order, form, what does not fit. */
#include "config/problem.h"

#include <criterion/criterion.h>

static struct config_problems problems;
static struct buf out;

static void set_up(void)
{
    config_problems_init(&problems);
    buf_init(&out);
    problems.file = STR("c.yaml");
}

static void tear_down(void)
{
    config_problems_deinit(&problems);
    buf_deinit(&out);
}

TestSuite(problem, .init = set_up, .fini = tear_down);

Test(problem, they_stand_in_file_order_and_keep_their_own)
{
    config_problems_add(&problems, 3, 1, STR("c"), "third");
    config_problems_add(&problems, 1, 5, STR("b"), "second %d", 2);
    config_problems_add(&problems, 1, 5, STR("b"), "and a half");
    config_problems_add(&problems, 1, 2, STR("a[0].x"), "first");
    config_problems_add(&problems, 0, 0, STR(""), "all of it");
    config_problems_format(&problems, &out);
    cr_assert(str_eq(buf_str(&out), STR("c.yaml: error: all of it\n"
                                        "c.yaml:1:2: error: a[0].x: first\n"
                                        "c.yaml:1:5: error: b: second 2\n"
                                        "c.yaml:1:5: error: b: and a half\n"
                                        "c.yaml:3:1: error: c: third\n")),
              "%.*s", STR_ARG(buf_str(&out)));
}

Test(problem, of_too_many_the_first_in_the_file_are_kept)
{
    for (unsigned line = CONFIG_PROBLEMS_MAX + 5; line > 0; line--)
        config_problems_add(&problems, line, 1, STR("a"), "x");
    cr_assert_eq(problems.count, (unsigned)CONFIG_PROBLEMS_MAX);
    cr_assert_eq(problems.left_out, 5u);
    cr_assert_eq(problems.items[0].line, 1u);
    cr_assert_eq(problems.items[CONFIG_PROBLEMS_MAX - 1].line, (unsigned)CONFIG_PROBLEMS_MAX);
    config_problems_format(&problems, &out);
    cr_assert(str_ends_with_nocase(buf_str(&out), STR("error: 5 more problems are not shown\n")));
}

Test(problem, quotes_are_short_and_harmless)
{
    char text[401];
    memset(text, 'x', 400);
    text[400] = '\0';
    config_problem_quote(&out, str_of(text));
    cr_assert_leq(buf_len(&out), 90u);
    cr_assert(str_ends_with_nocase(buf_str(&out), STR("xx...")));
    buf_clear(&out);
    config_problem_quote(&out, STR("a\"\n\x1b"));
    cr_assert(str_eq(buf_str(&out), STR("a\\\"\\n\\u001b")), "%.*s", STR_ARG(buf_str(&out)));
}

Test(problem, a_quote_is_cut_between_characters)
{
    char text[200];
    for (size_t i = 0; i < sizeof(text) - 1; i += 3)
        memcpy(text + i, "\xEC\x83\x88", sizeof(text) - 1 - i < 3 ? sizeof(text) - 1 - i : 3);
    config_problem_quote(&out, str_from(text, 199));
    cr_assert(str_eq(str_slice(buf_str(&out), 78, 81), STR("...")), "%.*s", STR_ARG(buf_str(&out)));
}
