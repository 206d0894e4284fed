/*
 * client.h - one call to the admin API over a connection of its own (wire.h): blocking.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "base/buf.h"
#include "base/error.h"
#include "cli/login.h"

struct client_request {
    const char *method;
    const char *path;     /* with query */
    struct str body;      /* JSON; empty: none */
    const char *if_match; /* NULL: none */
};

struct client_answer {
    unsigned status;
    struct buf body;
};

/* True once an answer of whatever status is there. The body is the caller's (buf_deinit). */
bool client_call(const struct login *login, const struct client_request *request,
                 struct client_answer *answer, struct error *error) MUST_CHECK;

/*
 * Gets a stream of lines and gives each (without its end) to `on_line` until the server ends it, or
 * is silent for `patience_s`. An answer other than 200 comes back in `answer` as from client_call.
 * False: the connection could not be made or broke off; answer->status is 200 when it had begun.
 */
typedef void (*client_line_cb)(void *data, struct str line);
bool client_follow(const struct login *login, const char *path, unsigned patience_s,
                   client_line_cb on_line, void *data, struct client_answer *answer,
                   struct error *error) MUST_CHECK;

/* What a line of an event stream says: true for "NAME: TEXT", with TEXT in `text`. */
bool client_line_is(struct str line, struct str name, struct str *text);

#endif
