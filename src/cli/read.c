/*
 * read.c - jansson with defaults, and the one place that makes network text safe for a terminal.
 */
#include "cli/read.h"

#include <stdio.h>
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

const char *read_clean(const char *text)
{
    static char clean[CLEAN_BYTES]; /* the command line has one thread */
    size_t len = strnlen(text, CLEAN_BYTES - 1);
    for (size_t i = 0; i < len; i++)
        clean[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    clean[len] = '\0';
    return clean;
}

void print_warnings(const json_t *answer, const char *label)
{
    const json_t *warnings = json_object_get(answer, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        const char *text = json_string_value(json_array_get(warnings, i));
        printf("%s%s\n", label, read_clean(text == NULL ? "?" : text));
    }
}
