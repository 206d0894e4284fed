/*
 * doctor.h - tries both sides of a configuration before any user is moved: `cutover doctor`.
 *
 * Uses what the proxy uses: its configuration, its streams and TLS, its parser, and the heads that
 * it would send. Touches no state file and no listening address.
 */
#ifndef DOCTOR_DOCTOR_H
#define DOCTOR_DOCTOR_H

#include <stdio.h>

#include "config/config.h"

#define DOCTOR_PATHS_MAX 32

/* All texts are borrowed. Empty or 0: not asked for, unless said otherwise. */
struct doctor_options {
    struct str host; /* the name that users type */
    struct str paths[DOCTOR_PATHS_MAX];
    unsigned path_count;  /* 0: the health path and "/" */
    struct str fields;    /* header lines of the user's, each with its CRLF */
    struct str websocket; /* path */
    struct str origin;
    uint64_t upload_bytes;
    struct str upload_path; /* empty: the first path */
    uint64_t head_bytes;
    uint64_t idle_ms;
    uint64_t timeout_ms; /* never 0 */
    bool is_json;
};

/* Runs all checks and writes the lines, or the JSON, to `out`. 0: nothing failed; 1: something did;
 * 2: it could not begin, and `error` says why. */
int doctor_run(const struct config *config, const struct doctor_options *options, FILE *out,
               struct error *error);

#endif
