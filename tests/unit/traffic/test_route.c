#include "traffic/route.h"

#include <criterion/criterion.h>

static bool matches(const char *route_path, const char *path)
{
    const struct route route = {.path = str_of(route_path)};
    return route_match(&route, 1, STR("GET"), str_of(path)) == 0;
}

Test(route, a_path_matches_whole_segments)
{
    cr_assert(matches("/api", "/api"));
    cr_assert(matches("/api", "/api/"));
    cr_assert(matches("/api", "/api/x"));
    cr_assert_not(matches("/api", "/apix"));
    cr_assert_not(matches("/api", "/ap"));
    cr_assert_not(matches("/api", "/API"));
    cr_assert_not(matches("/api", "/x/api"));
    cr_assert_not(matches("/api", ""));
}

Test(route, a_path_that_ends_in_a_slash_matches_what_lies_below)
{
    cr_assert(matches("/webhooks/", "/webhooks/"));
    cr_assert(matches("/webhooks/", "/webhooks/stripe"));
    cr_assert_not(matches("/webhooks/", "/webhooks"));
    cr_assert_not(matches("/webhooks/", "/webhooksx"));
}

Test(route, the_root_matches_every_path_but_not_the_asterisk)
{
    cr_assert(matches("/", "/"));
    cr_assert(matches("/", "/a/b"));
    cr_assert_not(matches("/", "*"));
}

Test(route, the_first_match_wins_and_methods_are_exact)
{
    static const struct str writes[] = {STR_INIT("POST"), STR_INIT("PUT")};
    const struct route routes[] = {
        {.name = STR("writes"), .path = STR("/api"), .methods = writes, .method_count = 2},
        {.name = STR("products"), .path = STR("/api/products")},
        {.name = STR("api"), .path = STR("/api")},
    };
    cr_assert_eq(route_match(routes, 3, STR("POST"), STR("/api/products")), 0);
    cr_assert_eq(route_match(routes, 3, STR("PUT"), STR("/api")), 0);
    cr_assert_eq(route_match(routes, 3, STR("GET"), STR("/api/products/7")), 1);
    cr_assert_eq(route_match(routes, 3, STR("post"), STR("/api/x")), 2);
    cr_assert_eq(route_match(routes, 3, STR("GET"), STR("/api/x")), 2);
    cr_assert_eq(route_match(routes, 3, STR("GET"), STR("/")), -1);
    cr_assert_eq(route_match(NULL, 0, STR("GET"), STR("/")), -1);
}

Test(route, a_route_is_found_by_its_name)
{
    const struct route routes[] = {{.name = STR("a")}, {.name = STR("b")}};
    cr_assert_eq(route_find(routes, 2, STR("b")), 1);
    cr_assert_eq(route_find(routes, 2, STR("B")), -1);
    cr_assert_eq(route_find(routes, 2, STR("")), -1);
}
