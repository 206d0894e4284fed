/*
 * admin_request.h - what a connection of the admin port does with the bytes that it has read.
 */
#ifndef CONTROL_ADMIN_REQUEST_H
#define CONTROL_ADMIN_REQUEST_H

#include "control/admin_conn.h"

/* Goes on with the request as far as the bytes in `in` allow. */
void admin_request_run(struct admin_conn *conn);

/* Answers in the middle of a request and ends the connection: where the next request would begin is
 * not known. */
void admin_request_refuse(struct admin_conn *conn, unsigned status, const char *code,
                          const char *text);

#endif
