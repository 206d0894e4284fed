/*
 * json.c - writes JSON straight into a buf, for log lines, metrics answers and the state file.
 *
 * The trick is in json_escape: a table tells the kind of each byte, and bytes that pass as they
 * are get copied a run at a time. Valid UTF-8 is part of such a run.
 */
#include "base/json.h"

#include "base/check.h"

/* 20 digits of the largest number. */
#define DIGITS_MAX 20

enum { PLAIN = 0, HIGH = 1 }; /* all other kinds are the letter that follows the backslash */

#define ROW(kind) \
    kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind, kind

/* clang-format off */
static const char kinds[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u', /* 00 */
    ROW('u'),
    0, 0, '"', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                               /* 20 */
    ROW(PLAIN),
    ROW(PLAIN),
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '\\', 0, 0, 0,                              /* 50 */
    ROW(PLAIN),
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'u',                               /* 70 */
    ROW(HIGH), ROW(HIGH), ROW(HIGH), ROW(HIGH), ROW(HIGH), ROW(HIGH), ROW(HIGH), ROW(HIGH),
};
/* clang-format on */

/* Well-formed UTF-8 (Unicode, table 3-7): the second byte's range rules out what is overlong, a
 * surrogate or above U+10FFFF; all later bytes are 80..BF. */
static const struct utf8_form {
    unsigned char lead_low, lead_high, second_low, second_high, len;
} utf8_forms[] = {
    {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool utf8_fits(const struct utf8_form *form, const unsigned char *at, size_t left)
{
    if (at[0] < form->lead_low || at[0] > form->lead_high || left < form->len ||
        at[1] < form->second_low || at[1] > form->second_high)
        return false;
    for (size_t i = 2; i < form->len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* The bytes of the character that begins at `at`, or 0 when it is no UTF-8. */
static size_t utf8_len(const char *at, size_t left)
{
    for (size_t i = 0; i < ARRAY_LEN(utf8_forms); i++)
        if (utf8_fits(&utf8_forms[i], (const unsigned char *)at, left))
            return utf8_forms[i].len;
    return 0;
}

/* How many bytes from `from` on pass as they are. */
static size_t plain_run(struct str value, size_t from)
{
    size_t at = from;
    while (at < value.len) {
        char kind = kinds[(unsigned char)value.data[at]];
        size_t len = kind == PLAIN ? 1 : 0;
        if (kind == HIGH)
            len = utf8_len(value.data + at, value.len - at);
        if (len == 0)
            break;
        at += len;
    }
    return at - from;
}

static void escape_byte(struct buf *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    char kind = kinds[byte];
    if (kind == 'u' || kind == HIGH) {
        const char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
        buf_append(out, text, sizeof(text));
    } else {
        const char text[2] = {'\\', kind};
        buf_append(out, text, sizeof(text));
    }
}

void json_escape(struct buf *out, struct str value)
{
    size_t at = 0;
    while (at < value.len) {
        size_t run = plain_run(value, at);
        buf_append(out, value.data + at, run);
        at += run;
        if (at < value.len) {
            escape_byte(out, (unsigned char)value.data[at]);
            at++;
        }
    }
}

void json_init(struct json *json, struct buf *out)
{
    json->out = out;
    json->needs_comma = false;
}

static void quote(struct buf *out, struct str text)
{
    buf_append_char(out, '"');
    json_escape(out, text);
    buf_append_char(out, '"');
}

/* What stands before any value: the comma, and the name inside an object. */
static void begin_value(struct json *json, const char *name)
{
    if (json->needs_comma)
        buf_append_char(json->out, ',');
    if (name != NULL) {
        quote(json->out, str_of(name));
        buf_append_char(json->out, ':');
    }
    json->needs_comma = true;
}

static void open_bracket(struct json *json, const char *name, char bracket)
{
    begin_value(json, name);
    buf_append_char(json->out, bracket);
    json->needs_comma = false;
}

static void close_bracket(struct json *json, char bracket)
{
    buf_append_char(json->out, bracket);
    json->needs_comma = true;
}

void json_object_begin(struct json *json, const char *name)
{
    open_bracket(json, name, '{');
}

void json_object_end(struct json *json)
{
    close_bracket(json, '}');
}

void json_array_begin(struct json *json, const char *name)
{
    open_bracket(json, name, '[');
}

void json_array_end(struct json *json)
{
    close_bracket(json, ']');
}

void json_str(struct json *json, const char *name, struct str value)
{
    begin_value(json, name);
    quote(json->out, value);
}

void json_text(struct json *json, const char *name, const char *value)
{
    if (value == NULL)
        json_none(json, name);
    else
        json_str(json, name, str_of(value));
}

/* With a point before the last `decimals` digits, and at least one digit before the point. */
static void put_number(struct buf *out, bool negative, uint64_t value, unsigned decimals)
{
    char text[DIGITS_MAX + 2];
    size_t at = sizeof(text);
    unsigned digits = 0;
    do {
        if (digits > 0 && digits == decimals)
            text[--at] = '.';
        text[--at] = (char)('0' + value % 10);
        value /= 10;
        digits++;
    } while (value > 0 || digits <= decimals);
    if (negative)
        text[--at] = '-';
    buf_append(out, text + at, sizeof(text) - at);
}

/* The absolute value, also of INT64_MIN, which has none as an int64_t. */
static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void json_i64(struct json *json, const char *name, int64_t value)
{
    json_decimal(json, name, value, 0);
}

void json_u64(struct json *json, const char *name, uint64_t value)
{
    begin_value(json, name);
    put_number(json->out, false, value, 0);
}

void json_decimal(struct json *json, const char *name, int64_t value, unsigned decimals)
{
    CHECK(decimals < DIGITS_MAX - 1);
    uint64_t digits = magnitude(value);
    while (decimals > 0 && digits % 10 == 0) {
        digits /= 10;
        decimals--;
    }
    begin_value(json, name);
    put_number(json->out, value < 0, digits, decimals);
}

void json_bool(struct json *json, const char *name, bool value)
{
    json_raw(json, name, value ? STR("true") : STR("false"));
}

void json_none(struct json *json, const char *name)
{
    json_raw(json, name, STR("null"));
}

void json_raw(struct json *json, const char *name, struct str value)
{
    begin_value(json, name);
    buf_append_str(json->out, value);
}
