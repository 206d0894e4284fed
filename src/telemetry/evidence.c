/*
 * evidence.c - attempts into cells: group, error, shown status, bins of latency.
 *
 *     account.c ---> evidence_note (worker) ---> cells ---> evidence_sum (control) ---> struct sample
 *
 * The trick is that of counters.c: struct sample is nothing but 32-bit numbers, so a worker's cells
 * are the same array made of atomics, and a member's place in it is its offset. One attempt costs a
 * handful of plain loads and stores.
 */
#include "telemetry/evidence.h"

#include <stddef.h>

typedef _Atomic uint32_t cell;

_Static_assert(sizeof(cell) == sizeof(uint32_t), "a cell is as large as its number");
_Static_assert(sizeof(struct sample) == SAMPLE_CELLS * sizeof(uint32_t), "nothing but numbers");

/* The cell of a member of struct sample. */
#define CELL(member) (offsetof(struct sample, member) / sizeof(uint32_t))

static void count(cell *cells, size_t index)
{
    atomic_store_explicit(&cells[index],
                          atomic_load_explicit(&cells[index], memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

bool evidence_is_error(enum outcome outcome, unsigned status, enum sample_error *error)
{
    switch (outcome) {
    case OUTCOME_CONNECT_REFUSED:
    case OUTCOME_CONNECT_FAILED:
    case OUTCOME_CONNECT_TIMEOUT:
    case OUTCOME_UNRESOLVED:
    case OUTCOME_NO_SERVER:
        *error = SAMPLE_CONNECT;
        return true;
    case OUTCOME_TLS_FAILED:
    case OUTCOME_TLS_UNTRUSTED:
    case OUTCOME_TLS_TIMEOUT:
        *error = SAMPLE_TLS;
        return true;
    case OUTCOME_RESPONSE_TIMEOUT:
    case OUTCOME_STALLED:
        *error = SAMPLE_TIMEOUT;
        return true;
    case OUTCOME_CLOSED:
    case OUTCOME_BAD_RESPONSE:
    case OUTCOME_RESPONSE_TOO_LARGE:
    case OUTCOME_TRUNCATED:
        *error = SAMPLE_BROKEN;
        return true;
    case OUTCOME_PLATFORM_404:
    case OUTCOME_PLATFORM_502:
    case OUTCOME_PLATFORM_503:
    case OUTCOME_PLATFORM_504:
        *error = SAMPLE_PLATFORM;
        return true;
    default:
        *error = SAMPLE_5XX;
        return outcome == OUTCOME_OK && status >= 500;
    }
}

/* That the side answered: well, or with whatever status. */
static bool is_answer(enum outcome outcome)
{
    return outcome == OUTCOME_OK || outcome == OUTCOME_TUNNEL || outcome == OUTCOME_SKEW;
}

static void note_latencies(cell *cells, const struct evidence_attempt *attempt)
{
    size_t group = sample_group(attempt->bucket);

    if (attempt->first_byte_us > 0)
        count(cells, CELL(first_byte) + group * SAMPLE_BINS + sample_bin(attempt->first_byte_us));
    if (attempt->connect_us > 0)
        count(cells, CELL(connect) + sample_bin(attempt->connect_us));
    count(cells, CELL(total) + sample_bin(attempt->total_us));
}

void evidence_note(struct evidence *evidence, const struct evidence_attempt *attempt)
{
    cell *cells = evidence->cell[attempt->side];
    size_t group = sample_group(attempt->bucket);
    enum sample_error error;
    enum sample_shown shown;
    bool failed = evidence_is_error(attempt->outcome, attempt->status, &error);

    if (!failed && !is_answer(attempt->outcome))
        return;
    count(cells, CELL(requests) + group);
    if (failed) {
        count(cells, CELL(failed) + group);
        count(cells, CELL(errors) + error);
        return;
    }
    if (attempt->status >= 400 && sample_shows(attempt->status, &shown))
        count(cells, CELL(shown) + shown);
    if (attempt->has_latency)
        note_latencies(cells, attempt);
}

void evidence_note_failover(struct evidence *evidence, enum side side)
{
    count(evidence->cell[side], CELL(failovers));
}

void evidence_sum(struct sample sum[SIDES], const struct evidence *evidence)
{
    for (int side = 0; side < SIDES; side++) {
        uint32_t *to = (uint32_t *)(void *)&sum[side];
        for (size_t i = 0; i < SAMPLE_CELLS; i++)
            to[i] += atomic_load_explicit(&evidence->cell[side][i], memory_order_relaxed);
    }
}
