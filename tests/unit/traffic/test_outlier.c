#include "traffic/outlier.h"

#include <criterion/criterion.h>

static const struct outlier_policy policy = {
    .consecutive_errors = 3, .eject_for_ms = 10000, .max_eject_for_ms = 35000};

/* As many errors as eject a server that can be used; returns for how long. */
static uint64_t ejection_ms(struct outlier *outlier, uint64_t now_ms)
{
    cr_assert_not(outlier_note(outlier, &policy, false, now_ms));
    cr_assert_not(outlier_note(outlier, &policy, false, now_ms));
    cr_assert(outlier_note(outlier, &policy, false, now_ms));
    return outlier->ejected_until_ms - now_ms;
}

Test(outlier, errors_in_a_row_eject_for_a_while)
{
    struct outlier outlier = {0};
    cr_assert_not(outlier_is_ejected(&outlier, 0));
    cr_assert_eq(ejection_ms(&outlier, 500), 10000);
    cr_assert(outlier_is_ejected(&outlier, 10499));
    cr_assert_not(outlier_is_ejected(&outlier, 10500));
}

Test(outlier, a_success_ends_the_row)
{
    struct outlier outlier = {0};
    for (int i = 0; i < 100; i++)
        cr_assert_not(outlier_note(&outlier, &policy, i % 3 == 2, 0));
    cr_assert_not(outlier_is_ejected(&outlier, 0));
}

Test(outlier, each_ejection_in_a_row_is_twice_as_long_up_to_the_maximum)
{
    struct outlier outlier = {0};
    static const uint64_t expected_ms[] = {10000, 20000, 35000, 35000};
    uint64_t now_ms = 1;
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(ejection_ms(&outlier, now_ms), expected_ms[i]);
        now_ms = outlier.ejected_until_ms;
    }
    outlier_note(&outlier, &policy, true, now_ms);
    cr_assert_eq(ejection_ms(&outlier, now_ms), 10000);
}

Test(outlier, errors_during_an_ejection_are_old_news)
{
    struct outlier outlier = {0};
    ejection_ms(&outlier, 0);
    for (int i = 0; i < 10; i++)
        cr_assert_not(outlier_note(&outlier, &policy, false, 9999));
    cr_assert_eq(outlier.ejected_until_ms, 10000);
    cr_assert_eq(ejection_ms(&outlier, 10000), 20000);
}

Test(outlier, zero_errors_allowed_means_never)
{
    struct outlier_policy never = policy;
    never.consecutive_errors = 0;
    struct outlier outlier = {0};
    for (int i = 0; i < 100; i++)
        cr_assert_not(outlier_note(&outlier, &never, false, 1));
    cr_assert_not(outlier_is_ejected(&outlier, 1));
}

Test(outlier, doubling_does_not_overflow)
{
    const struct outlier_policy huge = {1, UINT64_MAX / 3, UINT64_MAX - 100};
    struct outlier outlier = {.ejections = 4000000000u};
    cr_assert(outlier_note(&outlier, &huge, false, 1));
    cr_assert_eq(outlier.ejected_until_ms, UINT64_MAX - 99);
}
