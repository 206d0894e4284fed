/*
 * admin_feed.h - what those who follow the status are sent (GET /v1/status?follow=1): the answers of
 * GET /v1/status and GET /v1/compare as they are, made once for all of them.
 *
 *     each second ----------------> event: status        (id: the number of the newest event)
 *     an event, FEED_SOON_MS on --> event: status
 *     every FEED_COMPARE_S -------> event: compare       one for each plan, the main one first
 *
 * Private to the admin server's files. Nothing is made while nobody follows.
 */
#ifndef CONTROL_ADMIN_FEED_H
#define CONTROL_ADMIN_FEED_H

#include <uv.h>

#include "control/events.h"

#define FEED_SOON_MS   20 /* after a change: what belongs to it has happened by then */
#define FEED_COMPARE_S 5

struct admin;
struct admin_conn;

struct admin_feed {
    uv_timer_t soon;
    struct event_follower changes;
    unsigned follower_count;
    unsigned second; /* of FEED_COMPARE_S */
};

void admin_feed_init(struct admin *admin, uv_loop_t *loop);
void admin_feed_stop(struct admin *admin, uv_close_cb on_closed);

/* From the second's timer. */
void admin_feed_tick(struct admin *admin);

/* A connection follows from now on, and is sent both at once. */
void admin_feed_join(struct admin_conn *conn);
void admin_feed_leave(struct admin_conn *conn);

#endif
