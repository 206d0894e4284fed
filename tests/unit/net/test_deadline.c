/* Deadlines: equal waits, in the order they were set. */
#include <criterion/criterion.h>

#include "net/deadline.h"

static struct deadline *fired[8];
static unsigned fired_count;

static void on_expire(struct deadline *deadline)
{
    fired[fired_count++] = deadline;
}

static struct deadline_list *again_list;

static void on_expire_again(struct deadline *deadline)
{
    fired[fired_count++] = deadline;
    deadline_set(deadline, again_list, 1000);
}

Test(deadline, expires_when_due_and_not_before)
{
    struct deadline_list list;
    struct deadline one;

    deadline_list_init(&list, 100, on_expire);
    deadline_init(&one);
    deadline_set(&one, &list, 1000);
    deadline_sweep(&list, 1099);
    cr_expect_eq(fired_count, 0);
    cr_expect(deadline_is_set(&one));
    deadline_sweep(&list, 1100);
    cr_expect_eq(fired_count, 1);
    cr_expect_not(deadline_is_set(&one));
}

Test(deadline, setting_again_moves_it_behind_the_others)
{
    struct deadline_list list;
    struct deadline one, two;

    deadline_list_init(&list, 100, on_expire);
    deadline_init(&one);
    deadline_init(&two);
    deadline_set(&one, &list, 0);
    deadline_set(&two, &list, 10);
    deadline_set(&one, &list, 50);
    deadline_sweep(&list, 120);
    cr_assert_eq(fired_count, 1);
    cr_expect_eq(fired[0], &two);
    deadline_sweep(&list, 150);
    cr_expect_eq(fired_count, 2);
}

Test(deadline, moves_from_one_list_to_another)
{
    struct deadline_list idle, header;
    struct deadline one;

    deadline_list_init(&idle, 10, on_expire);
    deadline_list_init(&header, 500, on_expire);
    deadline_init(&one);
    deadline_set(&one, &idle, 0);
    deadline_set(&one, &header, 5);
    deadline_sweep(&idle, 400);
    deadline_sweep(&header, 400);
    cr_expect_eq(fired_count, 0);
    deadline_clear(&one);
    deadline_sweep(&header, 10000);
    cr_expect_eq(fired_count, 0);
}

Test(deadline, of_a_list_without_time_never_expires)
{
    struct deadline_list list;
    struct deadline one;

    deadline_list_init(&list, 0, on_expire);
    deadline_init(&one);
    deadline_set(&one, &list, 0);
    cr_expect_not(deadline_is_set(&one));
    deadline_sweep(&list, UINT64_MAX);
    cr_expect_eq(fired_count, 0);
}

Test(deadline, may_be_set_again_from_its_own_callback)
{
    struct deadline_list list;
    struct deadline one, two;

    again_list = &list;
    deadline_list_init(&list, 100, on_expire_again);
    deadline_init(&one);
    deadline_init(&two);
    deadline_set(&one, &list, 0);
    deadline_set(&two, &list, 0);
    deadline_sweep(&list, 1000);
    cr_expect_eq(fired_count, 2, "each once, although both are set again");
    cr_expect(deadline_is_set(&one));
}

Test(deadline, a_shorter_time_holds_for_those_that_wait_already)
{
    struct deadline_list list;
    struct deadline one, two;

    deadline_list_init(&list, 10000, on_expire);
    deadline_init(&one);
    deadline_init(&two);
    deadline_set(&one, &list, 0);
    deadline_list_change(&list, 100, 1000);
    deadline_set(&two, &list, 1001);
    deadline_sweep(&list, 1100);
    cr_assert_eq(fired_count, 1);
    cr_expect_eq(fired[0], &one);
    deadline_sweep(&list, 1101);
    cr_expect_eq(fired_count, 2);
}

Test(deadline, a_longer_time_leaves_those_that_wait_as_they_were)
{
    struct deadline_list list;
    struct deadline one;

    deadline_list_init(&list, 100, on_expire);
    deadline_init(&one);
    deadline_set(&one, &list, 0);
    deadline_list_change(&list, 10000, 50);
    deadline_sweep(&list, 100);
    cr_expect_eq(fired_count, 1);
}
