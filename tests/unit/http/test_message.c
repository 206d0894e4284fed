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
