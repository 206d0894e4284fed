/*
 * problem.c - the list that yaml, schema and the sections add to, kept sorted by place.
 *
 * Keys are read in the order of their tables, not of the file, so each problem is inserted where it
 * belongs. The list is short (CONFIG_PROBLEMS_MAX): when it is full the last one makes room, and is
 * only counted.
 */
#include "config/problem.h"

#include <stdarg.h>

#include "base/json.h"

#define QUOTE_MAX_BYTES 80

void config_problems_init(struct config_problems *problems)
{
    *problems = (struct config_problems){0};
    arena_init(&problems->arena);
}

void config_problems_deinit(struct config_problems *problems)
{
    arena_deinit(&problems->arena);
    *problems = (struct config_problems){0};
}

static bool comes_before(const struct config_problem *a, const struct config_problem *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void insert(struct config_problems *problems, const struct config_problem *problem)
{
    if (problems->items == NULL) {
        problems->items =
            arena_array(&problems->arena, CONFIG_PROBLEMS_MAX, sizeof(*problems->items));
    }
    if (problems->count == CONFIG_PROBLEMS_MAX) {
        problems->left_out++;
        if (!comes_before(problem, &problems->items[problems->count - 1]))
            return;
        problems->count--;
    }
    unsigned at = problems->count++;
    for (; at > 0 && comes_before(problem, &problems->items[at - 1]); at--)
        problems->items[at] = problems->items[at - 1];
    problems->items[at] = *problem;
}

void config_problems_add(struct config_problems *problems, unsigned line, unsigned column,
                         struct str path, const char *format, ...)
{
    struct buf text = BUF_EMPTY;
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);

    struct config_problem problem = {
        .line = line,
        .column = column,
        .path = arena_str(&problems->arena, path),
        .text = arena_str(&problems->arena, buf_str(&text)),
    };
    insert(problems, &problem);
    buf_deinit(&text);
}

static void format_one(const struct config_problem *problem, struct str file, struct buf *out)
{
    buf_append_str(out, file);
    if (problem->line > 0)
        buf_printf(out, ":%u:%u", problem->line, problem->column);
    buf_append_str(out, STR(": error: "));
    if (!str_is_empty(problem->path)) {
        buf_append_str(out, problem->path);
        buf_append_str(out, STR(": "));
    }
    buf_append_str(out, problem->text);
    buf_append_char(out, '\n');
}

void config_problems_format(const struct config_problems *problems, struct buf *out)
{
    for (unsigned i = 0; i < problems->count; i++)
        format_one(&problems->items[i], problems->file, out);
    if (problems->left_out > 0) {
        buf_append_str(out, problems->file);
        buf_printf(out, ": error: %u more problems are not shown\n", problems->left_out);
    }
}

/* Cuts between characters: a UTF-8 continuation byte never starts what is left out. */
static size_t cut_length(struct str text)
{
    size_t len = QUOTE_MAX_BYTES;
    while (len > 0 && ((unsigned char)text.data[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void config_problem_quote(struct buf *out, struct str text)
{
    if (text.len <= QUOTE_MAX_BYTES) {
        json_escape(out, text);
        return;
    }
    json_escape(out, str_slice(text, 0, cut_length(text)));
    buf_append_str(out, STR("..."));
}
