/* test_words.c - rules for names, paths and hosts. */
#include "config/words.h"

#include <criterion/criterion.h>

Test(words, hosts)
{
    struct word_host host;
    cr_assert(word_host_split(STR("app.example.org"), &host) && host.is_name && host.port == 0);
    cr_assert(word_host_split(STR("my_app:3000"), &host) && host.is_name && host.port == 3000);
    cr_assert(word_host_split(STR("10.0.0.5:80"), &host) && !host.is_name && host.port == 80);
    cr_assert(word_host_split(STR("[::1]:80"), &host) && str_eq(host.host, STR("::1")));
    const char *const bad[] = {"",       ":80",       "a:0",    "a:70000", "a:",       "a:b",
                               "a..b",   ".a",        "a.",     "-a",      "a-",       "10.0.0.300",
                               "10.0.0", "[::1",      "[a]:80", "::1",     "a/b",      "u@a",
                               "a b",    "[::1]x:80", "a:1:2",  "é.org",   "[1.2.3.4]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_not(word_host_split(str_of(bad[i]), &host), "%s", bad[i]);
}

static bool is_good(word_rule_cb rule, const char *text)
{
    struct error error = {""};
    bool good = rule(str_of(text), &error);
    cr_assert(good || strncmp(error.text, "expected ", 9) == 0, "%s", error.text);
    return good;
}

Test(words, names_of_certificates)
{
    cr_assert(is_good(word_certificate_name, "app.example.org"));
    cr_assert(is_good(word_certificate_name, "*.up.railway.app"));
    const char *const bad[] = {"", "*", "*.", "*.*.a", "a.*.b", "*a.b", "10.0.0.1", "a.b:443"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_not(is_good(word_certificate_name, bad[i]), "%s", bad[i]);
}

Test(words, labels_and_route_names)
{
    cr_assert(is_good(word_label, "AWS-1.b_c"));
    cr_assert_not(is_good(word_label, ""));
    cr_assert_not(is_good(word_label, "a b"));
    cr_assert_not(is_good(word_label, "123456789012345678901234567890123"));
    cr_assert(is_good(word_route_name, "api_v1-x"));
    cr_assert_not(is_good(word_route_name, "main"));
    cr_assert_not(is_good(word_route_name, "Api"));
}

Test(words, paths)
{
    cr_assert(is_good(word_route_path, "/"));
    cr_assert(is_good(word_route_path, "/api/v1/"));
    const char *const bad[] = {"",   "api",   "/a?b", "/a#b",     "/a b",
                               "/*", "/a\\b", "/\n",  "/\xC3\xA9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_not(is_good(word_route_path, bad[i]), "%s", bad[i]);
    cr_assert(is_good(word_check_path, "/health?deep=1"));
    cr_assert(is_good(word_cookie_path, "/app"));
    cr_assert_not(is_good(word_cookie_path, "/; Domain=x"));
}

Test(words, tokens_and_headers)
{
    cr_assert(is_good(word_cookie_name, "__Host-x"));
    cr_assert_not(is_good(word_cookie_name, "a=b"));
    cr_assert(is_good(word_method, "PROPFIND"));
    cr_assert(is_good(word_own_header, "X-Client-IP"));
    cr_assert_not(is_good(word_own_header, "X-Client-IP:"));
    cr_assert_not(is_good(word_own_header, "transfer-encoding"));
}
