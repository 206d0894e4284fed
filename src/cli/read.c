/*
 * read.c - jansson with defaults, and network text that is made safe for a terminal.
 */
#include "cli/read.h"

#include <string.h>

#define CLEAN_BYTES 256

json_t *read_json(struct str json)
{
    json_t *root = json_loadb(json.data, json.len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

const char *read_text(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? otherwise : text;
}

double read_number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

bool read_bool(const json_t *object, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(object, name);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

const char *read_item_text(const json_t *array, size_t index)
{
    const char *text = json_string_value(json_array_get(array, index));
    return text == NULL ? "?" : text;
}

double read_inner_number(const json_t *object, const char *name, const char *inner)
{
    return read_number(json_object_get(object, name), inner);
}

const char *read_clean(const char *text)
{
    static char clean[CLEAN_BYTES]; /* the command line has one thread */
    size_t len = strnlen(text, CLEAN_BYTES - 1);
    for (size_t i = 0; i < len; i++)
        clean[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    clean[len] = '\0';
    return clean;
}
