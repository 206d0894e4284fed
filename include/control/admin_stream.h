/*
 * admin_stream.h - a connection of the admin port that follows something (the state ADMIN_STREAM):
 * text/event-stream with a comment every 15 s as a heartbeat. There are two kinds: the events, with
 * what was missed first, and the status (admin_feed.h).
 */
#ifndef CONTROL_ADMIN_STREAM_H
#define CONTROL_ADMIN_STREAM_H

#include "control/admin_conn.h"

/* Sends the head and what there is to begin with, and follows from there. `answer` says what. */
void admin_stream_start(struct admin_conn *conn, const struct admin_answer *answer);

/* Sends frames, or lets a client go that has left too much unread. */
void admin_stream_push(struct admin_conn *conn, struct str frames);

/* The socket takes bytes again. */
void admin_stream_flush(struct admin_conn *conn);

/* The deadline passed: a heartbeat, or the end of a client that takes nothing any more. */
void admin_stream_tick(struct admin_conn *conn);

/* Leaves the followers; part of admin_conn_close. */
void admin_stream_stop(struct admin_conn *conn);

#endif
