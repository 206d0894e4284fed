/*
 * sample.h - what was seen of one side over a span of time: plain numbers, for the comparison.
 *
 *     workers count (telemetry/evidence.h) -> control subtracts two sums -> struct sample -> compare
 *
 * Counted is each attempt at a server of the user's own side, before failover hides how it ended:
 * decided by cookie, identity or draw, against one weight. Left out are pinned routes, testers
 * (override), requests that another side spilled over, and what was the client's own doing. So both
 * sides stand for the same kind of users, and differ by nothing but their platform.
 *
 * Requests of one user are not independent of each other, so they are kept apart by group of
 * buckets: bucket % SAMPLE_GROUPS. At any weight from 0.64 % to 99.36 % every group has buckets on both
 * sides. How surely the groups tell what chance is depends on how many they are: 64 ask for a fifth
 * more requests than if it were known, 32 would ask for half as many again.
 */
#ifndef TRAFFIC_SAMPLE_H
#define TRAFFIC_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLE_GROUPS 64

/* Latencies: quarters of an octave from 128 us on (so a bin's edges are at most 25 % apart), below
 * it one bin, and from 268 s on another. */
#define SAMPLE_BINS 86

/* How an attempt failed; what is judged. */
#define SAMPLE_ERRORS(X)                                                                  \
    X(SAMPLE_CONNECT, "connect")   /* refused, unreachable, not in time, unresolved */    \
    X(SAMPLE_TLS, "tls")           /* the handshake, the certificate */                   \
    X(SAMPLE_TIMEOUT, "timeout")   /* no answer in time, or it stalled */                 \
    X(SAMPLE_BROKEN, "broken")     /* closed without an answer, cut short, no HTTP */     \
    X(SAMPLE_PLATFORM, "platform") /* the platform answered instead of the application */ \
    X(SAMPLE_5XX, "5xx")           /* the application's own */

/* Statuses that tell of a wrong setting: shown, not judged. */
#define SAMPLE_SHOWN(X) \
    X(SAMPLE_401, 401)  \
    X(SAMPLE_403, 403)  \
    X(SAMPLE_404, 404)  \
    X(SAMPLE_413, 413)  \
    X(SAMPLE_429, 429)

enum sample_error {
#define X(id, name) id,
    SAMPLE_ERRORS(X)
#undef X
        SAMPLE_ERROR_COUNT
};

enum sample_shown {
#define X(id, status) id,
    SAMPLE_SHOWN(X)
#undef X
        SAMPLE_SHOWN_COUNT
};

struct sample_latency {
    uint32_t bin[SAMPLE_BINS];
};

/* Nothing but uint32_t in here: workers count it as one array of cells, and it may wrap around
 * between two sums. */
struct sample {
    uint32_t requests[SAMPLE_GROUPS]; /* attempts that ended, well or not */
    uint32_t failed[SAMPLE_GROUPS];   /* of them, those with an error */
    uint32_t errors[SAMPLE_ERROR_COUNT];
    uint32_t shown[SAMPLE_SHOWN_COUNT];
    uint32_t failovers; /* requests that left this side for the other; not attempts */
    /* Tunnels, event streams and long polls are not in these. first_byte: from the attempt's begin
     * to the first byte of the answer; total: to its end; connect: new connections alone, with TLS. */
    struct sample_latency first_byte[SAMPLE_GROUPS];
    struct sample_latency connect, total;
};

#define SAMPLE_CELLS (sizeof(struct sample) / sizeof(uint32_t))

/* "connect", "tls", ... */
const char *sample_error_name(enum sample_error error);

/* The HTTP status that is counted there. */
unsigned sample_shown_status(enum sample_shown shown);

/* Whether `status` is one that is shown; then `*shown` is which. */
bool sample_shows(unsigned status, enum sample_shown *shown);

static inline unsigned sample_group(unsigned bucket)
{
    return bucket % SAMPLE_GROUPS;
}

/* The bin that a latency falls into; a few instructions, since each request asks. */
unsigned sample_bin(uint64_t us);

/* Its lower edge in microseconds: 0 for the first. The upper one is the next bin's lower; the last
 * bin has none. */
uint64_t sample_bin_us(unsigned bin);

/* `sum` += `part`, and `sum` -= `part`; cells wrap around. */
void sample_add(struct sample *sum, const struct sample *part);
void sample_subtract(struct sample *sum, const struct sample *part);

uint64_t sample_requests(const struct sample *sample);
uint64_t sample_failed(const struct sample *sample);

/* first_byte of all groups together. */
void sample_first_byte(const struct sample *sample, struct sample_latency *all);

uint64_t sample_latency_count(const struct sample_latency *latency);

/* The quantile at `level` 0..1 in microseconds, interpolated within its bin as if what it holds were
 * spread evenly; 0 when nothing was counted. The last bin has no end, so it answers where it begins.
 * Where all of a bin lies at one of its edges this is wrong by a bin's width, 25 % at most. */
double sample_quantile_us(const struct sample_latency *latency, double level);

#endif
