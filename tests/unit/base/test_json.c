#include "base/json.h"

#include <criterion/criterion.h>

static struct buf out;
static struct json json;

static void set_up(void)
{
    buf_init(&out);
    json_init(&json, &out);
}

static void tear_down(void)
{
    buf_deinit(&out);
}

TestSuite(json, .init = set_up, .fini = tear_down);

static void expect_out(const char *wanted)
{
    struct str got = buf_str(&out);
    cr_expect(str_eq(got, str_of(wanted)), "got %.*s, wanted %s", STR_ARG(got), wanted);
}

static void expect_escaped(struct str value, const char *wanted)
{
    buf_clear(&out);
    json_escape(&out, value);
    expect_out(wanted);
}

Test(json, commas_stand_between_values_and_nowhere_else)
{
    json_object_begin(&json, NULL);
    json_str(&json, "name", STR("x"));
    json_array_begin(&json, "list");
    json_u64(&json, NULL, 7);
    json_object_begin(&json, NULL);
    json_object_end(&json);
    json_array_begin(&json, NULL);
    json_array_end(&json);
    json_bool(&json, NULL, true);
    json_array_end(&json);
    json_object_begin(&json, "inner");
    json_none(&json, "none");
    json_object_end(&json);
    json_bool(&json, "last", false);
    json_object_end(&json);
    expect_out("{\"name\":\"x\",\"list\":[7,{},[],true],\"inner\":{\"none\":null},\"last\":false}");
}

Test(json, a_text_may_be_null)
{
    json_array_begin(&json, NULL);
    json_text(&json, NULL, NULL);
    json_text(&json, NULL, "");
    json_str(&json, NULL, str_of(NULL));
    json_array_end(&json);
    expect_out("[null,\"\",\"\"]");
}

Test(json, names_are_escaped_too)
{
    json_object_begin(&json, NULL);
    json_u64(&json, "a\"b", 1);
    json_object_end(&json);
    expect_out("{\"a\\\"b\":1}");
}

Test(json, numbers_reach_their_limits)
{
    json_array_begin(&json, NULL);
    json_u64(&json, NULL, 0);
    json_u64(&json, NULL, UINT64_MAX);
    json_i64(&json, NULL, -1);
    json_i64(&json, NULL, INT64_MIN);
    json_i64(&json, NULL, INT64_MAX);
    json_array_end(&json);
    expect_out("[0,18446744073709551615,-1,-9223372036854775808,9223372036854775807]");
}

Test(json, a_decimal_ends_without_zeros)
{
    json_array_begin(&json, NULL);
    json_decimal(&json, NULL, 1025, 2);
    json_decimal(&json, NULL, 3000, 2);
    json_decimal(&json, NULL, 10000, 2);
    json_decimal(&json, NULL, 50, 2);
    json_decimal(&json, NULL, 5, 2);
    json_decimal(&json, NULL, 0, 2);
    json_decimal(&json, NULL, -5, 2);
    json_decimal(&json, NULL, -1250, 3);
    json_decimal(&json, NULL, 120, 0);
    json_decimal(&json, NULL, INT64_MIN, 18);
    json_array_end(&json);
    expect_out("[10.25,30,100,0.5,0.05,0,-0.05,-1.25,120,-9.223372036854775808]");
}

Test(json, raw_bytes_stand_as_they_are)
{
    json_object_begin(&json, NULL);
    json_raw(&json, "a", STR("[1,2]"));
    json_raw(&json, "b", STR("\"x\""));
    json_object_end(&json);
    expect_out("{\"a\":[1,2],\"b\":\"x\"}");
}

Test(json, plain_text_passes_as_it_is)
{
    expect_escaped(STR(""), "");
    expect_escaped(STR(" !#/09:AZ[]^_`az{|}~"), " !#/09:AZ[]^_`az{|}~");
}

Test(json, quotes_backslashes_and_controls_are_escaped)
{
    expect_escaped(STR("a\"b\\c"), "a\\\"b\\\\c");
    expect_escaped(STR("\b\t\n\f\r"), "\\b\\t\\n\\f\\r");
    expect_escaped(STR("\0\x01\x0b\x1f\x7f"), "\\u0000\\u0001\\u000b\\u001f\\u007f");
    expect_escaped(STR("\n\nx\n"), "\\n\\nx\\n");
}

Test(json, every_control_byte_is_escaped)
{
    for (int byte = 0; byte < 32; byte++) {
        char c = (char)byte;
        buf_clear(&out);
        json_escape(&out, str_from(&c, 1));
        cr_expect_eq(buf_str(&out).data[0], '\\', "byte %d", byte);
    }
}

Test(json, utf8_passes_as_it_is)
{
    /* The first and the last character of each length, and those around the surrogates. */
    const char *const texts[] = {
        "\xc2\x80",           "\xdf\xbf",
        "\xe0\xa0\x80",       "\xed\x9f\xbf",
        "\xee\x80\x80",       "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",   "\xf4\x8f\xbf\xbf",
        "gr\xc3\xbc\xc3\x9f", "\xe4\xbd\xa0\xe5\xa5\xbd",
        "\xf0\x9f\x98\x80!",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        expect_escaped(str_of(texts[i]), texts[i]);
}

Test(json, bytes_that_are_not_utf8_are_escaped_one_by_one)
{
    expect_escaped(STR("\x80"), "\\u0080");
    expect_escaped(STR("a\xff"
                       "b\xfe"),
                   "a\\u00ffb\\u00fe");
    expect_escaped(STR("\xc0\xaf"), "\\u00c0\\u00af");                       /* overlong */
    expect_escaped(STR("\xc1\xbf"), "\\u00c1\\u00bf");                       /* overlong */
    expect_escaped(STR("\xe0\x9f\xbf"), "\\u00e0\\u009f\\u00bf");            /* overlong */
    expect_escaped(STR("\xf0\x8f\xbf\xbf"), "\\u00f0\\u008f\\u00bf\\u00bf"); /* overlong */
    expect_escaped(STR("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080");            /* surrogate */
    expect_escaped(STR("\xed\xbf\xbf"), "\\u00ed\\u00bf\\u00bf");            /* surrogate */
    expect_escaped(STR("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080"); /* > U+10FFFF */
    expect_escaped(STR("\xf5\x80\x80\x80"), "\\u00f5\\u0080\\u0080\\u0080");
}

Test(json, utf8_that_is_cut_is_escaped_and_not_read_on)
{
    expect_escaped(STR("\xc3"), "\\u00c3");
    expect_escaped(STR("\xc3x"), "\\u00c3x");
    expect_escaped(str_from("\xe4\xbd\xa0", 2), "\\u00e4\\u00bd");
    expect_escaped(str_from("\xf0\x9f\x98\x80", 3), "\\u00f0\\u009f\\u0098");
    expect_escaped(STR("\xe4\xbd\xc3\xbc"), "\\u00e4\\u00bd\xc3\xbc");
}
