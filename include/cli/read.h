/*
 * read.h - members of a JSON answer with a default for what is absent or of another type, so that a
 * newer or older server makes a poorer screen and not a crash. Private to the show files.
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

/* The answer's warnings on stdout, a line for each, behind `label`. */
void print_warnings(const json_t *answer, const char *label);

/* A copy with '?' for all but printable ASCII, cut at 255 bytes; valid until the next call. */
const char *read_clean(const char *text);

#endif
