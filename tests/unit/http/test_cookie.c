#include "http/cookie.h"

#include <criterion/criterion.h>

#include "base/clock.h"

static void expect_str(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(got), wanted);
}

Test(cookie, find)
{
    static const char *const ROWS[][2] = {
        {"cutover=0427", "0427"},
        {"a=1; cutover=0427; b=2", "0427"},
        {"a=1;cutover=0427;b=2", "0427"},
        {"  cutover = 0427 ", "0427"},
        {"cutover=\"0427\"", "\"0427\""},
        {"cutover=", ""},
        {"cutover=a=b", "a=b"},
        {"cutover=1; cutover=2", "1"},
        {";;; cutover=1;", "1"},
        {"cutover=\"", "\""},
        {"", NULL},
        {";", NULL},
        {"cutover", NULL},
        {"Cutover=1", NULL},
        {"xcutover=1", NULL},
        {"cutoverx=1", NULL},
        {"a=\"; b=cutover=1\"", NULL},
        {"a=cutover=1", NULL},
        {"=cutover", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct field field = {STR("Cookie"), str_of(ROWS[i][0]), FIELD_COOKIE};
        struct message message = {.fields = &field, .count = 1};
        struct str value;
        bool found = cookie_find(&message, STR("cutover"), 0, &value);
        cr_expect_eq(found, ROWS[i][1] != NULL, "%s", ROWS[i][0]);
        if (found && ROWS[i][1] != NULL)
            expect_str(value, ROWS[i][1]);
    }
}

Test(cookie, find_looks_into_every_cookie_field)
{
    struct field fields[] = {{STR("Cookie"), STR("a=1"), FIELD_COOKIE},
                             {STR("X"), STR("b=0"), FIELD_OTHER},
                             {STR("Cookie"), STR("b=2"), FIELD_COOKIE}};
    struct message message = {.fields = fields, .count = 3};
    struct str value;

    cr_assert(cookie_find(&message, STR("b"), 0, &value));
    expect_str(value, "2");
}

Test(cookie, find_gives_the_next_ones_too)
{
    struct field field = {STR("Cookie"), STR("b=1; a=0; b=2"), FIELD_COOKIE};
    struct message message = {.fields = &field, .count = 1};
    struct str value;

    cr_assert(cookie_find(&message, STR("b"), 1, &value));
    expect_str(value, "2");
    cr_expect_not(cookie_find(&message, STR("b"), 2, &value));
}

Test(cookie, find_is_linear)
{
    struct buf many = BUF_EMPTY;
    for (int i = 0; i < 100000; i++)
        buf_append_str(&many, STR("a=b; "));
    buf_append_str(&many, STR("cutover=1"));
    struct field field = {STR("Cookie"), buf_str(&many), FIELD_COOKIE};
    struct message message = {.fields = &field, .count = 1};
    struct str value;
    uint64_t from_ms = clock_mono_ms();
    cr_expect(cookie_find(&message, STR("cutover"), 0, &value));
    cr_expect_lt(clock_mono_ms() - from_ms, 500);
    buf_deinit(&many);
}

Test(cookie, strip)
{
    static const char *const ROWS[][2] = {
        {"cutover=1", ""},
        {"cutover=1;", ""},
        {"cutover=1; cutover=2", ""},
        {"a=1; cutover=1; b=2", "a=1; b=2"},
        {"cutover=1; a=1; b=2", "a=1; b=2"},
        {"a=1; b=2; cutover=1", "a=1; b=2"},
        {"a=1;cutover=1;b=2", "a=1;b=2"},
        {"a=1;  b = 2; cutover=1", "a=1;  b = 2"},
        {"a=1; Cutover=1; cutoverx=2; xcutover=3", "a=1; Cutover=1; cutoverx=2; xcutover=3"},
        {"a=\"cutover=1\"; b", "a=\"cutover=1\"; b"},
        {"cutover", "cutover"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf out = BUF_EMPTY;
        bool any = cookie_strip(str_of(ROWS[i][0]), STR("cutover"), &out);
        expect_str(buf_str(&out), ROWS[i][1]);
        cr_expect_eq(any, ROWS[i][1][0] != '\0');
        cr_expect_leq(buf_len(&out), strlen(ROWS[i][0]));
        buf_deinit(&out);
    }
}

Test(cookie, format)
{
    struct buf out = BUF_EMPTY;
    struct cookie_attributes attributes = {
        .name = STR("cutover"), .path = STR("/"), .max_age_s = 2592000};

    cookie_format(&attributes, STR("0427"), &out);
    expect_str(buf_str(&out), "cutover=0427; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax");
    buf_clear(&out);
    attributes.domain = STR("example.com");
    attributes.secure = true;
    attributes.same_site = SAME_SITE_NONE;
    cookie_format(&attributes, STR("0427o"), &out);
    expect_str(buf_str(&out), "cutover=0427o; Path=/; Max-Age=2592000; Domain=example.com; "
                              "Secure; HttpOnly; SameSite=None");
    buf_deinit(&out);
}

Test(cookie, drop_domain)
{
    static const char *const ROWS[][2] = {
        {"a=1; Domain=app.example.com; Path=/", "a=1; Path=/"},
        {"a=1; domain=.EXAMPLE.com", "a=1"},
        {"a=1;Domain = app.example.com;Secure", "a=1;Secure"},
        {"a=1; Domain=com", "a=1"},
        {"a=1; Domain=other.com; Path=/", "a=1; Domain=other.com; Path=/"},
        {"a=1; Domain=ple.com", "a=1; Domain=ple.com"},
        {"a=1; Domain=x.app.example.com", "a=1; Domain=x.app.example.com"},
        {"a=1; Domain=", "a=1; Domain="},
        {"a=1; Domain=.", "a=1; Domain=."},
        {"a=1; Domain", "a=1; Domain"},
        {"Domain=app.example.com; Path=/", "Domain=app.example.com; Path=/"},
        {"a=1", "a=1"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf out = BUF_EMPTY;
        cookie_drop_domain(str_of(ROWS[i][0]), STR("app.example.com"), &out);
        expect_str(buf_str(&out), ROWS[i][1]);
        buf_deinit(&out);
    }
}
