/* texts.h - configurations that differ in all that a reload may change. */
#ifndef STORM_TEXTS_H
#define STORM_TEXTS_H

#include "base/buf.h"
#include "config/config.h"
#include "storm.h"

/* Listeners: by enum door, all but the last. */
#define TEXT_LISTENERS DOOR_ADMIN

#define NAME_APP   "app.test"
#define NAME_OTHER "other.test"

/* One more, in YAML. `generation` even or odd decides about Hosts and servers (origin.h). */
void text_write(struct dice *dice, unsigned generation, struct buf *out);

struct config *text_parse(struct dice *dice, unsigned generation);

#endif
