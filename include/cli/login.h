/*
 * login.h - where the admin API is, with which token, and as whom a verb asks it.
 */
#ifndef CLI_LOGIN_H
#define CLI_LOGIN_H

#include "base/error.h"
#include "cli/options.h"

#define LOGIN_DEFAULT_ADMIN "http://127.0.0.1:9901"

/* All pointers are owned. */
struct login {
    char *url;          /* for messages */
    char *host;         /* without brackets */
    char *port;         /* digits */
    char *authority;    /* the Host that is sent */
    bool is_tls;        /* https:// */
    char *ca_file;      /* whose certificates are trusted; NULL: the system's authorities */
    char *name;         /* that the certificate may be for as well as for `host`; NULL: none */
    char *token;        /* NULL: none */
    bool is_unverified; /* whoever answers will do: for the health check, which tells nothing */
    char actor[64];     /* USER@HOST */
};

/*
 * What is on the command line counts before the environment (CUTOVER_ADMIN, CUTOVER_CA_FILE,
 * CUTOVER_TOKEN), and that before the default.
 *
 * --config is the configuration of a proxy on this machine: address and token of its admin API are
 * taken from there, and the certificate that stands there is what is trusted, whoever signed it and
 * at whatever address it is shown.
 *
 * False: wrong usage. To be followed by login_deinit either way.
 */
bool login_find(struct login *login, const struct cli_options *options,
                struct error *error) MUST_CHECK;
void login_deinit(struct login *login);

#endif
