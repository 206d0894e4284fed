/* test_sticky.c - the cookie and the identity chain. */
#include "parse.h"

TestSuite(sticky, .init = set_up, .fini = tear_down);

Test(sticky, the_identity_chain)
{
    struct config *c =
        parse_good(MINIMAL "sticky: {identity: [header:X-Device, jwt:sub, query:sid, "
                           "address, cookie], on_raise: keep}\n");
    cr_assert_eq(c->sticky.chain_count, 5u);
    cr_assert_eq(c->sticky.chain[0].kind, IDENTITY_HEADER);
    cr_assert(str_eq(c->sticky.chain[0].name, STR("X-Device")));
    cr_assert_eq(c->sticky.chain[1].kind, IDENTITY_JWT);
    cr_assert(str_eq(c->sticky.chain[2].name, STR("sid")));
    cr_assert_eq(c->sticky.chain[3].kind, IDENTITY_ADDRESS);
    cr_assert_eq(c->sticky.chain[4].kind, IDENTITY_COOKIE);
    cr_assert(c->sticky.keep_on_raise && !c->sticky.keep_on_lower);
    config_unref(c);
}

Test(sticky, sticky_is_checked)
{
    assert_problem(MINIMAL "sticky: {identity: []}\n", 5, "sticky.identity", "at least one");
    assert_problem(MINIMAL "sticky: {identity: [header:A, header:a]}\n", 5, "sticky.identity",
                   "the same");
    assert_problem(MINIMAL "sticky: {identity: ['header:']}\n", 5, "sticky.identity[0]",
                   "header:NAME");
    assert_problem(MINIMAL "sticky: {max_age: 500ms}\n", 5, "sticky.max_age", "from 1s to 400d");
    assert_problem(MINIMAL "sticky: {max_age: 1500ms}\n", 5, "sticky.max_age", "whole seconds");
    assert_problem(MINIMAL "sticky: {same_site: none, secure: false}\n", 5, "sticky.same_site",
                   "needs secure");
    assert_problem(MINIMAL "sticky: {cookie: __Host-x}\n", 5, "sticky.cookie", "secure: true");
    assert_problem(MINIMAL "sticky: {cookie: __Host-x, secure: true, domain: a.b}\n", 5,
                   "sticky.cookie", "no domain");
    assert_problem(MINIMAL "sticky: {cookie: 'a;b'}\n", 5, "sticky.cookie", "cookie name");
    config_unref(parse_good(MINIMAL "sticky: {cookie: __Host-x, secure: true}\n"));
}
