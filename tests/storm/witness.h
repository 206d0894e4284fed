/*
 * witness.h - holds one reference to each server and configuration that was published. At the end of
 * a life it must be the only one who does: then every snapshot, pool and exchange has let go.
 *
 * But who watches changes what happens: what the witness holds is never freed by a worker. So it
 * looks away in some of the lives; what leaks in those is for the leak sanitizer.
 */
#ifndef STORM_WITNESS_H
#define STORM_WITNESS_H

#include "state/snapshot.h"

void witness_begin(bool watches);

/* The control thread, with each snapshot that it publishes. */
void witness_note(struct snapshot *snapshot);

/* All threads of the proxy have ended, and the control thread has let go of everything. */
void witness_judge(const char *life);

#endif
