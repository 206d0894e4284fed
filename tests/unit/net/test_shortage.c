#include "net/shortage.h"

#include <criterion/criterion.h>
#include <uv.h>

static struct addr address(const char *text)
{
    struct addr addr;

    cr_assert(addr_parse(str_of(text), &addr), "%s", text);
    return addr;
}

Test(shortage, what_we_lack_and_what_the_server_lacks)
{
    struct addr here = address("127.0.0.1:80");

    cr_expect(shortage_is_ours(UV_EMFILE, &here));
    cr_expect(shortage_is_ours(UV_ENFILE, &here));
    cr_expect(shortage_is_ours(UV_ENOBUFS, NULL));
    cr_expect_not(shortage_is_ours(UV_ECONNREFUSED, &here));
    cr_expect_not(shortage_is_ours(UV_ETIMEDOUT, &here));
    cr_expect_not(shortage_is_ours(0, &here));
}

Test(shortage, no_address_to_connect_from)
{
    struct addr here = address("127.0.0.1:80");

    cr_expect(shortage_is_ours(UV_EADDRNOTAVAIL, &here), "there is a way: it is a port that lacks");
    cr_expect_not(shortage_is_ours(UV_EADDRNOTAVAIL, NULL));
}
