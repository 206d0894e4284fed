/*
 * values.c - the texts of a configuration that stand for numbers.
 *
 * Overflow is never an error of its own: it becomes UINT64_MAX, and the range of the key, which is
 * checked next, refuses that with a text that names the real limit.
 */
#include "config/values.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first, for the way back to text. */
static const struct unit DURATIONS[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};
static const struct unit SIZES[] = {
    {"g", 1024 * 1024 * 1024},
    {"m", 1024 * 1024},
    {"k", 1024},
    {"", 1},
};

static size_t count_digits(struct str text, size_t from)
{
    size_t at = from;
    while (at < text.len && ascii_is_digit(text.data[at]))
        at++;
    return at - from;
}

/* Digits that overflow are the largest number there is. */
static uint64_t digits_to_u64(struct str digits)
{
    uint64_t value;
    return str_to_u64(digits, &value) ? value : UINT64_MAX;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static bool number_with_unit(struct str text, const struct unit *units, size_t count,
                             uint64_t *value)
{
    size_t digits = count_digits(text, 0);
    struct str name = str_slice(text, digits, text.len);
    for (size_t i = 0; digits > 0 && i < count; i++) {
        if (str_eq(name, str_of(units[i].name))) {
            *value = multiply(digits_to_u64(str_slice(text, 0, digits)), units[i].factor);
            return true;
        }
    }
    return false;
}

bool value_duration(struct str text, uint64_t *ms, struct error *error)
{
    if (number_with_unit(text, DURATIONS, ARRAY_LEN(DURATIONS), ms))
        return true;
    if (str_eq(text, STR("0"))) {
        *ms = 0;
        return true;
    }
    if (text.len > 0 && count_digits(text, 0) == text.len)
        return error_set(error, "expected a duration with its unit (ms, s, m, h, d) such as 30s");
    return error_set(error, "expected a duration such as 250ms, 5s, 5m, 2h or 7d");
}

bool value_size(struct str text, uint64_t *bytes, struct error *error)
{
    return number_with_unit(text, SIZES, ARRAY_LEN(SIZES), bytes) ||
           error_set(error, "expected a size such as 512, 64k, 1m or 2g");
}

/* "12", "12.3", "12.34" in hundredths. */
static bool hundredths_of(struct str text, uint64_t *hundredths)
{
    size_t whole = count_digits(text, 0);
    if (whole == 0)
        return false;
    uint64_t value = multiply(digits_to_u64(str_slice(text, 0, whole)), 100);
    if (whole < text.len) {
        size_t decimals = count_digits(text, whole + 1);
        if (text.data[whole] != '.' || decimals < 1 || decimals > 2 ||
            whole + 1 + decimals != text.len)
            return false;
        uint64_t part = digits_to_u64(str_slice(text, whole + 1, text.len));
        part *= decimals == 1 ? 10 : 1;
        value = __builtin_add_overflow(value, part, &value) ? UINT64_MAX : value;
    }
    *hundredths = value;
    return true;
}

bool value_percentage(struct str text, uint64_t *hundredths, struct error *error)
{
    if (text.len > 0 && text.data[text.len - 1] == '%')
        text.len--;
    return (hundredths_of(text, hundredths) && *hundredths <= 10000) ||
           error_set(error, "expected a percentage from 0 to 100 with at most two decimals, such "
                            "as 30, 0.25 or 1%%");
}

bool value_ratio(struct str text, uint64_t *hundredths, struct error *error)
{
    return hundredths_of(text, hundredths) ||
           error_set(error, "expected a ratio with at most two decimals, such as 2.0");
}

bool value_bool(struct str text, bool *value, struct error *error)
{
    *value = str_eq(text, STR("true"));
    return *value || str_eq(text, STR("false")) || error_set(error, "expected true or false");
}

static bool status_code(struct str text, unsigned *code)
{
    uint64_t value;
    if (text.len != 3 || !str_to_u64(text, &value) || value < 200 || value > 599)
        return false;
    *code = (unsigned)value;
    return true;
}

bool value_status_range(struct str text, unsigned *min, unsigned *max, struct error *error)
{
    ptrdiff_t dash = str_find_char(text, '-', 0);
    struct str low = dash < 0 ? text : str_slice(text, 0, (size_t)dash);
    struct str high = dash < 0 ? text : str_slice(text, (size_t)dash + 1, text.len);
    return (status_code(low, min) && status_code(high, max) && *min <= *max) ||
           error_set(error, "expected status codes from 200 to 599 such as 200-399 or 200");
}

static void number_text(uint64_t value, const struct unit *units, size_t count,
                        char text[VALUE_TEXT_BYTES])
{
    for (size_t i = 0; value > 0 && i < count; i++) {
        if (value % units[i].factor == 0) {
            (void)snprintf(text, VALUE_TEXT_BYTES, "%" PRIu64 "%s", value / units[i].factor,
                           units[i].name);
            return;
        }
    }
    (void)snprintf(text, VALUE_TEXT_BYTES, "0");
}

void value_duration_text(uint64_t ms, char text[VALUE_TEXT_BYTES])
{
    number_text(ms, DURATIONS, ARRAY_LEN(DURATIONS), text);
}

void value_size_text(uint64_t bytes, char text[VALUE_TEXT_BYTES])
{
    number_text(bytes, SIZES, ARRAY_LEN(SIZES), text);
}
