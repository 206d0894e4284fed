/* test_readers.c - one value at a time, through a table with one key. */
#include "config/readers.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct arena arena;
static struct config_problems problems;

static void set_up(void)
{
    arena_init(&arena);
    config_problems_init(&problems);
}

static void tear_down(void)
{
    config_problems_deinit(&problems);
    arena_deinit(&arena);
}

TestSuite(readers, .init = set_up, .fini = tear_down);

/* Reads `k: text` by `key` (whose name is "k"). */
static bool read_one(const struct schema_key *key, const char *text, void *place)
{
    const struct schema_map map = {key, 1, NULL};
    struct schema schema = {.arena = &arena, .problems = &problems};
    struct str file = arena_printf(&arena, "k: %s\n", text);
    const struct yaml_node *top = yaml_read(file, &arena, &problems);
    return schema_map_read(&schema, top, &map, place, true);
}

static const struct reader_range SMALL = {10, 1000, true};

Test(readers, a_number_fills_exactly_its_place)
{
    struct {
        uint64_t wide;
        unsigned narrow, guard;
    } place = {0, 0, 77};
    struct schema_key key = {"k", reader_integer, 0, sizeof(uint64_t), NULL, 0, &SMALL};
    cr_assert(read_one(&key, "1000", &place));
    cr_assert_eq(place.wide, 1000u);
    key.width = sizeof(unsigned);
    cr_assert(read_one(&key, "0", &place.narrow));
    cr_assert(read_one(&key, "10", &place.narrow));
    cr_assert_eq(place.narrow, 10u);
    cr_assert_eq(place.guard, 77u);
    cr_assert_not(read_one(&key, "9", &place.narrow));
    cr_assert_not(read_one(&key, "1001", &place.narrow));
    cr_assert_not(read_one(&key, "18446744073709551616", &place.narrow));
    cr_assert_eq(place.narrow, 10u);
}

Test(readers, seconds_are_whole)
{
    static const struct reader_range RANGE = {1000, 60000, false};
    uint64_t seconds = 0;
    struct schema_key key = {"k", reader_seconds, 0, sizeof(seconds), NULL, 0, &RANGE};
    cr_assert(read_one(&key, "1m", &seconds));
    cr_assert_eq(seconds, 60u);
    cr_assert_not(read_one(&key, "1500ms", &seconds));
    cr_assert_not(read_one(&key, "0", &seconds));
}

static const struct reader_names NAMES = READER_NAMES("move", "keep");

Test(readers, names_may_fill_a_bool)
{
    bool keep = false;
    struct schema_key key = {"k", reader_enum, 0, sizeof(keep), NULL, 0, &NAMES};
    cr_assert(read_one(&key, "keep", &keep));
    cr_assert(keep);
    cr_assert(read_one(&key, "move", &keep));
    cr_assert_not(keep);
    cr_assert_not(read_one(&key, "Keep", &keep));
    cr_assert_str_eq(problems.items[0].text.data, "expected move or keep, got \"Keep\"");
}

Test(readers, a_word_is_empty_by_null_or_by_an_empty_variable)
{
    static const struct reader_word WORD = {word_domain};
    struct str word = STR("before");
    struct schema_key key = {"k", reader_word, 0, sizeof(word), NULL, SCHEMA_NULLABLE, &WORD};
    unsetenv("READERS_NONE");
    cr_assert(read_one(&key, "${READERS_NONE:-}", &word));
    cr_assert_eq(word.len, 0u);
    cr_assert(read_one(&key, "a.b", &word));
    cr_assert(str_eq(word, STR("a.b")));
    cr_assert(read_one(&key, "null", &word));
    cr_assert_eq(word.len, 0u);
    key.flags = 0;
    cr_assert_not(read_one(&key, "${READERS_NONE:-}", &word));
    cr_assert_not(read_one(&key, "null", &word));
    cr_assert_not(read_one(&key, "[a.b]", &word));
}

Test(readers, ratios_and_percentages)
{
    static const struct reader_range RANGE = {100, 10000, false};
    unsigned value = 0;
    struct schema_key key = {"k", reader_ratio, 0, sizeof(value), NULL, 0, &RANGE};
    cr_assert(read_one(&key, "2.5", &value));
    cr_assert_eq(value, 250u);
    cr_assert_not(read_one(&key, "0.99", &value));
    key.read = reader_percentage;
    key.argument = NULL;
    cr_assert(read_one(&key, "99.99%", &value));
    cr_assert_eq(value, 9999u);
}
