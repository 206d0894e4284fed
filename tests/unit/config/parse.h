/*
 * parse.h - what the tests of this folder share: a text is parsed, and it is good, or it has
 * exactly one problem.
 */
#ifndef TESTS_CONFIG_PARSE_H
#define TESTS_CONFIG_PARSE_H

#include <criterion/criterion.h>

#include "config/config.h"

#define LISTEN "listen: [{address: 127.0.0.1:8080}]\n"
#define BACKENDS                            \
    "backends:\n"                           \
    "  old: {servers: [http://10.0.0.1]}\n" \
    "  new: {servers: [http://10.0.0.2]}\n"
#define MINIMAL LISTEN BACKENDS

/* The value of backends.new follows. */
#define OLD LISTEN "backends:\n  old: {servers: [http://10.0.0.1]}\n  new: "

static struct config_problems problems;

static inline void set_up(void)
{
    config_problems_init(&problems);
}

static inline void tear_down(void)
{
    config_problems_deinit(&problems);
}

static inline struct config *parse(const char *text)
{
    return config_parse(str_of(text), "f", &problems);
}

static inline struct config *parse_good(const char *text)
{
    struct buf out = BUF_EMPTY;
    struct config *config = parse(text);
    config_problems_format(&problems, &out);
    cr_assert_not_null(config, "%.*s", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
    return config;
}

/* The one problem of `text` is at this line, path and text. */
static inline void assert_problem(const char *text, unsigned line, const char *path,
                                  const char *part)
{
    config_problems_deinit(&problems);
    config_problems_init(&problems);
    struct buf out = BUF_EMPTY;
    struct config *config = parse(text);
    config_problems_format(&problems, &out);
    buf_append_char(&out, '\0');
    const char *shown = buf_str(&out).data;
    cr_assert_null(config, "%s", text);
    cr_assert_eq(problems.count, 1u, "%s", shown);
    cr_assert_eq(problems.items[0].line, line, "%s", shown);
    cr_assert_str_eq(problems.items[0].path.data, path, "%s", shown);
    cr_assert_not_null(strstr(problems.items[0].text.data, part), "%s", shown);
    buf_deinit(&out);
}

#endif
