/*
 * login.h - where the admin API is, with which token, and as whom a verb asks it.
 */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include "base/error.h"
#include "cli/options.h"

#define LOGIN_DEFAULT_ADMIN "http://127.0.0.1:9901"

struct login {
    struct str url;  /* borrowed: from the options or the environment; for messages */
    char *host;      /* owned; without brackets */
    char *port;      /* owned; digits */
    char *authority; /* owned; the Host that is sent */
    char *token;     /* owned; NULL: none */
    char actor[64];  /* USER@HOST */
};

/* From the options, CUTOVER_ADMIN and CUTOVER_TOKEN, or the default. False: wrong usage. To be
 * followed by login_deinit either way. */
bool login_find(struct login *login, const struct cli_options *options,
                struct error *error) MUST_CHECK;
void login_deinit(struct login *login);

#endif
