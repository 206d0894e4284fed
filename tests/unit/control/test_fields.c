#include "control/fields.h"

#include <criterion/criterion.h>

#include <stdio.h>

static const char *const NAMES[] = {"weight", "route", "force", "headers", "step", "routes"};

static struct fields fields;

static void read_body(const char *body)
{
    fields_init(&fields, str_of(body), NAMES, ARRAY_LEN(NAMES));
}

static void tear_down(void)
{
    fields_deinit(&fields);
}

TestSuite(fields, .fini = tear_down);

static void expect_weight(const char *body, unsigned wanted)
{
    unsigned weight = 77777;
    read_body(body);
    cr_expect(fields_weight(&fields, "weight", &weight), "%s: %s", body, fields.error.text);
    cr_expect_eq(weight, wanted, "%s gave %u", body, weight);
    fields_deinit(&fields);
}

static void expect_refused(const char *body, const char *code)
{
    unsigned weight = 77777;
    read_body(body);
    fields_require(&fields, "weight");
    cr_expect_not(fields_weight(&fields, "weight", &weight), "%s", body);
    cr_expect_eq(weight, 77777, "%s wrote %u", body, weight);
    cr_expect_not_null(fields.code, "%s", body);
    if (fields.code != NULL) {
        cr_expect_str_eq(fields.code, code, "%s: %s", body, fields.error.text);
        cr_expect(fields.error.text[0] != '\0');
    }
    fields_deinit(&fields);
}

Test(fields, every_weight_with_two_decimals_is_exact)
{
    char body[64];
    for (unsigned weight = 0; weight <= 10000; weight++) {
        snprintf(body, sizeof(body), "{\"weight\":%u.%02u}", weight / 100, weight % 100);
        expect_weight(body, weight);
    }
    expect_weight("{\"weight\":10.1}", 1010);
    expect_weight("{\"weight\":0.29}", 29);
    expect_weight("{\"weight\":1e1}", 1000);
    expect_weight("{\"weight\":30}", 3000);
    expect_weight("{\"weight\":-0.0}", 0);
    expect_weight(" {\"weight\": 100.00}\n", 10000);
}

Test(fields, what_is_no_weight_is_refused_by_its_code)
{
    expect_refused("{\"weight\":-1}", "weight_out_of_range");
    expect_refused("{\"weight\":-0.001}", "weight_out_of_range");
    expect_refused("{\"weight\":100.01}", "weight_out_of_range");
    expect_refused("{\"weight\":101}", "weight_out_of_range");
    expect_refused("{\"weight\":1e300}", "weight_out_of_range");
    expect_refused("{\"weight\":9223372036854775807}", "weight_out_of_range");
    expect_refused("{\"weight\":10.555}", "bad_value");
    expect_refused("{\"weight\":0.001}", "bad_value");
    expect_refused("{\"weight\":99.999999}", "bad_value");
    expect_refused("{\"weight\":\"30\"}", "bad_value");
    expect_refused("{\"weight\":null}", "bad_value");
    expect_refused("{\"weight\":true}", "bad_value");
    expect_refused("{\"weight\":[30]}", "bad_value");
    expect_refused("{}", "missing_field");
    expect_refused("", "missing_field");
    expect_refused("{\"route\":\"x\"}", "missing_field");
}

Test(fields, what_is_no_plain_object_is_refused)
{
    expect_refused("{\"weight\":NaN}", "bad_json");
    expect_refused("{\"weight\":1e400}", "bad_json");
    expect_refused("{\"weight\":30", "bad_json");
    expect_refused("{\"weight\":30} x", "bad_json");
    expect_refused("{\"weight\":30}{}", "bad_json");
    expect_refused("[30]", "bad_json");
    expect_refused("30", "bad_json");
    expect_refused("null", "bad_json");
    expect_refused("\xff\xfe", "bad_json");
    expect_refused("{\"weight\":30,\"route\":\"a\\u0000b\"}", "bad_json");
    expect_refused("{\"weight\":30,\"weight\":30}", "unknown_field");
    expect_refused("{\"weight\":30,\"wieght\":30}", "unknown_field");
}

Test(fields, deep_nesting_is_refused_in_bounded_memory)
{
    enum { DEPTH = 60000 };
    static char body[DEPTH + 1];
    memset(body, '[', DEPTH);
    expect_refused(body, "bad_json");
}

Test(fields, the_first_fault_is_kept_and_stops_all_reading)
{
    unsigned weight = 1;
    bool force = true;
    read_body("{\"weight\":101,\"force\":false}");
    cr_expect_not(fields_weight(&fields, "weight", &weight));
    cr_expect_not(fields_bool(&fields, "force", &force));
    fields_fault(&fields, "other", "other");
    cr_expect(force, "nothing is read after a fault");
    cr_expect_str_eq(fields.code, "weight_out_of_range");
}

Test(fields, an_absent_member_is_no_fault)
{
    struct str route = STR("as before");
    bool force = true;
    read_body("{}");
    cr_expect_not(fields_text(&fields, "route", 10, &route));
    cr_expect_not(fields_bool(&fields, "force", &force));
    cr_expect_null(fields.code);
    cr_expect(force);
    cr_expect(str_eq(route, STR("as before")));
}

static bool text_is_right(const char *body, size_t max_bytes)
{
    struct str route;
    read_body(body);
    bool right = fields_text(&fields, "route", max_bytes, &route);
    fields_deinit(&fields);
    return right;
}

Test(fields, texts_are_bounded_and_hold_no_control_bytes)
{
    cr_expect(text_is_right("{\"route\":\"\"}", 3));
    cr_expect(text_is_right("{\"route\":\"abc\"}", 3));
    cr_expect(text_is_right("{\"route\":\"\\u00e4b\"}", 3));
    cr_expect_not(text_is_right("{\"route\":\"abcd\"}", 3));
    cr_expect_not(text_is_right("{\"route\":\"a\\n\"}", 3));
    cr_expect_not(text_is_right("{\"route\":\"\\u007f\"}", 3));
    cr_expect_not(text_is_right("{\"route\":7}", 3));
}

static char walked[256];

static bool on_pair(void *data, struct str name, struct str value, struct error *error)
{
    size_t len = strlen(walked);
    (void)data;
    if (str_eq(value, STR("bad")))
        return error_set(error, "%.*s is bad", STR_ARG(name));
    snprintf(walked + len, sizeof(walked) - len, "%.*s=%.*s;", STR_ARG(name), STR_ARG(value));
    return true;
}

Test(fields, pairs_are_texts_or_lists_of_texts)
{
    read_body("{\"headers\":{\"A\":\"1\",\"B\":[\"2\",\"3\"],\"C\":[]}}");
    cr_expect(fields_pairs(&fields, "headers", on_pair, NULL));
    cr_expect_str_eq(walked, "A=1;B=2;B=3;");
    fields_deinit(&fields);

    read_body("{\"headers\":{\"A\":7}}");
    cr_expect_not(fields_pairs(&fields, "headers", on_pair, NULL));
    cr_expect_str_eq(fields.code, "bad_value");
    fields_deinit(&fields);

    read_body("{\"headers\":{\"A\":\"bad\"}}");
    cr_expect_not(fields_pairs(&fields, "headers", on_pair, NULL));
    cr_expect_str_eq(fields.error.text, "A is bad");
}

static bool number_is_right(const char *body, unsigned expected)
{
    unsigned step = 7;
    read_body(body);
    bool right = fields_unsigned(&fields, "step", 1, 100, &step);
    cr_expect_eq(step, right ? expected : 7);
    fields_deinit(&fields);
    return right;
}

Test(fields, whole_numbers_have_a_range)
{
    static const char *const wrong[] = {
        "{\"step\":0}",     "{\"step\":101}",  "{\"step\":-1}",   "{\"step\":1.0}",
        "{\"step\":\"1\"}", "{\"step\":null}", "{\"step\":true}", "{\"step\":4294967297}"};
    cr_expect(number_is_right("{\"step\":1}", 1));
    cr_expect(number_is_right("{\"step\":100}", 100));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        cr_expect_not(number_is_right(wrong[i], 7), "%s", wrong[i]);
    cr_expect_not(number_is_right("{}", 7));
}

Test(fields, lists_of_texts_have_room_for_so_many)
{
    static const char *const wrong[] = {"{\"routes\":\"a\"}", "{\"routes\":[1]}",
                                        "{\"routes\":[\"a\",\"b\",\"c\",\"d\"]}",
                                        "{\"routes\":[\"abcd\"]}", "{\"routes\":{\"a\":1}}"};
    struct str texts[3];
    unsigned count = 9;
    read_body("{\"routes\":[\"a\",\"\",\"bcd\"]}");
    cr_expect(fields_texts(&fields, "routes", 3, texts, 3, &count));
    cr_expect_eq(count, 3);
    cr_expect(str_eq(texts[2], STR("bcd")));
    fields_deinit(&fields);
    read_body("{\"routes\":[]}");
    cr_expect(fields_texts(&fields, "routes", 3, texts, 3, &count));
    cr_expect_eq(count, 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        fields_deinit(&fields);
        read_body(wrong[i]);
        cr_expect_not(fields_texts(&fields, "routes", 3, texts, 3, &count), "%s", wrong[i]);
        cr_expect_str_eq(fields.code, "bad_value");
    }
}
