#include "http/message.h"

#include <criterion/criterion.h>
#include <ctype.h>

#include "base/check.h"

static const struct {
    enum field_id id;
    struct str name;
} NAMES[] = {
#define X(field_id, field_name) {field_id, STR_INIT(field_name)},
    HTTP_FIELDS(X)
#undef X
};

Test(message, every_name_has_its_id_in_any_case)
{
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char copy[64];
        struct str name = NAMES[i].name;
        cr_expect_eq(field_id_of(name), NAMES[i].id, "%.*s", STR_ARG(name));
        for (size_t at = 0; at < name.len; at++)
            copy[at] = (char)toupper((unsigned char)name.data[at]);
        cr_expect_eq(field_id_of(str_from(copy, name.len)), NAMES[i].id, "%.*s", STR_ARG(name));
    }
}

Test(message, a_name_that_is_off_by_one_letter_has_no_id)
{
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        char copy[64];
        struct str name = NAMES[i].name;
        for (size_t at = 0; at < name.len; at++) {
            memcpy(copy, name.data, name.len);
            copy[at] = '~';
            cr_expect_eq(field_id_of(str_from(copy, name.len)), FIELD_OTHER, "%.*s", STR_ARG(name));
        }
        cr_expect_eq(field_id_of(str_slice(name, 1, name.len)), FIELD_OTHER);
    }
    cr_expect_eq(field_id_of(STR("")), FIELD_OTHER);
    cr_expect_eq(field_id_of(STR("Accept")), FIELD_OTHER);
    cr_expect_eq(field_id_of(STR("\rontent-Length")), FIELD_OTHER);
    cr_expect_eq(field_id_of(STR("Content\rLength")), FIELD_OTHER);
}

Test(message, fields_are_found_by_id_and_by_name)
{
    struct message message;
    message_init(&message, 4);
    message.fields[0] = (struct field){STR("Accept"), STR("a"), FIELD_OTHER};
    message.fields[1] = (struct field){STR("Cookie"), STR("b"), FIELD_COOKIE};
    message.fields[2] = (struct field){STR("cookie"), STR("c"), FIELD_COOKIE};
    message.count = 3;

    cr_expect_eq(message_find(&message, FIELD_COOKIE), &message.fields[1]);
    cr_expect_null(message_find(&message, FIELD_HOST));
    cr_expect_eq(message_find_name(&message, STR("ACCEPT")), &message.fields[0]);
    cr_expect_eq(message_find_name(&message, STR("cookie")), &message.fields[1]);
    cr_expect_null(message_find_name(&message, STR("Accep")));
    cr_expect_null(message_find_name(&message, STR("")));
    message_deinit(&message);
    cr_expect_null(message.fields);
}

Test(message, safe_methods)
{
    cr_expect(method_is_safe(STR("GET")));
    cr_expect(method_is_safe(STR("HEAD")));
    cr_expect(method_is_safe(STR("OPTIONS")));
    cr_expect_not(method_is_safe(STR("POST")));
    cr_expect_not(method_is_safe(STR("get")));
    cr_expect_not(method_is_safe(STR("GETS")));
}

Test(message, trimming_keeps_the_fields)
{
    struct message message;

    message_init(&message, 100);
    message.fields[0] = (struct field){STR("Host"), STR("a"), FIELD_HOST};
    message.count = 1;
    message_trim(&message);
    cr_expect_eq(message.capacity, 1);
    cr_expect_not_null(message_find(&message, FIELD_HOST));
    message_deinit(&message);
}

Test(message, a_parameter_of_the_query)
{
    static const struct {
        const char *query;
        bool has;
    } ROWS[] = {
        {"sid=a", true},   {"x=1&sid=a", true}, {"sid=", true},         {"x&sid=a&y", true},
        {"", false},       {"sid", false},      {"xsid=a", false},      {"sidx=a", false},
        {"x=sid=", false}, {"SID=a", false},    {"x=1;sid=a&y", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct message message = {.query = str_of(ROWS[i].query)};
        cr_expect_eq(message_has_parameter(&message, STR("sid")), ROWS[i].has, "%s", ROWS[i].query);
    }
}

Test(message, only_what_was_offered_is_switched_to)
{
    static const struct {
        const char *asked, *answered;
        bool is_offered;
    } ROWS[] = {
        {"websocket", "websocket", true},
        {"websocket", "WebSocket", true},
        {"a, b/1", "b/1", true},
        {"a, b", "b, a", true},
        {"websocket", "other", false},
        {"websocket", "", false},
        {"websocket", "websocket, other", false},
        {"websocket, h2c", "h2c", false},
        {"websocket", "web", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct message request = {.upgrade = str_of(ROWS[i].asked)};
        struct message response = {.upgrade = str_of(ROWS[i].answered)};
        cr_expect_eq(message_upgrade_is_offered(&response, &request), ROWS[i].is_offered,
                     "%s -> %s", ROWS[i].asked, ROWS[i].answered);
    }
}

Test(message, what_caches_may_give_to_others)
{
    static const struct {
        const char *value;
        bool is_shared;
    } ROWS[] = {
        {"public", true},      {"max-age=60, Public", true},
        {"s-maxage=60", true}, {"private", false},
        {"max-age=60", false}, {"no-store", false},
        {"publicly", false},   {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct field field = {STR("Cache-Control"), str_of(ROWS[i].value), FIELD_CACHE_CONTROL};
        struct message message = {.fields = &field, .count = 1};
        cr_expect_eq(message_is_shared(&message), ROWS[i].is_shared, "%s", ROWS[i].value);
    }
}
