#include "base/str.h"

#include <criterion/criterion.h>

#include "base/check.h"

static void expect_str(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(got), wanted);
}

Test(str, letters_are_equal_whatever_their_case)
{
    cr_expect(str_eq_nocase(STR("Content-Length"), STR("cONTENT-lENGTH")));
    cr_expect_not(str_eq_nocase(STR("Content-Length"), STR("Content-Lengtt")));
    cr_expect_not(str_eq_nocase(STR("a"), STR("ab")));
    cr_expect(str_eq_nocase(str_of(NULL), STR("")));
}

Test(str, only_ascii_letters_have_a_case)
{
    cr_expect_not(str_eq_nocase(STR("@"), STR("`")));
    cr_expect_not(str_eq_nocase(STR("["), STR("{")));
    cr_expect_not(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4")));
}

Test(str, a_str_starts_with_its_prefix)
{
    cr_expect(str_starts_with(STR("/api/x"), STR("/api")));
    cr_expect(str_starts_with(STR("/api"), STR("/api")));
    cr_expect(str_starts_with(STR("/api"), STR("")));
    cr_expect_not(str_starts_with(STR("/ap"), STR("/api")));
    cr_expect_not(str_starts_with(STR("/API"), STR("/api")));
    cr_expect(str_starts_with_nocase(STR("BEARER x"), STR("bearer ")));
    cr_expect_not(str_starts_with_nocase(STR("BEAR"), STR("bearer ")));
}

Test(str, a_str_ends_with_its_suffix_whatever_the_case)
{
    cr_expect(str_ends_with_nocase(STR("app.UP.railway.app"), STR(".up.Railway.app")));
    cr_expect(str_ends_with_nocase(STR("x"), STR("")));
    cr_expect_not(str_ends_with_nocase(STR("p.app"), STR("up.app")));
    cr_expect_not(str_ends_with_nocase(STR("up.apps"), STR("up.app")));
}

Test(str, a_char_is_found_at_or_after_the_start)
{
    cr_expect_eq(str_find_char(STR("a=b=c"), '=', 0), 1);
    cr_expect_eq(str_find_char(STR("a=b=c"), '=', 1), 1);
    cr_expect_eq(str_find_char(STR("a=b=c"), '=', 2), 3);
    cr_expect_eq(str_find_char(STR("a=b=c"), '=', 4), -1);
    cr_expect_eq(str_find_char(STR("a=b=c"), '=', 99), -1);
    cr_expect_eq(str_find_char(str_of(NULL), '=', 0), -1);
}

Test(str, trim_cuts_spaces_and_tabs_and_nothing_else)
{
    expect_str(str_trim(STR(" \t a b\t ")), "a b");
    expect_str(str_trim(STR("\na\r")), "\na\r");
    expect_str(str_trim(STR(" \t ")), "");
    expect_str(str_trim(str_of(NULL)), "");
}

Test(str, a_slice_is_clamped_to_the_length)
{
    expect_str(str_slice(STR("abcdef"), 1, 3), "bc");
    expect_str(str_slice(STR("abcdef"), 4, 99), "ef");
    expect_str(str_slice(STR("abcdef"), 99, 100), "");
    expect_str(str_slice(STR("abcdef"), 4, 2), "");
    expect_str(str_slice(str_of(NULL), 1, 2), "");
}

Test(str, parts_are_cut_off_one_by_one_and_trimmed)
{
    struct str rest = STR("a, b ,,\tc");
    struct str part;
    const char *const wanted[] = {"a", "b", "", "c"};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        cr_assert(str_next_part(&rest, ',', &part));
        expect_str(part, wanted[i]);
    }
    cr_expect_not(str_next_part(&rest, ',', &part));
}

Test(str, nothing_has_no_part_and_a_last_separator_adds_none)
{
    struct str rest = STR("");
    struct str part;
    cr_expect_not(str_next_part(&rest, ',', &part));
    rest = STR("a;");
    cr_assert(str_next_part(&rest, ';', &part));
    expect_str(part, "a");
    cr_expect_not(str_next_part(&rest, ';', &part));
}

Test(str, a_list_has_a_token_whatever_its_case)
{
    cr_expect(str_list_has(STR("keep-alive, Upgrade"), STR("upgrade")));
    cr_expect(str_list_has(STR("Upgrade"), STR("upgrade")));
    cr_expect(str_list_has(STR(" ,, UPGRADE\t,x"), STR("upgrade")));
}

Test(str, a_list_has_no_token_that_is_only_part_of_another)
{
    cr_expect_not(str_list_has(STR("upgrade-insecure, xupgrade"), STR("upgrade")));
    cr_expect_not(str_list_has(STR("upgrade x"), STR("upgrade")));
    cr_expect_not(str_list_has(STR(""), STR("upgrade")));
}

Test(str, digits_are_a_number)
{
    uint64_t value = 7;
    cr_expect(str_to_u64(STR("0"), &value));
    cr_expect_eq(value, 0);
    cr_expect(str_to_u64(STR("0042"), &value));
    cr_expect_eq(value, 42);
    cr_expect(str_to_u64(STR("18446744073709551615"), &value));
    cr_expect_eq(value, UINT64_MAX);
}

Test(str, what_is_no_number_leaves_the_value_alone)
{
    const char *const wrong[] = {"",
                                 "+1",
                                 "-1",
                                 " 1",
                                 "1 ",
                                 "1a",
                                 "0x",
                                 "18446744073709551616",
                                 "18446744073709551620",
                                 "99999999999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        uint64_t value = 7;
        cr_expect_not(str_to_u64(str_of(wrong[i]), &value), "\"%s\" was taken", wrong[i]);
        cr_expect_eq(value, 7);
    }
}

Test(str, distance_counts_the_mistakes)
{
    cr_expect_eq(str_distance(STR("weight"), STR("weight")), 0);
    cr_expect_eq(str_distance(STR("weight"), STR("WEIGHT")), 0);
    cr_expect_eq(str_distance(STR("weight"), STR("wieght")), 1);
    cr_expect_eq(str_distance(STR("weight"), STR("weigh")), 1);
    cr_expect_eq(str_distance(STR("wight"), STR("weight")), 1);
    cr_expect_eq(str_distance(STR("kitten"), STR("sitting")), 3);
    cr_expect_eq(str_distance(STR(""), STR("abc")), 3);
    cr_expect_eq(str_distance(STR("abc"), STR("")), 3);
    cr_expect_eq(str_distance(STR("ca"), STR("abc")), 3);
}

Test(str, distance_of_long_words_is_far)
{
    char word[64];
    memset(word, 'a', sizeof(word));
    cr_expect_eq(str_distance(str_from(word, 63), str_from(word, 63)), 0);
    cr_expect_eq(str_distance(str_from(word, 63), STR("")), 63);
    cr_expect_eq(str_distance(str_from(word, 64), str_from(word, 63)), 99);
    cr_expect_eq(str_distance(STR(""), str_from(word, 64)), 99);
}

Test(str, a_copy_ends_with_nul)
{
    char *copy = str_dup(str_from("abcdef", 3));
    cr_expect_str_eq(copy, "abc");
    mem_free(copy);
    copy = str_dup(str_of(NULL));
    cr_expect_str_eq(copy, "");
    mem_free(copy);
}

Test(str, secrets_are_equal_only_byte_for_byte)
{
    cr_expect(str_eq_secret(STR("s3cret\xff"), STR("s3cret\xff")));
    cr_expect(str_eq_secret(STR(""), str_of(NULL)));
    cr_expect_not(str_eq_secret(STR("s3cret"), STR("s3creT")));
    cr_expect_not(str_eq_secret(STR("x3cret"), STR("s3cret")));
    cr_expect_not(str_eq_secret(STR("s3cret"), STR("s3cre")));
    cr_expect_not(str_eq_secret(STR(""), STR("s")));
}
