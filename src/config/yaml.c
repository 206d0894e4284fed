/*
 * yaml.c - first step of reading a configuration: libyaml's events become nodes.
 *
 *     bytes -> is it text? -> yaml_parser_parse, event by event -> take_event -> tree
 *
 * There is no recursion: `open` is the innermost mapping or list, and closing it goes back to its
 * parent. Within a mapping libyaml gives key, value, key, value...; `has_key` says which is next.
 * Limits are checked as events come, so that a hostile file is dropped early.
 */
#include "config/yaml.h"

#include <yaml.h>

struct yaml_reader {
    yaml_parser_t parser;
    struct str text;
    struct arena *arena;              /* borrowed: the caller's */
    struct config_problems *problems; /* borrowed: the caller's */
    struct yaml_node *top;
    struct yaml_node *open; /* NULL outside all mappings and lists */
    unsigned depth;
    unsigned nodes;
    unsigned documents;

    bool has_key; /* the next node is the value of `key` */
    bool key_is_duplicate;
    struct str key;
    unsigned key_line, key_column;
};

static unsigned line_of(yaml_mark_t mark)
{
    return (unsigned)mark.line + 1;
}

static unsigned column_of(yaml_mark_t mark)
{
    return (unsigned)mark.column + 1;
}

/* Always false, for `return refuse(...)`. */
static bool refuse(struct yaml_reader *reader, yaml_mark_t mark, const char *text)
{
    config_problems_add(reader->problems, line_of(mark), column_of(mark), STR(""), "%s", text);
    return false;
}

/* ---- is it text? ---- */

static bool refuse_offset(struct yaml_reader *reader, size_t offset, const char *text)
{
    unsigned line = 1;
    unsigned column = 1;
    for (size_t i = 0; i < offset && i < reader->text.len; i++) {
        bool ends = reader->text.data[i] == '\n';
        line += ends ? 1 : 0;
        column = ends ? 1 : column + 1;
    }
    config_problems_add(reader->problems, line, column, STR(""), "%s", text);
    return false;
}

static bool refuse_file(struct yaml_reader *reader, const char *text)
{
    config_problems_add(reader->problems, 0, 0, STR(""), "%s", text);
    return false;
}

static bool check_bytes(struct yaml_reader *reader)
{
    struct str *text = &reader->text;
    if (text->len > CONFIG_FILE_MAX_BYTES) {
        config_problems_add(reader->problems, 0, 0, STR(""), "the file is larger than %d bytes",
                            CONFIG_FILE_MAX_BYTES);
        return false;
    }
    if (str_starts_with(*text, STR("\xFF\xFE")) || str_starts_with(*text, STR("\xFE\xFF")))
        return refuse_file(reader, "the file is in UTF-16: save it as UTF-8");
    if (str_starts_with(*text, STR("\xEF\xBB\xBF")))
        *text = str_slice(*text, 3, text->len);
    ptrdiff_t nul = str_find_char(*text, '\0', 0);
    if (nul >= 0) {
        return refuse_offset(reader, (size_t)nul,
                             "a NUL byte: the file must be text in UTF-8, not binary or UTF-16");
    }
    return true;
}

/* ---- what libyaml does not like ---- */

/* Line number `line`, from 0, without its end; empty when there is none. */
static struct str text_line(struct str text, size_t line)
{
    size_t at = 0;
    for (; line > 0; line--) {
        ptrdiff_t end = str_find_char(text, '\n', at);
        if (end < 0)
            return STR("");
        at = (size_t)end + 1;
    }
    ptrdiff_t end = str_find_char(text, '\n', at);
    return str_slice(text, at, end < 0 ? text.len : (size_t)end);
}

/* Tabs are the one mistake that nobody can see, and libyaml does not call it by its name. */
static bool line_has_tab_indent(struct str text, size_t line)
{
    struct str rest = text_line(text, line);
    while (rest.len > 0 && rest.data[0] == ' ')
        rest = str_slice(rest, 1, rest.len);
    return rest.len > 0 && rest.data[0] == '\t';
}

static bool line_has(struct str text, size_t line, struct str part)
{
    struct str whole = text_line(text, line);
    return memmem(whole.data, whole.len, part.data, part.len) != NULL;
}

/* What libyaml cannot know: values of ours that mean something else in YAML without quotes. */
static const char *hint(const struct yaml_reader *reader)
{
    size_t line = reader->parser.problem_mark.line;
    const char *context = reader->parser.context;
    if (line_has(reader->text, line, STR("${")))
        return " (a ${NAME} inside [...] or {...} must be quoted: \"${NAME}\")";
    if (context != NULL && strstr(context, "alias") != NULL)
        return " (a value that starts with * must be quoted: \"*.example.org\")";
    if (line_has(reader->text, line, STR("[:")))
        return " (an address that starts with [ must be quoted: \"[::]:8080\")";
    return "";
}

static void report_syntax(struct yaml_reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem == NULL ? "cannot be read as YAML" : parser->problem;
    if (parser->error == YAML_READER_ERROR) {
        (void)refuse_offset(reader, parser->problem_offset,
                            "the file is not text in UTF-8 (or holds a control character)");
        return;
    }
    if (line_has_tab_indent(reader->text, parser->problem_mark.line)) {
        (void)refuse(reader, parser->problem_mark,
                     "a tab cannot be used to indent in YAML: use spaces");
        return;
    }
    config_problems_add(reader->problems, line_of(parser->problem_mark),
                        column_of(parser->problem_mark), STR(""), "bad YAML: %s%s%s%s",
                        parser->context == NULL ? "" : parser->context,
                        parser->context == NULL ? "" : ": ", problem, hint(reader));
}

/* ---- events to nodes ---- */

static void append(struct yaml_node *parent, struct yaml_node *node)
{
    node->index = parent->count++;
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
}

static struct yaml_node *add_node(struct yaml_reader *reader, enum yaml_kind kind, yaml_mark_t mark)
{
    struct yaml_node *node = arena_alloc(reader->arena, sizeof(*node));
    node->kind = kind;
    node->parent = reader->open;
    node->line = node->key_line = line_of(mark);
    node->column = node->key_column = column_of(mark);
    if (reader->has_key) {
        node->key = reader->key;
        node->key_line = reader->key_line;
        node->key_column = reader->key_column;
    }
    if (reader->open == NULL)
        reader->top = node;
    else if (!reader->key_is_duplicate)
        append(reader->open, node);
    reader->has_key = reader->key_is_duplicate = false;
    return node;
}

static void take_key(struct yaml_reader *reader, const yaml_event_t *event, struct str text)
{
    reader->has_key = true;
    reader->key = arena_str(reader->arena, text);
    reader->key_line = line_of(event->start_mark);
    reader->key_column = column_of(event->start_mark);

    const struct yaml_node *earlier = yaml_child(reader->open, text);
    reader->key_is_duplicate = earlier != NULL;
    if (earlier != NULL) {
        struct buf path = BUF_EMPTY;
        yaml_path(earlier, &path);
        config_problems_add(reader->problems, reader->key_line, reader->key_column, buf_str(&path),
                            "duplicate key: it is on line %u already", earlier->key_line);
        buf_deinit(&path);
    }
}

static bool take_scalar(struct yaml_reader *reader, const yaml_event_t *event, bool is_key)
{
    struct str text = str_from((const char *)event->data.scalar.value, event->data.scalar.length);
    if (str_find_char(text, '\0', 0) >= 0)
        return refuse(reader, event->start_mark, "a NUL character cannot be part of a value");
    if (is_key) {
        take_key(reader, event, text);
        return true;
    }
    struct yaml_node *node = add_node(reader, YAML_SCALAR, event->start_mark);
    node->text = arena_str(reader->arena, text);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return true;
}

static bool take_open(struct yaml_reader *reader, const yaml_event_t *event, bool is_key)
{
    if (is_key) {
        return refuse(reader, event->start_mark,
                      "a key must be a word: a value that starts with { or [ needs quotes");
    }
    if (++reader->depth > CONFIG_DEPTH_MAX)
        return refuse(reader, event->start_mark, "nested too deeply");
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
    reader->open = add_node(reader, is_mapping ? YAML_MAPPING : YAML_SEQUENCE, event->start_mark);
    return true;
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static bool take_value(struct yaml_reader *reader, const yaml_event_t *event)
{
    if (has_anchor_or_tag(event)) {
        return refuse(reader, event->start_mark,
                      "anchors (&name) and tags (!name) are not supported: a value that starts "
                      "with & or ! needs quotes");
    }
    if (++reader->nodes > CONFIG_NODES_MAX)
        return refuse(reader, event->start_mark, "too many keys and values for a configuration");
    bool is_key = reader->open != NULL && reader->open->kind == YAML_MAPPING && !reader->has_key;
    return event->type == YAML_SCALAR_EVENT ? take_scalar(reader, event, is_key)
                                            : take_open(reader, event, is_key);
}

static bool take_event(struct yaml_reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return ++reader->documents == 1 ||
               refuse(reader, event->start_mark, "more than one document (---) in the file");
    case YAML_ALIAS_EVENT:
        return refuse(reader, event->start_mark,
                      "aliases (*name) are not supported: write the value out, or put quotes "
                      "around a value that starts with *");
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return take_value(reader, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        /* The tree is ours to change while it is built; nodes only show it as const to others. */
        reader->open = (struct yaml_node *)reader->open->parent;
        reader->depth--;
        return true;
    default:
        return true;
    }
}

static bool take_events(struct yaml_reader *reader)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) {
            report_syntax(reader);
            return false;
        }
        bool ends = event.type == YAML_STREAM_END_EVENT;
        bool taken = take_event(reader, &event);
        yaml_event_delete(&event);
        if (ends || !taken)
            return taken;
    }
}

static bool check_top(struct yaml_reader *reader)
{
    if (reader->top == NULL || yaml_is_null(reader->top))
        return refuse_file(reader, "the file is empty: see conf/cutover.yaml");
    if (reader->top->kind != YAML_MAPPING) {
        config_problems_add(reader->problems, reader->top->line, reader->top->column, STR(""),
                            "expected keys such as \"backends:\" at the top of the file");
        return false;
    }
    return true;
}

struct yaml_node *yaml_read(struct str text, struct arena *arena, struct config_problems *problems)
{
    struct yaml_reader reader = {.text = text, .arena = arena, .problems = problems};
    if (!check_bytes(&reader))
        return NULL;
    if (!yaml_parser_initialize(&reader.parser)) {
        (void)refuse_file(&reader, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)reader.text.data,
                                 reader.text.len);
    bool good = take_events(&reader) && check_top(&reader);
    yaml_parser_delete(&reader.parser);
    return good ? reader.top : NULL;
}

/* ---- looking at the tree ---- */

const struct yaml_node *yaml_child(const struct yaml_node *node, struct str key)
{
    if (node->kind != YAML_MAPPING)
        return NULL;
    for (const struct yaml_node *child = node->first; child != NULL; child = child->next)
        if (str_eq(child->key, key))
            return child;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && node->is_plain &&
           (node->text.len == 0 || str_eq(node->text, STR("null")) || str_eq(node->text, STR("~")));
}

void yaml_path(const struct yaml_node *node, struct buf *out)
{
    if (node->parent == NULL)
        return;
    yaml_path(node->parent, out);
    if (node->parent->kind == YAML_SEQUENCE) {
        buf_printf(out, "[%u]", node->index);
        return;
    }
    if (buf_len(out) > 0)
        buf_append_char(out, '.');
    config_problem_quote(out, node->key);
}
