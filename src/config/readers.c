/*
 * readers.c - text to value to place, for the kinds of values that many keys have.
 *
 *     text as written -> expand -> values/words: what does it mean? -> in range? -> place
 *
 * A problem shows the text as it was written: what ${TOKEN} stands for is never printed.
 */
#include "config/readers.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "config/values.h"

/* ---- numbers ---- */

static void store(const struct schema_key *key, void *place, uint64_t value)
{
    if (key->width == sizeof(bool)) {
        *(bool *)place = value != 0;
    } else if (key->width == sizeof(uint32_t)) {
        uint32_t narrow = (uint32_t)value;
        memcpy(place, &narrow, sizeof(narrow));
    } else {
        CHECK(key->width == sizeof(value));
        memcpy(place, &value, sizeof(value));
    }
}

static void integer_text(uint64_t value, char text[VALUE_TEXT_BYTES])
{
    (void)snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64, value);
}

static void ratio_text(uint64_t value, char text[VALUE_TEXT_BYTES])
{
    (void)snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 ".%02" PRIu64, value / 100, value % 100);
}

/* How one kind of number is read and written. */
struct number {
    const char *name;
    bool (*parse)(struct str text, uint64_t *value, struct error *error);
    void (*format)(uint64_t value, char text[VALUE_TEXT_BYTES]);
};

static bool in_range(uint64_t value, const struct reader_range *range)
{
    return (value >= range->min && value <= range->max) || (value == 0 && range->or_zero);
}

static bool read_number(struct schema *schema, const struct yaml_node *node,
                        const struct schema_key *key, const struct number *number, uint64_t *value)
{
    const struct reader_range *range = key->argument;
    char min[VALUE_TEXT_BYTES];
    char max[VALUE_TEXT_BYTES];
    char expected[sizeof(min) + sizeof(max) + 64];
    number->format(range->min, min);
    number->format(range->max, max);
    (void)snprintf(expected, sizeof(expected), "expected %s%s from %s to %s",
                   range->or_zero ? "0 or " : "", number->name, min, max);

    struct str text;
    struct error error;
    if (!schema_scalar(schema, node, expected, &text))
        return false;
    if (!number->parse(text, value, &error))
        return schema_expected(schema, node, error.text);
    return in_range(*value, range) || schema_expected(schema, node, expected);
}

static bool read_and_store(struct schema *schema, const struct yaml_node *node,
                           const struct schema_key *key, const struct number *number, void *place)
{
    uint64_t value = 0;
    if (!read_number(schema, node, key, number, &value))
        return false;
    store(key, place, value);
    return true;
}

static bool integer_parse(struct str text, uint64_t *value, struct error *error)
{
    return str_to_u64(text, value) || error_set(error, "expected a whole number");
}

static const struct number DURATION = {"a duration", value_duration, value_duration_text};
static const struct number SIZE = {"a size", value_size, value_size_text};
static const struct number INTEGER = {"a whole number", integer_parse, integer_text};
static const struct number RATIO = {"a ratio", value_ratio, ratio_text};

bool reader_duration(struct schema *schema, const struct yaml_node *node,
                     const struct schema_key *key, void *place)
{
    return read_and_store(schema, node, key, &DURATION, place);
}

bool reader_seconds(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place)
{
    uint64_t ms = 0;
    if (!read_number(schema, node, key, &DURATION, &ms))
        return false;
    if (ms % 1000 != 0)
        return schema_expected(schema, node, "expected whole seconds");
    store(key, place, ms / 1000);
    return true;
}

bool reader_size(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place)
{
    return read_and_store(schema, node, key, &SIZE, place);
}

bool reader_integer(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place)
{
    return read_and_store(schema, node, key, &INTEGER, place);
}

bool reader_ratio(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                  void *place)
{
    return read_and_store(schema, node, key, &RATIO, place);
}

bool reader_percentage(struct schema *schema, const struct yaml_node *node,
                       const struct schema_key *key, void *place)
{
    struct str text;
    struct error error;
    uint64_t value;
    if (!schema_scalar(schema, node, "expected a percentage from 0 to 100", &text))
        return false;
    if (!value_percentage(text, &value, &error))
        return schema_expected(schema, node, error.text);
    store(key, place, value);
    return true;
}

/* ---- words ---- */

bool reader_bool(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place)
{
    struct str text;
    struct error error;
    bool value;
    if (!schema_scalar(schema, node, "expected true or false", &text))
        return false;
    if (!value_bool(text, &value, &error))
        return schema_expected(schema, node, error.text);
    store(key, place, value);
    return true;
}

static void list_names(const struct reader_names *names, struct buf *out)
{
    buf_append_str(out, STR("expected "));
    for (unsigned i = 0; i < names->count; i++) {
        bool is_last = i + 1 == names->count;
        buf_printf(out, "%s%s", i == 0 ? "" : is_last ? " or " : ", ", names->names[i]);
    }
    buf_append_char(out, '\0');
}

static bool find_name(const struct reader_names *names, struct str text, unsigned *index)
{
    for (*index = 0; *index < names->count; (*index)++)
        if (str_eq(str_of(names->names[*index]), text))
            return true;
    return false;
}

bool reader_enum(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place)
{
    const struct reader_names *names = key->argument;
    struct buf expected = BUF_EMPTY;
    struct str text;
    unsigned index;
    list_names(names, &expected);
    const char *sentence = buf_str(&expected).data;

    bool good = schema_scalar(schema, node, sentence, &text);
    if (good && find_name(names, text, &index))
        store(key, place, index);
    else if (good)
        good = schema_expected(schema, node, sentence);
    buf_deinit(&expected);
    return good;
}

bool reader_word(struct schema *schema, const struct yaml_node *node, const struct schema_key *key,
                 void *place)
{
    const struct reader_word *word = key->argument;
    struct str text = STR("");
    struct error error;
    (void)word->rule(STR(""), &error); /* what is expected, for a node that is no text at all */
    if (!schema_scalar(schema, node, error.text, &text))
        return false;
    bool is_nothing = text.len == 0 && (key->flags & SCHEMA_NULLABLE) != 0;
    if (!is_nothing && !word->rule(text, &error))
        return schema_expected(schema, node, error.text);
    *(struct str *)place = text;
    return true;
}

/* ---- mappings ---- */

bool reader_section(struct schema *schema, const struct yaml_node *node,
                    const struct schema_key *key, void *place)
{
    return schema_map_read(schema, node, key->argument, place, true);
}

bool reader_overrides(struct schema *schema, const struct yaml_node *node,
                      const struct schema_key *key, void *place)
{
    return schema_map_read(schema, node, key->argument, place, false);
}
