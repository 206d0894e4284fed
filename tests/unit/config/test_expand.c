/* test_expand.c - variables in values. */
#include "config/expand.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;
static struct error error;

static void set_up(void)
{
    arena_init(&arena);
    setenv("EXPAND_A", "alpha", 1);
    setenv("EXPAND_EMPTY", "", 1);
    unsetenv("EXPAND_NONE");
}

static void tear_down(void)
{
    arena_deinit(&arena);
}

TestSuite(expand, .init = set_up, .fini = tear_down);

static void assert_expands(const char *written, const char *expected)
{
    struct str value;
    cr_assert(expand(str_of(written), &arena, &value, &error), "%s", error.text);
    cr_assert_str_eq(value.data, expected);
}

static void assert_refused(const char *written, const char *part)
{
    struct str value;
    cr_assert_not(expand(str_of(written), &arena, &value, &error), "%s", written);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
}

Test(expand, variables_and_defaults)
{
    assert_expands("", "");
    assert_expands("plain", "plain");
    assert_expands("${EXPAND_A}", "alpha");
    assert_expands("x${EXPAND_A}y${EXPAND_A}", "xalphayalpha");
    assert_expands("${EXPAND_NONE:-beta}", "beta");
    assert_expands("${EXPAND_NONE:-}", "");
    assert_expands("${EXPAND_EMPTY:-beta}", "beta");
    assert_expands("${EXPAND_EMPTY}", "");
    assert_expands("${EXPAND_A:-beta}", "alpha");
    assert_expands("${EXPAND_NONE:-http://a:80}", "http://a:80");
}

Test(expand, dollars_that_mean_themselves)
{
    assert_expands("$", "$");
    assert_expands("$EXPAND_A $5 $$", "$EXPAND_A $5 $$");
    assert_expands("$${EXPAND_A}", "${EXPAND_A}");
}

Test(expand, a_result_is_not_expanded_again)
{
    setenv("EXPAND_B", "${EXPAND_A}", 1);
    assert_expands("${EXPAND_B}", "${EXPAND_A}");
}

Test(expand, mistakes)
{
    assert_refused("${EXPAND_NONE}", "EXPAND_NONE is not set");
    assert_refused("${", "expected a variable");
    assert_refused("${}", "expected a variable");
    assert_refused("${1A}", "expected a variable");
    assert_refused("${A B}", "expected a variable");
    assert_refused("${EXPAND_A:+x}", "expected a variable");
    assert_refused("${EXPAND_A", "expected a variable");
}

Test(expand, the_result_is_bounded)
{
    char *big = malloc(EXPAND_MAX_BYTES + 1);
    memset(big, 'x', EXPAND_MAX_BYTES);
    big[EXPAND_MAX_BYTES] = '\0';
    setenv("EXPAND_BIG", big, 1);
    assert_expands("${EXPAND_BIG}", big);
    assert_refused("${EXPAND_A}${EXPAND_BIG}", "longer than");
    free(big);
}
