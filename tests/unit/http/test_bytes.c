#include "http/bytes.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bytes, every_byte_is_in_the_classes_that_the_grammar_says)
{
    for (int i = 0; i < 256; i++) {
        char c = (char)i;
        bool is_letter = (i >= 'a' && i <= 'z') || (i >= 'A' && i <= 'Z');
        bool is_digit = i >= '0' && i <= '9';
        bool is_visible = i > ' ' && i < 0x7f;
        bool is_mark = i != 0 && strchr("!#$%&'*+-.^_`|~", i) != NULL;

        cr_expect_eq(byte_is(c, IN_TOKEN), is_letter || is_digit || is_mark, "token %d", i);
        cr_expect_eq(byte_is(c, IN_VALUE), is_visible || i == ' ' || i == '\t' || i >= 0x80,
                     "value %d", i);
        cr_expect_eq(byte_is(c, IN_TARGET), is_visible && i != '#' && i != '\\', "target %d", i);
        cr_expect_eq(byte_is(c, IN_HOST),
                     is_letter || is_digit || (i != 0 && strchr("-._~", i) != NULL), "host %d", i);
    }
}
