#include "telemetry/outcome.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "base/str.h"

static bool is_own_status(unsigned status)
{
    static const unsigned known[] = {0,   200, 308, 400, 404, 408, 413, 414,
                                     417, 421, 431, 501, 502, 503, 504};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i] == status)
            return true;
    return false;
}

Test(outcome, every_outcome_has_a_token_and_answers_have_a_text)
{
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        const struct outcome_row *row = outcome_row((enum outcome)i);
        cr_assert(row->token != NULL && row->token[0] != '\0');
        cr_assert_eq(strspn(row->token, "abcdefghijklmnopqrstuvwxyz0123456789_"),
                     strlen(row->token));
        cr_assert(is_own_status(row->status), "%s: %u", row->token, row->status);
        bool is_told = row->status != 0 && row->status != 200;
        cr_assert_eq(is_told, row->text[0] != '\0', "%s", row->token);
    }
}

Test(outcome, tokens_are_unique)
{
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        for (unsigned j = 0; j < i; j++) {
            cr_assert_str_neq(outcome_row((enum outcome)i)->token,
                              outcome_row((enum outcome)j)->token);
        }
    }
}

Test(outcome, a_row_says_what_the_list_says)
{
    const struct outcome_row *row = outcome_row(OUTCOME_CONNECT_TIMEOUT);
    cr_assert_str_eq(row->token, "connect_timeout");
    cr_assert_eq(row->status, 504);
    cr_assert_eq(row->blame, BLAME_SERVER);
}

Test(outcome, an_unknown_outcome_is_our_mistake, .signal = SIGABRT)
{
    (void)outcome_row(OUTCOME_COUNT);
}
