/*
 * evidence.h - what one worker counts for the comparison of both sides, for one plan: a struct sample
 * for each side, as cells that the worker alone writes and the control thread reads at any time.
 *
 * An attempt is noted when it ends; a tunnel or an event stream when it begins, since a side whose
 * good ones last for hours and whose failed ones end at once would look all bad. A request that its
 * own side had no server for (no_server) is noted as a connection that failed: without failover
 * nothing else would tell that the side is down.
 */
#ifndef TELEMETRY_EVIDENCE_H
#define TELEMETRY_EVIDENCE_H

#include <stdatomic.h>

#include "telemetry/outcome.h"
#include "traffic/plan.h"
#include "traffic/side.h"

struct evidence {
    _Atomic uint32_t cell[SIDES][SAMPLE_CELLS];
};

/* A client that has waited so long for the first byte and leaves counts as a timeout of the side: the
 * data path passes response_timeout for it, since it knows whether an answer was owed. */
#define EVIDENCE_PATIENCE_MS 5000

/* One that stays is a timeout of the side after so long, whatever comes of it: a side that hangs would
 * be silent until timeouts.response_header else. */
#define EVIDENCE_LATE_MS 30000

/* One attempt, as the data path saw it. */
struct evidence_attempt {
    enum side side;
    unsigned bucket;
    enum outcome outcome;
    unsigned status;        /* of the answer; 0: none */
    bool has_latency;       /* no tunnel, event stream or long poll */
    uint64_t connect_us;    /* 0: no connection was made */
    uint64_t first_byte_us; /* 0: none came */
    uint64_t total_us;
};

/* By the owning worker. An attempt that is the client's doing, or ours, leaves no trace; nor does
 * one on a kept connection that was dead, since it is made again. What failed has no latency. */
void evidence_note(struct evidence *evidence, const struct evidence_attempt *attempt);

/* A request has left `side` for the other one. */
void evidence_note_failover(struct evidence *evidence, enum side side);

/* Adds what has been counted since the start to `sum`, by side. Any thread. */
void evidence_sum(struct sample sum[SIDES], const struct evidence *evidence);

/* Whether the outcome of an attempt is an error in the sense of the comparison, and of which kind. */
bool evidence_is_error(enum outcome outcome, unsigned status, enum sample_error *error);

#endif
