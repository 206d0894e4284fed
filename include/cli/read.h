/*
 * read.h - members of a JSON answer with a default for what is absent or of another type, so that a
 * newer or older server makes a poorer screen and not a crash.
 */
#ifndef CLI_READ_H
#define CLI_READ_H

#include <jansson.h>

#include "base/str.h"

/* NULL when it is no JSON object; freed with json_decref. */
json_t *read_json(struct str json);

const char *read_text(const json_t *object, const char *name, const char *otherwise);
double read_number(const json_t *object, const char *name);
bool read_bool(const json_t *object, const char *name, bool otherwise);

/* The text at `index` of an array; "?" when there is none. */
const char *read_item_text(const json_t *array, size_t index);

/* A number of an object in an object; 0 when there is none. */
double read_inner_number(const json_t *object, const char *name, const char *inner);

/* For stderr, which is no page: a copy with '?' for all but printable ASCII, cut at 255 bytes; valid
 * until the next call. */
const char *read_clean(const char *text);

#endif
