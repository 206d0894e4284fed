/*
 * admin_stream.h - a connection of the admin port that follows the events (the state ADMIN_STREAM):
 * text/event-stream, with what was missed first and a comment every 15 s as a heartbeat.
 */
#ifndef CONTROL_ADMIN_STREAM_H
#define CONTROL_ADMIN_STREAM_H

#include "control/admin_conn.h"

/* Sends the head and the events after `after`, and follows from there. */
void admin_stream_start(struct admin_conn *conn, uint64_t after);

/* The socket takes bytes again. */
void admin_stream_flush(struct admin_conn *conn);

/* The deadline passed: a heartbeat, or the end of a client that takes nothing any more. */
void admin_stream_tick(struct admin_conn *conn);

/* Leaves the followers; part of admin_conn_close. */
void admin_stream_stop(struct admin_conn *conn);

#endif
