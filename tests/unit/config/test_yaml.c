/* test_yaml.c - bytes to nodes: places, what is refused, and that hostile files end quickly. */
#include "config/yaml.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/check.h"

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

TestSuite(yaml, .init = set_up, .fini = tear_down);

static const struct yaml_node *read_text(const char *text)
{
    return yaml_read(str_of(text), &arena, &problems);
}

static bool first_problem_has(const char *part)
{
    return problems.count > 0 && strstr(problems.items[0].text.data, part) != NULL;
}

static void assert_refused(struct str text, unsigned line, unsigned column, const char *part)
{
    cr_assert_null(yaml_read(text, &arena, &problems));
    cr_assert_eq(problems.count, 1u);
    cr_assert(first_problem_has(part), "%s", problems.items[0].text.data);
    cr_assert_eq(problems.items[0].line, line, "line %u", problems.items[0].line);
    cr_assert_eq(problems.items[0].column, column, "column %u", problems.items[0].column);
}

Test(yaml, nodes_know_their_place_and_path)
{
    const struct yaml_node *top = read_text("a:\n  b:\n    - x\n    - {c: \"y\"}\n");
    cr_assert_not_null(top);
    const struct yaml_node *list = yaml_child(yaml_child(top, STR("a")), STR("b"));
    cr_assert_eq(list->kind, YAML_SEQUENCE);
    cr_assert_eq(list->count, 2u);
    const struct yaml_node *c = yaml_child(list->last, STR("c"));
    cr_assert(str_eq(c->text, STR("y")));
    cr_assert_not(c->is_plain);
    cr_assert_eq(c->line, 4u);
    cr_assert_eq(c->column, 11u);
    cr_assert_eq(c->key_column, 8u);

    struct buf path = BUF_EMPTY;
    yaml_path(c, &path);
    cr_assert(str_eq(buf_str(&path), STR("a.b[1].c")));
    buf_deinit(&path);
}

Test(yaml, null_is_nothing_null_or_tilde_without_quotes)
{
    const struct yaml_node *top = read_text("a:\nb: null\nc: ~\nd: \"\"\ne: 'null'\n");
    cr_assert(yaml_is_null(yaml_child(top, STR("a"))));
    cr_assert(yaml_is_null(yaml_child(top, STR("b"))));
    cr_assert(yaml_is_null(yaml_child(top, STR("c"))));
    cr_assert_not(yaml_is_null(yaml_child(top, STR("d"))));
    cr_assert_not(yaml_is_null(yaml_child(top, STR("e"))));
}

Test(yaml, a_byte_order_mark_of_utf8_is_left_out)
{
    const struct yaml_node *top = read_text("\xEF\xBB\xBF"
                                            "a: 1\n");
    cr_assert_not_null(yaml_child(top, STR("a")));
    cr_assert_eq(yaml_child(top, STR("a"))->column, 4u);
}

Test(yaml, an_empty_file_is_one_problem_of_the_file)
{
    assert_refused(STR(""), 0, 0, "the file is empty: see conf/cutover.yaml");
}

Test(yaml, only_comments_is_empty)
{
    assert_refused(STR("# a\n  # b\n---\n"), 0, 0, "the file is empty");
}

Test(yaml, utf16_is_named)
{
    assert_refused(STR("\xFF\xFE"
                       "a\0:\0"),
                   0, 0, "UTF-16");
}

Test(yaml, a_nul_byte_is_found_where_it_is)
{
    assert_refused(STR("a: 1\nb: \0"), 2, 4, "NUL byte");
}

Test(yaml, an_escaped_nul_is_refused)
{
    assert_refused(STR("a: \"x\\0y\"\n"), 1, 4, "NUL character");
}

Test(yaml, bytes_that_are_not_utf8_are_refused)
{
    assert_refused(STR("a: 1\nb: \xC3\x28\n"), 2, 5, "not text in UTF-8");
}

Test(yaml, a_tab_is_called_a_tab)
{
    cr_assert_null(read_text("a:\n\tb: 1\n"));
    cr_assert(first_problem_has("tab"));
    cr_assert_eq(problems.items[0].line, 2u);
}

Test(yaml, broken_syntax_has_a_line)
{
    cr_assert_null(read_text("a: [1, 2\nb: 3\n"));
    cr_assert(first_problem_has("bad YAML"));
    cr_assert_eq(problems.items[0].line, 2u);
}

/* The values of ours that YAML takes for something else. */
Test(yaml, missing_quotes_are_told)
{
    cr_assert_null(read_text("names: [*.up.railway.app]\n"));
    cr_assert(first_problem_has("must be quoted: \"*.example.org\""));
    tear_down();
    set_up();
    cr_assert_null(read_text("address: [::]:8080\n"));
    cr_assert(first_problem_has("must be quoted: \"[::]:8080\""));
    tear_down();
    set_up();
    cr_assert_null(read_text("a: [${X}]\n"));
    cr_assert(first_problem_has("must be quoted: \"${NAME}\""));
}

Test(yaml, aliases_are_refused)
{
    assert_refused(STR("a: *x\n"), 1, 4, "aliases");
}

Test(yaml, anchors_are_refused)
{
    assert_refused(STR("a: &x 1\n"), 1, 4, "anchors");
}

Test(yaml, tags_are_refused)
{
    assert_refused(STR("a: !!str 1\n"), 1, 4, "tags");
}

Test(yaml, a_second_document_is_refused)
{
    assert_refused(STR("a: 1\n---\nb: 2\n"), 2, 1, "more than one document");
}

Test(yaml, a_key_that_is_no_word_is_refused)
{
    assert_refused(STR("{[a]: 1}\n"), 1, 2, "a key must be a word");
}

Test(yaml, a_list_at_the_top_is_refused)
{
    assert_refused(STR("- a\n"), 1, 1, "at the top");
}

Test(yaml, a_duplicate_key_is_told_and_the_rest_is_read)
{
    const struct yaml_node *top = read_text("a: 1\nb: {x: 1}\nb: {y: [2]}\nc: 3\n");
    cr_assert_not_null(top);
    cr_assert_eq(problems.count, 1u);
    cr_assert_eq(problems.items[0].line, 3u);
    cr_assert(str_eq(problems.items[0].path, STR("b")));
    cr_assert(first_problem_has("line 2"));
    cr_assert_eq(top->count, 3u);
    cr_assert_not_null(yaml_child(yaml_child(top, STR("b")), STR("x")));
}

static char *repeat(const char *text, size_t count)
{
    size_t len = strlen(text);
    char *all = mem_alloc(len * count + 1);
    for (size_t i = 0; i < count; i++)
        memcpy(all + i * len, text, len);
    all[len * count] = '\0';
    return all;
}

Test(yaml, ten_thousand_levels_are_refused, .timeout = 5)
{
    char *text = repeat("[", 10000);
    cr_assert_null(read_text(text));
    cr_assert_eq(problems.count, 1u);
    mem_free(text);
}

Test(yaml, the_deepest_level_that_is_allowed_is_read)
{
    char text[64] = "a: ";
    for (size_t i = 0; i < CONFIG_DEPTH_MAX - 1; i++) {
        text[3 + i] = '[';
        text[3 + CONFIG_DEPTH_MAX - 1 + i] = ']';
    }
    cr_assert_not_null(read_text(text), "%s", text);
    text[2] = '[';
    text[3 + 2 * (CONFIG_DEPTH_MAX - 1)] = ']';
    char more[80];
    (void)snprintf(more, sizeof(more), "a: %s", text + 2);
    cr_assert_null(read_text(more));
    cr_assert(first_problem_has("nested too deeply"));
}

Test(yaml, too_many_nodes_are_refused, .timeout = 5)
{
    char *text = repeat("- a\n", CONFIG_NODES_MAX + 1);
    cr_assert_null(read_text(text));
    cr_assert(first_problem_has("too many"));
    mem_free(text);
}

Test(yaml, a_file_above_the_limit_is_refused_at_once, .timeout = 5)
{
    char *text = repeat("a", CONFIG_FILE_MAX_BYTES + 1);
    cr_assert_null(read_text(text));
    cr_assert(first_problem_has("larger than"));
    cr_assert_eq(problems.items[0].line, 0u);
    mem_free(text);
}
