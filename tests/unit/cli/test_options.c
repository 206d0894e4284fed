#include "cli/options.h"

#include <criterion/criterion.h>

#include <stdio.h>

static struct cli_options options;
static struct error error;

static bool parse(const char *line)
{
    static char copy[512];
    static char program[] = "cutover";
    char *words[128] = {program};
    int count = 1;
    char *rest = copy;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " "))
        words[count++] = word;
    return options_parse(count, words, &options, &error);
}

Test(options, verb_arguments_and_options_in_any_order)
{
    cr_assert(parse("--json weight --route products 30 --reason=a=b --dry-run --ca-file a.pem"));
    cr_expect_str_eq(options.verb, "weight");
    cr_expect_eq(options.argument_count, 1);
    cr_expect_str_eq(options.arguments[0], "30");
    cr_expect_str_eq(options.routes.items[0], "products");
    cr_expect_str_eq(options.reason, "a=b");
    cr_expect_str_eq(options.ca_file, "a.pem");
    cr_expect(options.json && options.dry_run);
    cr_expect_not(options.force);
}

Test(options, letters_with_their_value_behind_or_attached)
{
    cr_assert(parse("run -c a.yaml"));
    cr_expect_str_eq(options.config, "a.yaml");
    cr_assert(parse("run -ca.yaml"));
    cr_expect_str_eq(options.config, "a.yaml");
    cr_assert(parse("explain GET / -H A:1 -H B:2"));
    cr_expect_eq(options.headers.count, 2);
    cr_expect_str_eq(options.headers.items[1], "B:2");
}

Test(options, a_negative_number_is_an_argument_and_so_is_all_behind_two_dashes)
{
    cr_assert(parse("weight -1"));
    cr_expect_str_eq(options.arguments[0], "-1");
    cr_assert(parse("weight -- --json"));
    cr_expect_str_eq(options.arguments[0], "--json");
    cr_expect_not(options.json);
}

Test(options, wrong_usage_is_told_with_what_was_meant)
{
    cr_expect_not(parse("status --jsn"));
    cr_expect_str_eq(error.text, "unknown option --jsn (did you mean --json?)");
    cr_expect_not(parse("status --completely-different"));
    cr_expect_str_eq(error.text, "unknown option --completely-different");
    cr_expect_not(parse("status -x"));
    cr_expect_not(parse("status --json=1"));
    cr_expect_not(parse("status --admin"));
    cr_expect_not(parse("status --json --json"));
    cr_expect_not(parse("weight 1 2 3 4 5"));
}

Test(options, a_verb_takes_its_own_options_only)
{
    cr_assert(parse("status --json --force"));
    cr_expect_not(options_check(&options, "admin,json", &error));
    cr_expect_str_eq(error.text, "status takes no --force");
    cr_expect(options_check(&options, "json,force", &error));
}

Test(options, what_may_be_repeated_is_the_verbs_business)
{
    cr_assert(parse("freeze on --route a --route b"));
    cr_expect_eq(options.routes.count, 2);
    cr_expect_str_eq(options.routes.items[1], "b");
    cr_expect(options_check(&options, "json,route+", &error));
    cr_expect_not(options_check(&options, "json,route", &error));
    cr_expect_str_eq(error.text, "--route is given twice");
    cr_expect_not(options_check(&options, "json", &error));
    cr_expect_str_eq(error.text, "freeze takes no --route");
}

Test(options, a_list_is_bounded)
{
    char line[512] = "explain";
    for (unsigned i = 0; i <= CLI_LIST_MAX; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " -HA:");
    cr_expect_not(parse(line));
    cr_expect_str_eq(error.text, "at most 64 of --header");
}

static long percent(const char *text)
{
    unsigned weight = 0;
    return percent_parse(str_of(text), &weight) ? (long)weight : -1;
}

Test(options, percentages)
{
    cr_expect_eq(percent("0"), 0);
    cr_expect_eq(percent("30"), 3000);
    cr_expect_eq(percent("30%"), 3000);
    cr_expect_eq(percent("30 %"), 3000);
    cr_expect_eq(percent("0.25"), 25);
    cr_expect_eq(percent("0.2"), 20);
    cr_expect_eq(percent("0.05"), 5);
    cr_expect_eq(percent("100.00"), 10000);
    static const char *const wrong[] = {
        "",       "%",   "-1",  "+1",  "101", "100.01", "1.",   ".5",
        "10.555", "1e1", "ten", "1 0", "1,5", "0x10",   "1.-5", "99999999999999999999"};
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++)
        cr_expect_eq(percent(wrong[i]), -1, "%s", wrong[i]);
}
