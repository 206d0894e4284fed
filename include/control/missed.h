/*
 * missed.h - changes that are on disk and not in the audit trail, since the process ended between the
 * two writes: told at the next start. For controller.c alone.
 */
#ifndef CONTROL_MISSED_H
#define CONTROL_MISSED_H

#include "control/controller.h"

/* After the trail and the state were read, before anything else is told. */
void missed_tell(struct controller *controller);

#endif
