/* server.h - the proxy process: `cutover run`. Starts everything in order and stops it in reverse.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>

struct server_options {
    const char *config_path;
    bool reset_state; /* start from initial_weight when the state cannot be read */
};

/* Runs until told to stop; returns the exit code: 0 drained, 1 failed, 2 bad configuration. */
int server_run(const struct server_options *options);

#endif
