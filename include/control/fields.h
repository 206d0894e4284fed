/*
 * fields.h - the JSON body of an admin call, read strictly.
 *
 * A body is one object with known, unrepeated members of the right types, and nothing behind it.
 * The first thing that is wrong is kept (code and sentence) and every later read fails, so that a
 * call reads all it needs and asks once:
 *
 *     struct fields fields;
 *     fields_init(&fields, body, names, count);
 *     fields_weight(&fields, "weight", &weight);
 *     fields_text(&fields, "reason", &reason);
 *     if (fields.code != NULL) -> refuse with fields.code and fields.error
 *     fields_deinit(&fields);
 *
 * Texts belong to the fields and live until fields_deinit.
 */
#ifndef CONTROL_FIELDS_H
#define CONTROL_FIELDS_H

#include "base/error.h"
#include "base/str.h"

struct json_t; /* jansson's; included in fields.c only */

/* Bytes of a reason for the audit, and of a route's name. */
#define FIELDS_REASON_MAX_BYTES 256
#define FIELDS_ROUTE_MAX_BYTES  256

struct fields {
    struct json_t *root; /* owned; NULL when the body could not be read */
    const char *code;    /* NULL, or the API's error code of the first thing that is wrong */
    struct error error;  /* set with `code` */
};

/* Life cycle */

/* Reads `body`; an empty one counts as {}. Members that are not in `names` are wrong. */
void fields_init(struct fields *fields, struct str body, const char *const *names, unsigned count);
void fields_deinit(struct fields *fields);

/* Use. Each returns true when the member is there and right; false when it is absent or wrong (then
 * `code` is set). The value is only written on true. */

/* Says that this member must be there. */
void fields_require(struct fields *fields, const char *name);

/* A percentage 0..100 with at most two decimals, as 0..10000. */
bool fields_weight(struct fields *fields, const char *name, unsigned *weight);

/* A text without control bytes, of at most `max_bytes`. */
bool fields_text(struct fields *fields, const char *name, size_t max_bytes, struct str *text);
bool fields_bool(struct fields *fields, const char *name, bool *value);

/* A whole number from `least` to `most`. */
bool fields_unsigned(struct fields *fields, const char *name, unsigned least, unsigned most,
                     unsigned *value);

/* A list of at most `room` texts, each as fields_text reads it. */
bool fields_texts(struct fields *fields, const char *name, size_t max_bytes, struct str *texts,
                  unsigned room, unsigned *count);

/*
 * An object of texts or lists of texts: `each` is called for every text. False from `each` ends the
 * walk and makes the member wrong, with the error that `each` has set.
 */
typedef bool (*fields_pair_cb)(void *data, struct str name, struct str value, struct error *error);
bool fields_pairs(struct fields *fields, const char *name, fields_pair_cb each, void *data);

/* Marks a value as wrong for a reason that the caller found. */
void fields_fault(struct fields *fields, const char *code, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
