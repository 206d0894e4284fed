#include "traffic/balance.h"

#include <criterion/criterion.h>

Test(balance, servers_take_turns)
{
    static const bool usable[] = {true, true, true};
    unsigned cursor = 2;
    for (int i = 0; i < 9; i++) {
        cr_assert_eq(balance_next(usable, 3, &cursor), i % 3);
        cr_assert_eq(cursor, (unsigned)(i % 3));
    }
}

Test(balance, servers_that_cannot_be_used_are_passed_over)
{
    static const bool usable[] = {false, true, false, true};
    unsigned cursor = 0;
    cr_assert_eq(balance_next(usable, 4, &cursor), 1);
    cr_assert_eq(balance_next(usable, 4, &cursor), 3);
    cr_assert_eq(balance_next(usable, 4, &cursor), 1);
}

Test(balance, the_only_usable_server_gets_everything)
{
    static const bool usable[] = {false, true};
    unsigned cursor = 1;
    cr_assert_eq(balance_next(usable, 2, &cursor), 1);
    cr_assert_eq(balance_next(usable, 2, &cursor), 1);
}

Test(balance, without_a_usable_server_there_is_none_and_the_cursor_stays)
{
    static const bool usable[] = {false, false};
    unsigned cursor = 1;
    cr_assert_eq(balance_next(usable, 2, &cursor), -1);
    cr_assert_eq(balance_next(usable, 0, &cursor), -1);
    cr_assert_eq(cursor, 1);
}

Test(balance, a_cursor_from_a_longer_list_is_fine)
{
    static const bool usable[] = {true, true};
    unsigned cursor = 63;
    cr_assert_eq(balance_next(usable, 2, &cursor), 0);
}
