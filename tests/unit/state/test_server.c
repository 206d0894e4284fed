/* A server's shared knowledge: health by the prober, ejection by what real requests meet. */
#include <criterion/criterion.h>

#include "state/server.h"

static const struct outlier_policy policy = {3, 1000, 8000};

static struct server *make_server(void)
{
    return server_new(SIDE_NEW, STR("http://10.0.0.5:3000"), STR("10.0.0.5"), 3000, false, false,
                      STR("10.0.0.5:3000"));
}

Test(server, is_usable_before_its_first_check)
{
    struct server *server = make_server();

    cr_expect_eq(server_health(server), HEALTH_UNKNOWN);
    cr_expect(server_is_usable(server, 0));
    server_unref(server);
}

Test(server, is_not_usable_when_down)
{
    struct server *server = make_server();

    atomic_store(&server->shared.health, HEALTH_DOWN);
    cr_expect_not(server_is_usable(server, 0));
    server_unref(server);
}

Test(server, is_ejected_after_errors_in_a_row_and_comes_back)
{
    struct server *server = make_server();

    cr_expect_not(server_note_attempt(server, &policy, false, 10));
    cr_expect_not(server_note_attempt(server, &policy, false, 10));
    cr_expect(server_note_attempt(server, &policy, false, 10), "the third in a row ejects");
    cr_expect_not(server_is_usable(server, 1009));
    cr_expect(server_is_usable(server, 1010));
    server_unref(server);
}

Test(server, a_success_in_between_starts_the_count_anew)
{
    struct server *server = make_server();

    server_note_attempt(server, &policy, false, 10);
    server_note_attempt(server, &policy, false, 10);
    server_note_attempt(server, &policy, true, 10);
    cr_expect_not(server_note_attempt(server, &policy, false, 10));
    cr_expect(server_is_usable(server, 10));
    server_unref(server);
}
