/* test_routes.c - kinds of routes, and routes that hide others. */
#include "parse.h"

TestSuite(routes, .init = set_up, .fini = tear_down);

#define ROUTES MINIMAL "routes:\n"

Test(routes, routes_have_a_kind)
{
    struct config *c =
        parse_good(ROUTES "  - {name: hooks, path: /hooks/, methods: [post], pin: new}\n"
                          "  - {name: api, path: /api, weight: 30}\n"
                          "  - {name: rest, path: /}\n");
    cr_assert_eq(c->route_count, 3u);
    cr_assert_eq(c->routes[0].kind, ROUTE_PINNED);
    cr_assert_eq(c->routes[0].pin, SIDE_NEW);
    cr_assert_eq(c->routes[0].method_count, 1u);
    cr_assert(str_eq(c->routes[0].methods[0], STR("POST")));
    cr_assert_eq(c->routes[1].kind, ROUTE_WEIGHTED);
    cr_assert_eq(c->routes[1].initial_weight, 3000u);
    cr_assert_eq(c->routes[2].kind, ROUTE_FOLLOWS);
    config_unref(c);
}

Test(routes, a_404_may_be_asked_on_the_other_side)
{
    struct config *c = parse_good(ROUTES "  - {name: a, path: /a, on_404: other_side}\n"
                                         "  - {name: b, path: /b, on_404: pass, pin: old}\n"
                                         "  - {name: c, path: /c, methods: [POST, head], on_404: "
                                         "other_side}\n"
                                         "  - {name: d, path: /d}\n");
    cr_assert(c->routes[0].asks_other && c->routes[2].asks_other);
    cr_assert_not(c->routes[1].asks_other || c->routes[3].asks_other);
    config_unref(c);
    assert_problem(ROUTES "  - {name: a, path: /a, on_404: new}\n", 6, "routes[0].on_404",
                   "expected pass or other_side");
    assert_problem(ROUTES "  - {name: a, path: /a, methods: [POST], on_404: other_side}\n", 6,
                   "routes[0].on_404", "for GET and HEAD alone");
}

Test(routes, a_route_that_can_never_match_is_a_problem)
{
    assert_problem(ROUTES "  - {name: a, path: /api}\n  - {name: b, path: /api, methods: [GET]}\n",
                   7, "routes[1].path", "can never match: routes[0]");
    assert_problem(ROUTES "  - {name: a, path: /x, methods: [GET, POST]}\n"
                          "  - {name: b, path: /x, methods: [POST]}\n",
                   7, "routes[1].path", "can never match");
    config_unref(
        parse_good(ROUTES "  - {name: a, path: /api}\n  - {name: b, path: /api/x, pin: old}\n"));
    config_unref(parse_good(ROUTES "  - {name: a, path: /api, methods: [GET]}\n"
                                   "  - {name: b, path: /api}\n"
                                   "  - {name: c, path: /apix}\n"));
}

Test(routes, routes_are_checked)
{
    assert_problem(ROUTES "  - {name: a, path: /a, pin: old, weight: 1}\n", 6, "routes[0]",
                   "both pin and weight");
    assert_problem(ROUTES "  - {name: a, path: /a}\n  - {name: a, path: /b}\n", 7, "routes[1].name",
                   "already");
    assert_problem(ROUTES "  - {name: main, path: /a}\n", 6, "routes[0].name", "another name");
    assert_problem(ROUTES "  - {name: A, path: /a}\n", 6, "routes[0].name", "a-z");
    assert_problem(ROUTES "  - {name: a, path: a}\n", 6, "routes[0].path", "begins with '/'");
    assert_problem(ROUTES "  - {name: a, path: /a/*}\n", 6, "routes[0].path", "no wildcard");
    assert_problem(ROUTES "  - {name: a, path: /a, methods: ['P T']}\n", 6, "routes[0].methods[0]",
                   "method");
}
