/* outcome.c - the table of outcomes, made from the one list in the header. */
#include "telemetry/outcome.h"

#include "base/check.h"

static const struct outcome_row rows[OUTCOME_COUNT] = {
#define X(id, token, status, blame, text) [id] = {token, status, blame, text},
    OUTCOMES(X)
#undef X
};

const struct outcome_row *outcome_row(enum outcome outcome)
{
    CHECK((unsigned)outcome < OUTCOME_COUNT);
    return &rows[outcome];
}
