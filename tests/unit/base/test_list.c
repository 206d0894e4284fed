#include "base/list.h"

#include <criterion/criterion.h>

struct item {
    int number;
    struct list node;
};

static struct list list;
static struct item items[4];

static void set_up(void)
{
    list_init(&list);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].node);
    }
}

TestSuite(list, .init = set_up);

/* The numbers in the list as one: 1, 2, 3 is 123. Walked both ways. */
static int numbers(void)
{
    int forward = 0;
    int backward = 0;
    int digit = 1;
    LIST_FOREACH (&list, node)
        forward = forward * 10 + CONTAINER_OF(node, struct item, node)->number;
    for (struct list *node = list.prev; node != &list; node = node->prev) {
        backward += digit * CONTAINER_OF(node, struct item, node)->number;
        digit *= 10;
    }
    cr_expect_eq(forward, backward);
    return forward;
}

Test(list, an_empty_one_has_no_first)
{
    cr_expect(list_is_empty(&list));
    cr_expect_null(LIST_FIRST(&list, struct item, node));
    cr_expect_eq(numbers(), 0);
}

Test(list, nodes_are_pushed_at_both_ends)
{
    list_push_back(&list, &items[2].node);
    list_push_back(&list, &items[3].node);
    list_push_front(&list, &items[1].node);
    cr_expect_not(list_is_empty(&list));
    cr_expect_eq(numbers(), 123);
    cr_expect_eq(LIST_FIRST(&list, struct item, node), &items[1]);
}

Test(list, a_node_can_be_removed_twice)
{
    for (int i = 1; i < 4; i++)
        list_push_back(&list, &items[i].node);
    list_remove(&items[2].node);
    cr_expect_eq(numbers(), 13);
    cr_expect(list_is_empty(&items[2].node));
    list_remove(&items[2].node);
    cr_expect_eq(numbers(), 13);
}

Test(list, a_removed_node_can_come_back_elsewhere)
{
    for (int i = 1; i < 4; i++)
        list_push_back(&list, &items[i].node);
    list_remove(&items[1].node);
    list_push_back(&list, &items[1].node);
    cr_expect_eq(numbers(), 231);
}

Test(list, a_walk_may_remove_the_node_it_is_at)
{
    for (int i = 0; i < 4; i++)
        list_push_back(&list, &items[i].node);
    int seen = 0;
    LIST_FOREACH (&list, node) {
        seen++;
        list_remove(node);
    }
    cr_expect_eq(seen, 4);
    cr_expect(list_is_empty(&list));
}
