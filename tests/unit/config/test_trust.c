/* test_trust.c - ranges and presets. */
#include "parse.h"

TestSuite(trust, .init = set_up, .fini = tear_down);

static bool trusts(const struct config *config, const char *ip)
{
    struct addr addr;
    cr_assert(addr_parse_ip(str_of(ip), 0, &addr));
    for (unsigned i = 0; i < config->forwarded.trust_count; i++)
        if (cidr_contains(&config->forwarded.trust[i].range, &addr))
            return true;
    return false;
}

Test(trust, presets_of_trust)
{
    struct config *c =
        parse_good(MINIMAL "forwarded: {trust: [railway, alb, cloudflare, 8.8.8.8]}\n");
    cr_assert_eq(c->forwarded.trust_count, 1u + 3 + 22 + 1);
    cr_assert(trusts(c, "100.64.0.3") && trusts(c, "172.16.9.9") && trusts(c, "8.8.8.8"));
    cr_assert(trusts(c, "104.16.0.1") && trusts(c, "2606:4700::1"));
    cr_assert_not(trusts(c, "8.8.8.9") || trusts(c, "100.128.0.1"));
    config_unref(c);
    assert_problem(MINIMAL "forwarded: {trust: [10.0.0.1/8]}\n", 5, "forwarded.trust[0]",
                   "no bits set");
}
