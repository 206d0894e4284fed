/*
 * feed.h - what the admin API goes on telling, fetched by a process of its own: names that are looked
 * up, connections that hang and streams that break off never keep a screen from being drawn, or a key
 * from being heard.
 *
 *     child: stream -> polls where there is none -> again after a break ==pipe==> feed_read -> on_item
 */
#ifndef CLI_FEED_H
#define CLI_FEED_H

#include <sys/types.h>

#include "base/buf.h"
#include "cli/login.h"

enum feed_kind {
    FEED_STATUS = 0, /* items "status" and "compare" */
    FEED_EVENTS,     /* items named as the events are */
};

struct feed {
    pid_t pid;
    int fd; /* of the pipe, not blocking; -1: not started */
    struct buf in;
};

/* `kind`: the name of the item, or "trouble" with a sentence for people: no answer, or refused. */
typedef void (*feed_item_cb)(void *data, struct str kind, struct str text);

/* `login` must live as long as the feed. False: no process could be made. */
bool feed_start(struct feed *feed, const struct login *login, enum feed_kind kind,
                struct error *error) MUST_CHECK;

/* Gives all items that have come. False: the process has ended, there will be none any more. */
bool feed_read(struct feed *feed, feed_item_cb on_item, void *data);

void feed_stop(struct feed *feed);

#endif
