/* test_later.c - keys that a later version acts on. */
#include "parse.h"

TestSuite(later, .init = set_up, .fini = tear_down);

Test(later, what_comes_later_is_refused_in_one_sentence)
{
    const char *later = "not supported by this version yet: ";
    assert_problem(MINIMAL "log: {emf: 60s}\n", 5, "log.emf", later);
    assert_problem(MINIMAL "plan: {advance: auto}\n", 5, "plan",
                   "not supported by this version yet: steps are advanced by hand with \"cutover "
                   "weight\"; remove this key");
    config_unref(parse_good(MINIMAL "plan: null\nlog: {emf: 0}\n"));
}

Test(later, mistakes_inside_of_what_comes_later_are_found)
{
    cr_assert_null(parse(MINIMAL "plan: {stepz: []}\nlog: {emf: 60}\n"));
    cr_assert_eq(problems.count, 3u);
    cr_assert_str_eq(problems.items[0].path.data, "plan");
    cr_assert_str_eq(problems.items[1].path.data, "plan.stepz");
    cr_assert_str_eq(problems.items[2].path.data, "log.emf");
    cr_assert_not_null(strstr(problems.items[2].text.data, "unit"));
}
