#include "traffic/jwt.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "traffic/bucket.h"

static char text[32 * 1024];

/* "Bearer e30.PAYLOAD.c2ln", with the JSON as base64url without padding. */
static struct str bearer(struct str json)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t len = (size_t)snprintf(text, sizeof(text), "Bearer e30.");
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < json.len; i++) {
        bits = bits << 8 | (unsigned char)json.data[i];
        for (held += 8; held >= 6; held -= 6)
            text[len++] = alphabet[bits >> (held - 6) & 63];
    }
    if (held > 0)
        text[len++] = alphabet[bits << (6 - held) & 63];
    memcpy(text + len, ".c2ln", 5);
    return str_from(text, len + 5);
}

static bool has(struct str authorization)
{
    unsigned bucket;
    return jwt_bucket(authorization, STR("sub"), &bucket);
}

static unsigned bucket_of(struct str authorization)
{
    unsigned bucket;
    cr_assert(jwt_bucket(authorization, STR("sub"), &bucket), "%.*s", STR_ARG(authorization));
    return bucket;
}

Test(jwt, a_string_claim_gives_the_bucket_of_its_value)
{
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":\"alice\"}"))), bucket_of_value(STR("alice")));
    /* One, two and three bytes in the last group, and letters that only base64url has. */
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":\"alic\"}"))), bucket_of_value(STR("alic")));
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":\"ali\"}"))), bucket_of_value(STR("ali")));
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":\"~~~?\xc3\xbf\"}"))),
                 bucket_of_value(STR("~~~?\xc3\xbf")));
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":\"\\u00fc\\n\"}"))),
                 bucket_of_value(STR("\xc3\xbc\n")));
}

Test(jwt, a_token_made_elsewhere_is_read)
{
    /* The example of RFC 7519 3.1. */
    const struct str value = STR("Bearer eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                 "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                 "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                                 "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    unsigned bucket;
    cr_assert(jwt_bucket(value, STR("iss"), &bucket));
    cr_assert_eq(bucket, bucket_of_value(STR("joe")));
    cr_assert(jwt_bucket(value, STR("exp"), &bucket));
    cr_assert_eq(bucket, bucket_of_value(STR("1300819380")));
    cr_assert_not(jwt_bucket(value, STR("http://example.com/is_root"), &bucket));
}

Test(jwt, an_integer_counts_as_its_digits)
{
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":42}"))), bucket_of_value(STR("42")));
    cr_assert_eq(bucket_of(bearer(STR("{\"sub\":-9223372036854775808}"))),
                 bucket_of_value(STR("-9223372036854775808")));
}

Test(jwt, other_kinds_of_claims_are_absent)
{
    static const char *const payloads[] = {"{}",
                                           "{\"sub\":\"\"}",
                                           "{\"sub\":null}",
                                           "{\"sub\":true}",
                                           "{\"sub\":1.5}",
                                           "{\"sub\":[\"alice\"]}",
                                           "{\"sub\":{\"sub\":1}}",
                                           "{\"x\":{\"sub\":1}}",
                                           "[\"sub\"]",
                                           "{\"SUB\":\"alice\"}",
                                           "{\"sub\":\"a\"",
                                           "\"sub\"",
                                           "",
                                           "{\"sub\":99999999999999999999}"};
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++)
        cr_assert_not(has(bearer(str_of(payloads[i]))), "%s", payloads[i]);
}

Test(jwt, what_is_no_bearer_token_is_absent)
{
    static const char *const values[] = {"",
                                         "Bearer",
                                         "Bearer ",
                                         "Bearer abc",
                                         "Bearer a.b",
                                         "Bearer ..",
                                         "Bearer a..c",
                                         "Basic e30.eyJzdWIiOiI0MiJ9.c2ln",
                                         "Bearer e30.eyJzdWIiOiI0MiJ9",
                                         "Bearer e30.eyJzdWIiOiI0MiJ9=.c2ln",
                                         "Bearer e30.eyJz dWIiOiI0MiJ9.c2ln",
                                         "Bearer e30.eyJzdWIiOiI0MiJ9a.c2ln"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        cr_assert_not(has(str_of(values[i])), "%s", values[i]);
    cr_assert(has(STR("Bearer e30.eyJzdWIiOiI0MiJ9.c2ln")));
    cr_assert(has(STR("bearer  e30.eyJzdWIiOiI0MiJ9.")));
}

/* {"sub":"xxx...": `size` bytes in all. */
static struct str payload_of_size(size_t size)
{
    static char json[16 * 1024];
    memset(json, 'x', sizeof(json));
    memcpy(json, "{\"sub\":\"", 8);
    memcpy(json + size - 2, "\"}", 2);
    return str_from(json, size);
}

Test(jwt, a_payload_may_have_8_kib)
{
    cr_assert(has(bearer(payload_of_size(8192))));
    for (size_t size = 8193; size < 8300; size++)
        cr_assert_not(has(bearer(payload_of_size(size))), "%zu", size);
}

Test(jwt, deep_nesting_is_refused_and_harmless)
{
    static char json[8000];
    memset(json, '[', sizeof(json));
    memcpy(json, "{\"sub\":", 7);
    cr_assert_not(has(bearer(str_from(json, sizeof(json)))));
}
