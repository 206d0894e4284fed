/*
 * deadline.h - timeouts as FIFO lists, one for each kind, swept by one timer.
 *
 * All entries of a list wait equally long, so the one that was set last expires last: setting is
 * "move to the end", whatever the number of connections, and a sweep looks at the front only.
 *
 * Times are the loop's (milliseconds); a deadline fires up to one sweep (DEADLINE_SWEEP_MS) late.
 */
#ifndef NET_DEADLINE_H
#define NET_DEADLINE_H

#include <stdint.h>

#include "base/list.h"

#define DEADLINE_SWEEP_MS 50

struct deadline;
typedef void (*deadline_cb)(struct deadline *deadline);

struct deadline_list {
    struct list entries;
    uint64_t after_ms; /* 0: entries of this list never expire */
    deadline_cb on_expire;
};

struct deadline {
    struct list node;
    uint64_t set_ms; /* when its wait began; it may have been cut short since */
    uint64_t due_ms;
};

void deadline_list_init(struct deadline_list *list, uint64_t after_ms, deadline_cb on_expire);

/* A new length, at `now_ms`. A shorter one holds for those that wait already as well. */
void deadline_list_change(struct deadline_list *list, uint64_t after_ms, uint64_t now_ms);

static inline void deadline_init(struct deadline *deadline)
{
    list_init(&deadline->node);
}

/* Starts the wait anew at `now_ms`; takes the deadline off any other list it was on. */
void deadline_set(struct deadline *deadline, struct deadline_list *list, uint64_t now_ms);

static inline void deadline_clear(struct deadline *deadline)
{
    list_remove(&deadline->node);
}

static inline bool deadline_is_set(const struct deadline *deadline)
{
    return !list_is_empty(&deadline->node);
}

/* Calls on_expire, off the list, for every entry that is due. Callbacks may set and clear any. */
void deadline_sweep(struct deadline_list *list, uint64_t now_ms);

#endif
