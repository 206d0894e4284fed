#include "http/rewrite.h"

#include <criterion/criterion.h>

static void expect_str(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(got), wanted);
}

Test(rewrite, urls_are_split)
{
    static const char *const ROWS[][4] = {
        {"http://a.b:80/c?d", "http", "a.b:80", "/c?d"},
        {"HTTPS://a", "HTTPS", "a", ""},
        {"http://a?b", "http", "a", "?b"},
        {"http://a#b", "http", "a", "#b"},
        {"http://a\\@b/", "http", "a", "\\@b/"},
        {"http://u@a/", "http", "u@a", "/"},
        {"http://a\"", "http", "a", "\""},
        {"//a/b", "", "a", "/b"},
        {"http://", "http", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct url_parts parts;
        cr_assert(rewrite_split(str_of(ROWS[i][0]), &parts), "%s", ROWS[i][0]);
        expect_str(parts.scheme, ROWS[i][1]);
        expect_str(parts.authority, ROWS[i][2]);
        expect_str(parts.rest, ROWS[i][3]);
    }
    struct url_parts parts;
    cr_expect_not(rewrite_split(STR("/path"), &parts));
    cr_expect_not(rewrite_split(STR("path"), &parts));
    cr_expect_not(rewrite_split(STR("ftp://a/"), &parts));
    cr_expect_not(rewrite_split(STR(""), &parts));
}

Test(rewrite, authorities_are_compared_with_default_ports)
{
    static const struct {
        const char *url;
        const char *authority;
        bool same;
    } ROWS[] = {
        {"http://a/", "a", true},       {"http://A/", "a", true},
        {"http://a:80/", "a", true},    {"http://a/", "a:80", true},
        {"https://a:443/", "a", true},  {"https://a/", "a:443", true},
        {"https://a:80/", "a", false},  {"http://a:3000/", "a:3000", true},
        {"http://a:3000/", "a", false}, {"http://a/", "a:3000", false},
        {"http://u@a/", "a", false},    {"http://a.evil/", "a", false},
        {"http://evil-a/", "a", false}, {"//a/", "a", true},
        {"http:///", "", false},        {"http://[::1]:80/", "[::1]", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct url_parts parts;
        cr_assert(rewrite_split(str_of(ROWS[i].url), &parts));
        cr_expect_eq(rewrite_names(&parts, str_of(ROWS[i].authority)), ROWS[i].same, "%s, %s",
                     ROWS[i].url, ROWS[i].authority);
    }
}

Test(rewrite, refresh_holds_a_url)
{
    static const char *const ROWS[][2] = {
        {"5; url=http://a/b", "http://a/b"},
        {"0;URL = /x", "/x"},
        {"5; url='http://a/'", "http://a/'"},
        {"5; url=\"/x\"", "/x\""},
        {"5", ""},
        {"5; http://a/", ""},
        {"5; url", ""},
        {"5; url=", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        expect_str(rewrite_refresh_url(str_of(ROWS[i][0])), ROWS[i][1]);
}

Test(rewrite, hosts_have_no_port)
{
    expect_str(rewrite_host(STR("a")), "a");
    expect_str(rewrite_host(STR("a:80")), "a");
    expect_str(rewrite_host(STR("[::1]:80")), "[::1]");
    expect_str(rewrite_host(STR("[::1]")), "[::1]");
    expect_str(rewrite_host(STR("10.0.0.5")), "10.0.0.5");
    expect_str(rewrite_host(STR("")), "");
}

Test(rewrite, the_bare_host_of_an_authority)
{
    expect_str(rewrite_bare_host(STR("a:80")), "a");
    expect_str(rewrite_bare_host(STR("10.0.0.5")), "10.0.0.5");
    expect_str(rewrite_bare_host(STR("[::1]:80")), "::1");
    expect_str(rewrite_bare_host(STR("[::1]")), "::1");
    expect_str(rewrite_bare_host(STR("[")), "[");
    expect_str(rewrite_bare_host(STR("[]")), "");
    expect_str(rewrite_bare_host(STR("a.example.:443")), "a.example");
    expect_str(rewrite_bare_host(STR(".")), "");
    expect_str(rewrite_bare_host(STR("")), "");
}
