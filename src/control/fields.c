/*
 * fields.c - between the body that the admin server has read and the calls of the API: jansson
 * parses, this file decides what counts as right.
 *
 * The trick is the sticky fault: the first one is kept and makes every later read fail, so callers
 * have one error path however many members they read.
 */
#include "control/fields.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* A weight of two decimals times 100 is a whole number but for the rounding of its double. */
#define WEIGHT_TOLERANCE 1e-9
#define WEIGHT_FULL      10000

void fields_fault(struct fields *fields, const char *code, const char *format, ...)
{
    if (fields->code != NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fields->error.text, sizeof(fields->error.text), format, arguments);
    va_end(arguments);
    fields->code = code;
}

static bool is_known(const char *key, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

static void parse_failed(struct fields *fields, const json_error_t *why)
{
    if (json_error_code(why) == json_error_duplicate_key) {
        fields_fault(fields, "unknown_field", "a field is given twice (column %d)", why->column);
        return;
    }
    fields_fault(fields, "bad_json", "the body is not valid JSON: %s (line %d, column %d)",
                 why->text, why->line, why->column);
}

static void refuse_unknown(struct fields *fields, const char *const *names, unsigned count)
{
    const char *key;
    json_t *value;
    json_object_foreach(fields->root, key, value)
    {
        if (!is_known(key, names, count)) {
            fields_fault(fields, "unknown_field", "unknown field \"%.64s\"", key);
            return;
        }
    }
}

void fields_init(struct fields *fields, struct str body, const char *const *names, unsigned count)
{
    *fields = (struct fields){.root = NULL, .code = NULL};
    if (str_is_empty(str_trim(body))) {
        fields->root = json_object();
        return;
    }
    json_error_t why;
    fields->root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (fields->root == NULL) {
        parse_failed(fields, &why);
        return;
    }
    if (!json_is_object(fields->root)) {
        fields_fault(fields, "bad_json", "the body must be a JSON object");
        return;
    }
    refuse_unknown(fields, names, count);
}

void fields_deinit(struct fields *fields)
{
    json_decref(fields->root);
    fields->root = NULL;
}

/* The member, or NULL when it is absent or something was wrong before. */
static json_t *member(const struct fields *fields, const char *name)
{
    return fields->code != NULL ? NULL : json_object_get(fields->root, name);
}

void fields_require(struct fields *fields, const char *name)
{
    if (fields->code == NULL && json_object_get(fields->root, name) == NULL)
        fields_fault(fields, "missing_field", "the field \"%s\" is needed", name);
}

bool fields_weight(struct fields *fields, const char *name, unsigned *weight)
{
    const json_t *value = member(fields, name);
    if (value == NULL)
        return false;
    if (!json_is_number(value)) {
        fields_fault(fields, "bad_value", "%s: expected a number such as 30 or 0.25", name);
        return false;
    }
    double percent = json_number_value(value);
    if (!(percent >= 0 && percent <= 100)) {
        fields_fault(fields, "weight_out_of_range", "%s: expected 0..100, got %.6g", name, percent);
        return false;
    }
    double hundredths = round(percent * 100);
    if (fabs(percent * 100 - hundredths) > WEIGHT_TOLERANCE || hundredths > WEIGHT_FULL) {
        fields_fault(fields, "bad_value", "%s: expected at most two decimals, got %.10g", name,
                     percent);
        return false;
    }
    *weight = (unsigned)hundredths;
    return true;
}

static bool has_control_byte(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7f)
            return true;
    }
    return false;
}

static bool read_text(struct fields *fields, const char *name, const json_t *value,
                      size_t max_bytes, struct str *text)
{
    if (!json_is_string(value)) {
        fields_fault(fields, "bad_value", "%s: expected a text", name);
        return false;
    }
    struct str found = str_from(json_string_value(value), json_string_length(value));
    if (found.len > max_bytes) {
        fields_fault(fields, "bad_value", "%s: at most %zu bytes, got %zu", name, max_bytes,
                     found.len);
        return false;
    }
    if (has_control_byte(found)) {
        fields_fault(fields, "bad_value", "%s: control characters are not allowed", name);
        return false;
    }
    *text = found;
    return true;
}

bool fields_text(struct fields *fields, const char *name, size_t max_bytes, struct str *text)
{
    const json_t *value = member(fields, name);
    return value != NULL && read_text(fields, name, value, max_bytes, text);
}

bool fields_texts(struct fields *fields, const char *name, size_t max_bytes, struct str *texts,
                  unsigned room, unsigned *count)
{
    const json_t *list = member(fields, name);
    if (list == NULL)
        return false;
    if (!json_is_array(list)) {
        fields_fault(fields, "bad_value", "%s: expected a list of texts", name);
        return false;
    }
    if (json_array_size(list) > room) {
        fields_fault(fields, "bad_value", "%s: at most %u, got %zu", name, room,
                     json_array_size(list));
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!read_text(fields, name, json_array_get(list, i), max_bytes, &texts[i]))
            return false;
    *count = (unsigned)json_array_size(list);
    return true;
}

bool fields_unsigned(struct fields *fields, const char *name, unsigned least, unsigned most,
                     unsigned *value)
{
    const json_t *found = member(fields, name);
    if (found == NULL)
        return false;
    if (!json_is_integer(found) || json_integer_value(found) < (json_int_t)least ||
        json_integer_value(found) > (json_int_t)most) {
        fields_fault(fields, "bad_value", "%s: expected a whole number from %u to %u", name, least,
                     most);
        return false;
    }
    *value = (unsigned)json_integer_value(found);
    return true;
}

bool fields_bool(struct fields *fields, const char *name, bool *value)
{
    const json_t *found = member(fields, name);
    if (found == NULL)
        return false;
    if (!json_is_boolean(found)) {
        fields_fault(fields, "bad_value", "%s: expected true or false", name);
        return false;
    }
    *value = json_is_true(found);
    return true;
}

/* One value of the object: a text, or the texts of a list. */
static bool give_values(struct fields *fields, const char *key, const json_t *value,
                        fields_pair_cb each, void *data)
{
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(item)) {
            fields_fault(fields, "bad_value", "%.64s: expected a text or a list of texts", key);
            return false;
        }
        struct error error;
        struct str text = str_from(json_string_value(item), json_string_length(item));
        if (!each(data, str_of(key), text, &error)) {
            fields_fault(fields, "bad_value", "%s", error.text);
            return false;
        }
    }
    return true;
}

bool fields_pairs(struct fields *fields, const char *name, fields_pair_cb each, void *data)
{
    json_t *object = member(fields, name);
    if (object == NULL)
        return false;
    if (!json_is_object(object)) {
        fields_fault(fields, "bad_value", "%s: expected an object of names and values", name);
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (!give_values(fields, key, value, each, data))
            return false;
    }
    return true;
}
