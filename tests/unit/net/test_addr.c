#include "net/addr.h"

#include <criterion/criterion.h>

static struct addr addr_of(const char *text)
{
    struct addr addr;
    cr_assert(addr_parse(str_of(text), &addr), "%s", text);
    return addr;
}

static void expect_text(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(got), wanted);
}

Test(addr, parses_and_formats)
{
    static const char *const ROWS[][3] = {
        {"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1"},
        {"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0"},
        {"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255"},
        {"[::1]:8080", "[::1]:8080", "::1"},
        {"[2001:DB8::0:1]:443", "[2001:db8::1]:443", "2001:db8::1"},
        {"[::ffff:10.0.0.1]:9", "10.0.0.1:9", "10.0.0.1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char text[ADDR_TEXT_BYTES];
        struct addr addr = addr_of(ROWS[i][0]);
        expect_text(addr_format(&addr, text), ROWS[i][1]);
        expect_text(addr_format_ip(&addr, text), ROWS[i][2]);
    }
}

Test(addr, refuses_what_is_no_address_with_a_port)
{
    static const char *const ROWS[] = {
        "",
        "127.0.0.1",
        "::1",
        "[::1]",
        "localhost:80",
        ":80",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:-1",
        "127.0.0.1:65536",
        "1.2.3:80",
        "1.2.3.4.5:80",
        "256.1.1.1:80",
        "01.2.3.4:80",
        "::1:80",
        "[::1:80",
        "::1]:80",
        "[1.2.3.4]:80",
        "[::g]:80",
        "[]:80",
        " 1.2.3.4:1",
        "1.2.3.4:1 ",
        "1.2.3.4:00080000",
        "[fe80::1%lo]:80",
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct addr addr;
        cr_expect_not(addr_parse(str_of(ROWS[i]), &addr), "%s", ROWS[i]);
    }
    struct addr addr;
    cr_expect_not(addr_parse_ip(STR("1.2.3.4\0"), 1, &addr));
}

Test(addr, an_ip_may_stand_in_brackets)
{
    struct addr addr;
    char text[ADDR_TEXT_BYTES];

    cr_assert(addr_parse_ip(STR("[fd00::2]"), 7, &addr));
    expect_text(addr_format(&addr, text), "[fd00::2]:7");
    cr_assert(addr_parse_ip(STR("fd00::2"), 7, &addr));
    expect_text(addr_format(&addr, text), "[fd00::2]:7");
    cr_expect_eq(addr_len(&addr), sizeof(struct sockaddr_in6));
    cr_assert(addr_parse_ip(STR("10.1.2.3"), 65535, &addr));
    cr_expect_eq(addr_port(&addr), 65535);
    cr_expect_eq(addr_len(&addr), sizeof(struct sockaddr_in));
    addr_set_port(&addr, 1);
    expect_text(addr_format(&addr, text), "10.1.2.3:1");
}

Test(addr, mapped_addresses_from_the_kernel_are_unmapped)
{
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(5)};
    static const unsigned char BYTES[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};
    char text[ADDR_TEXT_BYTES];

    memcpy(&mapped.sin6_addr, BYTES, sizeof(BYTES));
    struct addr addr = addr_from_sockaddr((const struct sockaddr *)&mapped);
    struct addr plain = addr_of("192.0.2.9:5");
    expect_text(addr_format(&addr, text), "192.0.2.9:5");
    cr_expect(addr_eq(&addr, &plain));
}

Test(addr, an_empty_one_has_no_text)
{
    struct sockaddr local = {.sa_family = AF_UNIX};
    struct addr addr = addr_from_sockaddr(&local);
    struct addr other = addr_of("0.0.0.0:0");
    char text[ADDR_TEXT_BYTES];

    cr_expect_eq(addr.any.sa_family, AF_UNSPEC);
    expect_text(addr_format(&addr, text), "");
    expect_text(addr_format_ip(&addr, text), "");
    cr_expect(addr_eq(&addr, &addr));
    cr_expect_not(addr_eq(&addr, &other));
    cr_expect_not(addr_is_loopback(&addr));
}

Test(addr, equal_means_address_and_port)
{
    struct addr a = addr_of("10.0.0.1:80");
    struct addr b = addr_of("10.0.0.1:81");
    struct addr c = addr_of("10.0.0.2:80");
    struct addr d = addr_of("[::1]:80");
    struct addr e = addr_of("[0:0::1]:80");

    cr_expect(addr_eq(&a, &a));
    cr_expect_not(addr_eq(&a, &b));
    cr_expect_not(addr_eq(&a, &c));
    cr_expect_not(addr_eq(&a, &d));
    cr_expect(addr_eq(&d, &e));
}

Test(addr, loopback)
{
    struct addr addr = addr_of("127.9.9.9:1");
    cr_expect(addr_is_loopback(&addr));
    addr = addr_of("[::1]:1");
    cr_expect(addr_is_loopback(&addr));
    addr = addr_of("[::ffff:127.0.0.1]:1");
    cr_expect(addr_is_loopback(&addr));
    addr = addr_of("0.0.0.0:1");
    cr_expect_not(addr_is_loopback(&addr));
    addr = addr_of("[::]:1");
    cr_expect_not(addr_is_loopback(&addr));
}

Test(cidr, contains)
{
    static const struct {
        const char *cidr;
        const char *addr;
        bool inside;
    } ROWS[] = {
        {"10.0.0.0/8", "10.255.0.1:1", true},
        {"10.0.0.0/8", "11.0.0.0:1", false},
        {"10.1.2.3", "10.1.2.3:9", true},
        {"10.1.2.3", "10.1.2.4:9", false},
        {"10.1.2.0/23", "10.1.3.255:9", true},
        {"10.1.2.0/23", "10.1.4.0:9", false},
        {"0.0.0.0/0", "1.2.3.4:1", true},
        {"0.0.0.0/0", "[::1]:1", false},
        {"::/0", "[2001:db8::1]:1", true},
        {"::/0", "1.2.3.4:1", false},
        {"fd00::/8", "[fdff::1]:1", true},
        {"fd00::/8", "[fe00::1]:1", false},
        {"2001:db8::/33", "[2001:db8:7fff::]:1", true},
        {"2001:db8::/33", "[2001:db8:8000::]:1", false},
        {"10.0.0.0/8", "[::ffff:10.1.1.1]:1", true},
        {"::1/128", "[::1]:1", true},
        {"::1/128", "[::2]:1", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct cidr cidr;
        struct addr addr = addr_of(ROWS[i].addr);
        cr_assert(cidr_parse(str_of(ROWS[i].cidr), &cidr), "%s", ROWS[i].cidr);
        cr_expect_eq(cidr_contains(&cidr, &addr), ROWS[i].inside, "%s in %s", ROWS[i].addr,
                     ROWS[i].cidr);
    }
}

Test(cidr, refuses_host_bits_and_wrong_lengths)
{
    static const char *const ROWS[] = {"",           "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/",
                                       "10.0.0.0/x", "10.0.0/8",   "::1/64",      "::/129",
                                       "/8",         "name/8",     "10.0.0.0/-1", "10.0.0.0/8/8"};
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct cidr cidr;
        cr_expect_not(cidr_parse(str_of(ROWS[i]), &cidr), "%s", ROWS[i]);
    }
}
