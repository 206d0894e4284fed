/* test_schema.c - a table of its own, read from small texts: types, defaults, problems, secrets. */
#include "config/readers.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "config/expand.h"
#include "config/values.h"

struct inner {
    uint64_t wait_ms;
    bool on;
};

struct sample {
    uint64_t bytes;
    unsigned count, share, color;
    struct str word;
    struct inner inner;
};

static const struct reader_range BYTES = {16, 4096, true};
static const struct reader_range COUNT = {1, 9, false};
static const struct reader_range WAIT = {10, 60000, false};
static const struct reader_names COLORS = READER_NAMES("red", "green", "blue");
static const struct reader_word HEADER = {word_header};

static const struct schema_key INNER_KEYS[] = {
    {"wait", reader_duration, PLACE(struct inner, wait_ms), "5s", 0, &WAIT},
    {"on", reader_bool, PLACE(struct inner, on), "true", 0, NULL},
};
static const struct schema_map INNER = SCHEMA_MAP(INNER_KEYS, NULL);

static const struct schema_key KEYS[] = {
    {"bytes", reader_size, PLACE(struct sample, bytes), "1k", 0, &BYTES},
    {"count", reader_integer, PLACE(struct sample, count), "3", 0, &COUNT},
    {"share", reader_percentage, PLACE(struct sample, share), "0.25%", 0, NULL},
    {"color", reader_enum, PLACE(struct sample, color), "green", 0, &COLORS},
    {"word", reader_word, PLACE(struct sample, word), "null", SCHEMA_NULLABLE, &HEADER},
    {"inner", reader_section, PLACE(struct sample, inner), SCHEMA_NOTHING, 0, &INNER},
};
static const struct schema_map MAP = SCHEMA_MAP(KEYS, NULL);

static struct arena arena;
static struct config_problems problems;
static struct sample sample;

static void set_up(void)
{
    arena_init(&arena);
    config_problems_init(&problems);
    memset(&sample, 0, sizeof(sample));
    problems.file = STR("f");
}

static void tear_down(void)
{
    config_problems_deinit(&problems);
    arena_deinit(&arena);
}

TestSuite(schema, .init = set_up, .fini = tear_down);

static bool read_sample(const char *text, bool with_defaults)
{
    const struct yaml_node *top = yaml_read(str_of(text), &arena, &problems);
    struct schema schema = {.arena = &arena, .problems = &problems};
    return top != NULL && schema_map_read(&schema, top, &MAP, &sample, with_defaults);
}

/* All problems of `text`, as a person sees them, are exactly `expected`. */
static void assert_problems(const char *text, const char *expected)
{
    struct buf out = BUF_EMPTY;
    cr_assert_not(read_sample(text, true));
    config_problems_format(&problems, &out);
    buf_append_char(&out, '\0');
    cr_assert_str_eq(buf_str(&out).data, expected);
    buf_deinit(&out);
}

Test(schema, defaults_go_through_the_readers)
{
    cr_assert(read_sample("count: 4\n", true));
    cr_assert_eq(sample.bytes, 1024u);
    cr_assert_eq(sample.count, 4u);
    cr_assert_eq(sample.share, 25u);
    cr_assert_eq(sample.color, 1u);
    cr_assert_eq(sample.word.len, 0u);
    cr_assert_eq(sample.inner.wait_ms, 5000u);
    cr_assert(sample.inner.on);
}

Test(schema, without_defaults_only_what_is_written_changes)
{
    sample.bytes = 7;
    sample.count = 8;
    cr_assert(read_sample("count: 4\n", false));
    cr_assert_eq(sample.bytes, 7u);
    cr_assert_eq(sample.count, 4u);
}

Test(schema, an_empty_section_has_its_defaults)
{
    cr_assert(read_sample("inner:\n", true));
    cr_assert_eq(sample.inner.wait_ms, 5000u);
}

Test(schema, all_problems_come_at_once_in_file_order)
{
    assert_problems("inner: {wait: 5, off: 1}\n"
                    "colour: red\n"
                    "count: 10\n"
                    "bytes: 1kb\n"
                    "share: 100.01\n",
                    "f:1:15: error: inner.wait: expected a duration with its unit (ms, s, m, h, d) "
                    "such as 30s, got \"5\"\n"
                    "f:1:18: error: inner.off: unknown key (known here: wait, on)\n"
                    "f:2:1: error: colour: unknown key (did you mean \"color\"?)\n"
                    "f:3:8: error: count: expected a whole number from 1 to 9, got \"10\"\n"
                    "f:4:8: error: bytes: expected a size such as 512, 64k, 1m or 2g, got \"1kb\"\n"
                    "f:5:8: error: share: expected a percentage from 0 to 100 with at most two "
                    "decimals, such as 30, 0.25 or 1%, got \"100.01\"\n");
}

Test(schema, a_key_like_no_other_gets_the_list)
{
    assert_problems("inner: {zzzzzz: 1}\n",
                    "f:1:9: error: inner.zzzzzz: unknown key (known here: wait, on)\n");
}

Test(schema, ranges_are_told_in_the_unit_of_the_key)
{
    assert_problems("bytes: 8\ninner: {wait: 2m}\n",
                    "f:1:8: error: bytes: expected 0 or a size from 16 to 4k, got \"8\"\n"
                    "f:2:15: error: inner.wait: expected a duration from 10ms to 1m, got \"2m\"\n");
}

Test(schema, what_is_no_scalar_is_named)
{
    assert_problems("count: [1]\ncolor: {a: 1}\ninner: [x]\nbytes:\n",
                    "f:1:8: error: count: expected a whole number from 1 to 9, got a list\n"
                    "f:2:8: error: color: expected red, green or blue, got keys and values\n"
                    "f:3:8: error: inner: expected keys and values, got a list\n"
                    "f:4:7: error: bytes: expected 0 or a size from 16 to 4k, got nothing\n");
}

Test(schema, control_bytes_never_reach_the_terminal)
{
    assert_problems("color: \"\\e[31m\"\n\"\\e\": 1\n",
                    "f:1:8: error: color: expected red, green or blue, got \"\\u001b[31m\"\n"
                    "f:2:1: error: \\u001b: unknown key (known here: bytes, count, share, color, "
                    "word, inner)\n");
}

Test(schema, the_environment_is_put_in)
{
    setenv("SCHEMA_COUNT", "7", 1);
    unsetenv("SCHEMA_NONE");
    cr_assert(read_sample("count: ${SCHEMA_COUNT}\nword: X-${SCHEMA_NONE:-A}-${SCHEMA_COUNT}\n"
                          "color: ${SCHEMA_NONE:-blue}\n",
                          true));
    cr_assert_eq(sample.count, 7u);
    cr_assert(str_eq(sample.word, STR("X-A-7")));
    cr_assert_eq(sample.color, 2u);
}

Test(schema, an_unset_variable_and_bad_syntax_are_problems)
{
    unsetenv("SCHEMA_NONE");
    assert_problems("count: ${SCHEMA_NONE}\ncolor: ${1}\nword: ${open\n",
                    "f:1:8: error: count: the environment variable SCHEMA_NONE is not set: set it, "
                    "or give a default as in ${SCHEMA_NONE:-default}\n"
                    "f:2:8: error: color: expected a variable such as ${NAME} or ${NAME:-default} "
                    "($${ stands for ${ itself)\n"
                    "f:3:7: error: word: expected a variable such as ${NAME} or ${NAME:-default} "
                    "($${ stands for ${ itself)\n");
}

Test(schema, the_value_of_a_variable_is_never_shown)
{
    setenv("SCHEMA_SECRET", "hunter2 hunter2", 1);
    assert_problems("word: ${SCHEMA_SECRET}\ncount: ${SCHEMA_SECRET}\n",
                    "f:1:7: error: word: expected a header name such as X-Device-Id (at most 64 "
                    "bytes), got \"${SCHEMA_SECRET}\"\n"
                    "f:2:8: error: count: expected a whole number, got \"${SCHEMA_SECRET}\"\n");
}

Test(schema, what_comes_out_of_a_variable_is_only_text)
{
    setenv("SCHEMA_SECRET", "null", 1);
    cr_assert(read_sample("word: ${SCHEMA_SECRET}\n", true));
    cr_assert(str_eq(sample.word, STR("null")));
    setenv("SCHEMA_SECRET", "${HOME}", 1);
    struct str value;
    struct error error;
    cr_assert(expand(STR("a$${b}$c${SCHEMA_SECRET}"), &arena, &value, &error));
    cr_assert(str_eq(value, STR("a${b}$c${HOME}")), "%.*s", STR_ARG(value));
}

Test(schema, more_problems_than_fit_are_counted)
{
    struct buf text = BUF_EMPTY;
    for (int i = 0; i < CONFIG_PROBLEMS_MAX + 20; i++)
        buf_printf(&text, "zzzzzzz%d: 1\n", i);
    buf_append_char(&text, '\0');
    cr_assert_not(read_sample(buf_str(&text).data, true));
    cr_assert_eq(problems.count, (unsigned)CONFIG_PROBLEMS_MAX);
    cr_assert_eq(problems.left_out, 20u);
    cr_assert_eq(problems.items[CONFIG_PROBLEMS_MAX - 1].line, (unsigned)CONFIG_PROBLEMS_MAX);
    buf_deinit(&text);
}
