#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(error, setting_one_returns_false)
{
    struct error error;
    cr_expect_not(error_set(&error, "expected %s, got \"%s\"", "a URL", "x"));
    cr_expect_str_eq(error.text, "expected a URL, got \"x\"");
}

Test(error, an_errno_is_put_in_words)
{
    struct error error;
    cr_expect_not(error_set_errno(&error, ENOENT, "cannot open %s", "/x"));
    cr_expect_str_eq(error.text, "cannot open /x: No such file or directory");
}

Test(error, a_long_text_is_cut_at_its_end)
{
    struct error error;
    char text[2 * ERROR_TEXT_BYTES];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    error_set(&error, "b%s", text);
    cr_expect_eq(strlen(error.text), ERROR_TEXT_BYTES - 1);
    cr_expect_eq(error.text[0], 'b');

    error_set_errno(&error, ENOENT, "c%s", text);
    cr_expect_eq(strlen(error.text), ERROR_TEXT_BYTES - 1);
    cr_expect_eq(error.text[0], 'c');
}

Test(error, an_error_can_be_wrapped_in_itself)
{
    struct error error;
    error_set(&error, "not a number");
    error_set(&error, "routes[0].weight: %s", error.text);
    cr_expect_str_eq(error.text, "routes[0].weight: not a number");
}
