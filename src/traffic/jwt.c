/*
 * jwt.c - one claim out of a bearer token, for the identity `jwt:CLAIM`.
 *
 *     Authorization: Bearer eyJhbGciOi.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl
 *                           header     payload: base64url of {"sub":"42"}
 *
 * The bytes come from the network and are bounded before anything is decoded; jansson bounds the
 * depth. What does not fit the form is absent, never an error: routing goes on without it.
 */
#include "traffic/jwt.h"

#include <jansson.h>
#include <stdio.h>

#include "traffic/bucket.h"

/* Larger payloads do not fit into a request head of the usual limits anyway. */
#define PAYLOAD_MAX_BYTES 8192

/* The payload part of "Bearer HEADER.PAYLOAD.SIGNATURE"; empty when it is nothing like that. */
static struct str payload_of(struct str authorization)
{
    const struct str scheme = STR("Bearer ");
    if (!str_starts_with_nocase(authorization, scheme))
        return STR("");
    struct str token = str_trim(str_slice(authorization, scheme.len, authorization.len));
    ptrdiff_t first = str_find_char(token, '.', 0);
    ptrdiff_t second = first < 0 ? -1 : str_find_char(token, '.', (size_t)first + 1);
    return second < 0 ? STR("") : str_slice(token, (size_t)first + 1, (size_t)second);
}

/* 0..63, or -1 for a byte that is not of the alphabet (RFC 4648 5). */
static int base64url_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Decodes without padding, as JWTs are; returns the length, 0 when malformed or too long. */
static size_t base64url_decode(struct str text, char out[PAYLOAD_MAX_BYTES])
{
    if (text.len % 4 == 1 || text.len / 4 * 3 + 2 > PAYLOAD_MAX_BYTES)
        return 0;
    size_t len = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64url_value(text.data[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        /* The first letter of four completes no byte, each of the others one. */
        if (i % 4 != 0)
            out[len++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return len;
}

static bool bucket_of_claim(const json_t *claim, unsigned *bucket)
{
    if (json_is_string(claim) && json_string_length(claim) > 0) {
        *bucket = bucket_of_value(str_from(json_string_value(claim), json_string_length(claim)));
        return true;
    }
    if (json_is_integer(claim)) {
        char text[24];
        int len = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(claim));
        *bucket = bucket_of_value(str_from(text, (size_t)len));
        return true;
    }
    return false;
}

/* The top-level member, or NULL; also when `root` is NULL or no object. */
static const json_t *find_claim(json_t *root, struct str name)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        if (str_eq(str_of(key), name))
            return value;
    }
    return NULL;
}

bool jwt_bucket(struct str authorization, struct str claim, unsigned *bucket)
{
    char payload[PAYLOAD_MAX_BYTES];
    size_t len = base64url_decode(payload_of(authorization), payload);
    if (len == 0)
        return false;
    json_t *root = json_loadb(payload, len, 0, NULL);
    bool found = bucket_of_claim(find_claim(root, claim), bucket);
    json_decref(root);
    return found;
}
