/*
 * prober.h - active health checks: a GET on every server of both sides, also at weight 0, so that
 * rollback_ready is knowledge and not hope.
 *
 * A check opens a connection of its own (never one of the data path's), follows no redirect, reads
 * no further than the head of the answer, and succeeds on a status within success_codes before the
 * timeout. Checks of one server never overlap; their first is at once, then every interval with a
 * little jitter. A check gets back the time for which this process had no processor; one that fails
 * after it slept through a suspended machine counts for nothing, as does one for which there was no
 * descriptor or port here.
 */
#ifndef CONTROL_PROBER_H
#define CONTROL_PROBER_H

struct controller;
struct prober;

struct prober *prober_new(struct controller *controller);
void prober_start(struct prober *prober);

/* The servers changed (reload): checks those that are new, forgets those that are gone. */
void prober_sync(struct prober *prober);

/* Closes everything; prober_free after the loop has run its close callbacks. */
void prober_stop(struct prober *prober);
void prober_free(struct prober *prober);

#endif
