#include "net/listener.h"

#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <unistd.h>

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

Test(listener, what_is_accepted_has_inherited_its_options)
{
    struct listener listener;
    struct error error;
    struct addr address;

    cr_assert(addr_parse(STR("127.0.0.1:0"), &address));
    cr_assert(listener_open(&listener, &address, true, &error), "%s", error.text);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(client, &listener.address.any, addr_len(&listener.address)), 0);
    int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_neq(fd, -1);

    cr_expect_eq(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
    cr_expect_eq(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_expect_eq(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), LISTENER_PROBE_AFTER_S);
    cr_expect_eq(option(fd, IPPROTO_TCP, TCP_KEEPINTVL), LISTENER_PROBE_EVERY_S);
    cr_expect_eq(option(fd, IPPROTO_TCP, TCP_KEEPCNT), LISTENER_PROBES);
    cr_expect_eq(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0, "a reader may pause");
    close(fd);
    close(client);
    listener_abandon(&listener);
}

Test(listener, a_probe_finds_a_free_port_and_keeps_nothing)
{
    struct listener first, second;
    struct error error;
    struct addr address;

    cr_assert(addr_parse(STR("127.0.0.1:0"), &address));
    cr_assert(listener_probe(&address, &error), "%s", error.text);
    cr_assert_neq(addr_port(&address), 0);
    cr_assert(listener_open(&first, &address, true, &error), "%s", error.text);
    cr_assert(listener_open(&second, &address, true, &error), "%s", error.text);
    cr_assert_not(listener_probe(&address, &error), "somebody has it");
    cr_assert_not_null(strstr(error.text, "cannot listen on 127.0.0.1:"), "%s", error.text);
    listener_abandon(&first);
    listener_abandon(&second);
    cr_assert(listener_probe(&address, &error), "%s", error.text);
}
