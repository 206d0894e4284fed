/*
 * probe.h - the checks of one server, one after the other. For the prober only.
 *
 * A probe owns a reference to its server and frees itself: probe_close takes it out of its list at
 * once, and the last close callback gives the memory back.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include "control/controller.h"

struct probe;

/* Added to `probes`; checks nothing before probe_start. */
struct probe *probe_new(struct controller *controller, enum side side, unsigned index,
                        struct list *probes);
void probe_start(struct probe *probe);
void probe_close(struct probe *probe);

struct probe *probe_of_node(struct list *node);
const struct server *probe_server(const struct probe *probe);

/* The server now stands at `index`, perhaps with another interval or its first addresses. */
void probe_update(struct probe *probe, unsigned index);

#endif
