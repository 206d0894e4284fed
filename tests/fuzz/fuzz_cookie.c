/*
 * fuzz_cookie.c - the affinity cookie among others, its value, and Set-Cookie of a backend.
 *
 * The first line is the cookie's name (empty: "cutover"), each further line the value of a Cookie
 * field, and also of a Set-Cookie field.
 */
#include "fuzz.h"
#include "http/cookie.h"
#include "traffic/bucket.h"
#include "traffic/jwt.h"

#define FIELDS_MAX 32

static struct field fields[FIELDS_MAX], stripped_fields[FIELDS_MAX];

static unsigned count_cookies(const struct message *message, struct str name)
{
    unsigned count = 0;
    struct str value;

    while (cookie_find(message, name, count, &value))
        count++;
    return count;
}

/* The mark is read back as it is written, and nothing else is a mark. */
static void try_mark(struct str value)
{
    struct bucket_mark mark;
    char text[BUCKET_MARK_BYTES];

    if (bucket_mark_parse(value, &mark)) {
        CHECK(mark.bucket < BUCKETS);
        CHECK(str_eq(bucket_mark_format(&mark, text), value));
    }
    CHECK(bucket_of_value(value) < BUCKETS);
}

/* Strips one field: none of the name is left, none is there that was not, and once is enough. */
static bool try_strip(struct str value, struct str name, struct buf *stripped)
{
    struct buf again = BUF_EMPTY;
    bool any = cookie_strip(value, name, stripped);

    CHECK(any == (buf_len(stripped) > 0));
    CHECK(buf_len(stripped) <= value.len);
    CHECK(cookie_strip(buf_str(stripped), name, &again) == any);
    CHECK(str_eq(buf_str(&again), buf_str(stripped)));
    buf_deinit(&again);
    return any;
}

static void try_set_cookie(struct str value)
{
    struct buf once = BUF_EMPTY;
    struct buf twice = BUF_EMPTY;

    cookie_drop_domain(value, STR("app.example.org"), &once);
    CHECK(buf_len(&once) <= value.len);
    cookie_drop_domain(buf_str(&once), STR("app.example.org"), &twice);
    CHECK(str_eq(buf_str(&once), buf_str(&twice)));
    buf_deinit(&once);
    buf_deinit(&twice);
}

/* A line may as well be the Authorization of a client that is known by its token. */
static void try_token(struct str value)
{
    unsigned bucket;

    if (jwt_bucket(value, STR("sub"), &bucket))
        CHECK(bucket < BUCKETS);
}

/* What we set is what we find when it comes back. */
static void try_round_trip(struct str name, struct dice *dice)
{
    struct bucket_mark mark = {.bucket = dice_roll(dice, BUCKETS),
                               .has_side = dice_flip(dice),
                               .side = dice_flip(dice) ? SIDE_OLD : SIDE_NEW};
    struct cookie_attributes attributes = {.name = name, .path = STR("/"), .max_age_s = 60};
    char text[BUCKET_MARK_BYTES];
    struct buf line = BUF_EMPTY;
    struct str value;

    cookie_format(&attributes, bucket_mark_format(&mark, text), &line);
    struct field field = {STR("Cookie"), buf_str(&line), FIELD_COOKIE};
    struct message message = {.fields = &field, .count = 1};
    CHECK(cookie_find(&message, name, 0, &value) && str_eq(value, str_of(text)));
    buf_deinit(&line);
}

static bool is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (memchr("=; \t%", name.data[i], 5) != NULL || name.data[i] <= ' ' || name.data[i] >= 127)
            return false;
    return name.len > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = input_of(data, size);
    struct dice dice = dice_of(rest);
    struct message message = {.fields = fields};
    struct message stripped = {.fields = stripped_fields};
    struct buf texts[FIELDS_MAX] = {BUF_EMPTY};
    struct str name, line, value;

    if (!str_next_part(&rest, '\n', &name) || name.len == 0)
        name = STR("cutover");
    while (message.count < FIELDS_MAX && str_next_part(&rest, '\n', &line)) {
        struct buf *text = &texts[message.count];
        fields[message.count++] = (struct field){STR("Cookie"), line, FIELD_COOKIE};
        if (try_strip(line, name, text))
            stripped_fields[stripped.count++] =
                (struct field){STR("Cookie"), buf_str(text), FIELD_COOKIE};
        try_set_cookie(line);
        try_token(line);
    }
    unsigned count = count_cookies(&message, name);
    for (unsigned i = 0; i < count && cookie_find(&message, name, i, &value); i++)
        try_mark(value);
    CHECK(count_cookies(&stripped, name) == 0);
    if (!str_eq(name, STR("other")))
        CHECK(count_cookies(&stripped, STR("other")) == count_cookies(&message, STR("other")));
    if (is_token(name))
        try_round_trip(name, &dice);
    for (unsigned i = 0; i < message.count; i++)
        buf_deinit(&texts[i]);
    return 0;
}
