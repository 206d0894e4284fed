#include "traffic/health.h"

#include <criterion/criterion.h>
#include <limits.h>

static const struct health_policy policy = {.healthy_threshold = 2, .unhealthy_threshold = 3};

/* Takes in one result for each letter, '+' or '-', and returns the state after the last. */
static enum health_state after(struct health *health, const char *results)
{
    for (; *results != '\0'; results++) {
        enum health_state before = health->state;
        bool changed = health_note(health, &policy, *results == '+');
        cr_assert_eq(changed, health->state != before);
    }
    return health->state;
}

Test(health, the_first_result_decides_at_once)
{
    cr_assert_eq(after(&(struct health){0}, "+"), HEALTH_UP);
    cr_assert_eq(after(&(struct health){0}, "-"), HEALTH_DOWN);
}

Test(health, a_server_goes_down_after_failures_in_a_row)
{
    struct health health = {0};
    cr_assert_eq(after(&health, "+--"), HEALTH_UP);
    cr_assert_eq(after(&health, "+--"), HEALTH_UP);
    cr_assert_eq(after(&health, "-"), HEALTH_DOWN);
    cr_assert_eq(after(&health, "-----"), HEALTH_DOWN);
}

Test(health, a_server_comes_up_after_successes_in_a_row)
{
    struct health health = {0};
    cr_assert_eq(after(&health, "-+-+"), HEALTH_DOWN);
    cr_assert_eq(after(&health, "+"), HEALTH_UP);
}

Test(health, a_run_that_never_ends_does_not_wrap)
{
    struct health health = {.state = HEALTH_UP, .successes = UINT_MAX};
    cr_assert_eq(after(&health, "+"), HEALTH_UP);
    cr_assert_eq(health.successes, UINT_MAX);
}

Test(health, states_have_names)
{
    cr_assert_str_eq(health_name(HEALTH_UNKNOWN), "unknown");
    cr_assert_str_eq(health_name(HEALTH_UP), "up");
    cr_assert_str_eq(health_name(HEALTH_DOWN), "down");
}
