/*
 * sample.c - bins, sums and quantiles of what was counted.
 *
 * A bin is told by a number's highest bit and the two below it, so each octave has four bins of the
 * same width:
 *
 *     us      0 ..... 128   160   192   224   256     320     384 ...... 2^28
 *     bin       0      | 1   | 2   | 3   | 4   |  5    |  6    | ... 84   |  85
 *
 * Within a bin counts are taken as spread evenly (linearly, not on logarithms): the edges are at most
 * 25 % apart, where the two differ by 0.6 % at most, and the first bin begins at 0.
 */
#include "traffic/sample.h"

#include "base/check.h"

#define FIRST_OCTAVE 7  /* 2^7: 128 us */
#define LAST_OCTAVE  28 /* 2^28: 268 s */
#define PER_OCTAVE   4

_Static_assert(SAMPLE_BINS == 1 + (LAST_OCTAVE - FIRST_OCTAVE) * PER_OCTAVE + 1,
               "a bin for each quarter, one below and one above");
_Static_assert(sizeof(struct sample) % sizeof(uint32_t) == 0, "nothing but cells");

/* ---- names ---- */

static const char *const error_names[] = {
#define X(id, name) [id] = name,
    SAMPLE_ERRORS(X)
#undef X
};

static const unsigned shown_statuses[] = {
#define X(id, status) [id] = status,
    SAMPLE_SHOWN(X)
#undef X
};

const char *sample_error_name(enum sample_error error)
{
    CHECK((unsigned)error < SAMPLE_ERROR_COUNT);
    return error_names[error];
}

unsigned sample_shown_status(enum sample_shown shown)
{
    CHECK((unsigned)shown < SAMPLE_SHOWN_COUNT);
    return shown_statuses[shown];
}

bool sample_shows(unsigned status, enum sample_shown *shown)
{
    for (unsigned i = 0; i < SAMPLE_SHOWN_COUNT; i++)
        if (shown_statuses[i] == status) {
            *shown = (enum sample_shown)i;
            return true;
        }
    return false;
}

/* ---- bins ---- */

unsigned sample_bin(uint64_t us)
{
    if (us < (uint64_t)1 << FIRST_OCTAVE)
        return 0;
    if (us >= (uint64_t)1 << LAST_OCTAVE)
        return SAMPLE_BINS - 1;
    unsigned octave = 63 - (unsigned)__builtin_clzll(us);
    return 1 + (octave - FIRST_OCTAVE) * PER_OCTAVE + (unsigned)(us >> (octave - 2) & 3);
}

uint64_t sample_bin_us(unsigned bin)
{
    CHECK(bin < SAMPLE_BINS);
    if (bin == 0)
        return 0;
    unsigned octave = FIRST_OCTAVE + (bin - 1) / PER_OCTAVE;
    return (uint64_t)(PER_OCTAVE + (bin - 1) % PER_OCTAVE) << (octave - 2);
}

/* ---- sums ---- */

/* A sample as the cells that it is. */
static uint32_t *cells_of(struct sample *sample)
{
    return (uint32_t *)(void *)sample;
}

static const uint32_t *const_cells_of(const struct sample *sample)
{
    return (const uint32_t *)(const void *)sample;
}

void sample_add(struct sample *sum, const struct sample *part)
{
    uint32_t *to = cells_of(sum);
    const uint32_t *from = const_cells_of(part);
    for (size_t i = 0; i < SAMPLE_CELLS; i++)
        to[i] += from[i];
}

void sample_subtract(struct sample *sum, const struct sample *part)
{
    uint32_t *to = cells_of(sum);
    const uint32_t *from = const_cells_of(part);
    for (size_t i = 0; i < SAMPLE_CELLS; i++)
        to[i] -= from[i];
}

static uint64_t sum_of(const uint32_t *cells, unsigned count)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += cells[i];
    return sum;
}

uint64_t sample_requests(const struct sample *sample)
{
    return sum_of(sample->requests, SAMPLE_GROUPS);
}

uint64_t sample_failed(const struct sample *sample)
{
    return sum_of(sample->failed, SAMPLE_GROUPS);
}

void sample_first_byte(const struct sample *sample, struct sample_latency *all)
{
    *all = sample->first_byte[0];
    for (unsigned group = 1; group < SAMPLE_GROUPS; group++)
        for (unsigned bin = 0; bin < SAMPLE_BINS; bin++)
            all->bin[bin] += sample->first_byte[group].bin[bin];
}

uint64_t sample_latency_count(const struct sample_latency *latency)
{
    return sum_of(latency->bin, SAMPLE_BINS);
}

/* ---- quantiles ---- */

double sample_quantile_us(const struct sample_latency *latency, double level)
{
    double rank = level * (double)sample_latency_count(latency), below = 0;
    for (unsigned bin = 0; bin < SAMPLE_BINS; bin++) {
        double count = latency->bin[bin];
        if (count > 0 && below + count >= rank) {
            double from = (double)sample_bin_us(bin);
            if (bin == SAMPLE_BINS - 1)
                return from;
            double part = rank > below ? (rank - below) / count : 0;
            return from + part * ((double)sample_bin_us(bin + 1) - from);
        }
        below += count;
    }
    return 0;
}
