/*
 * json.h - writes JSON into a buf. Reading is jansson's work (control/, cli/).
 *
 * The writer puts the commas; names and strings are escaped, and bytes that are not UTF-8 are
 * written as \u00XX, so that whatever a client sent, the line is valid JSON.
 *
 *     struct json json;
 *     json_init(&json, &buf);
 *     json_object_begin(&json, NULL);
 *     json_str(&json, "name", STR("x"));
 *     json_array_begin(&json, "list");
 *     json_u64(&json, NULL, 7);
 *     json_array_end(&json);
 *     json_object_end(&json);              -> {"name":"x","list":[7]}
 *
 * `name` is the member's name inside an object and NULL inside an array or at the top.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

struct json {
    struct buf *out;  /* borrowed: from the caller */
    bool needs_comma; /* something stands before, at this depth */
};

void json_init(struct json *json, struct buf *out);
void json_object_begin(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array_begin(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_str(struct json *json, const char *name, struct str value);
void json_text(struct json *json, const char *name, const char *value); /* NULL writes null */
void json_i64(struct json *json, const char *name, int64_t value);
void json_u64(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);
void json_none(struct json *json, const char *name); /* null; jansson has taken that name */

/* `value` / 10^decimals with trailing zeros cut: (1025, 2) is 10.25, (3000, 2) is 30. */
void json_decimal(struct json *json, const char *name, int64_t value, unsigned decimals);

/* Bytes that are JSON already. */
void json_raw(struct json *json, const char *name, struct str value);

/* The escaped inside of a string, without quotes. */
void json_escape(struct buf *out, struct str value);

#endif
