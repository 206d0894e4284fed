/*
 * ask.h - requests as a user's would leave the proxy: made as a client makes them, and passed
 * through the very functions that forward users' requests, with what the configuration says.
 */
#ifndef DOCTOR_ASK_H
#define DOCTOR_ASK_H

#include "config/config.h"

/* The client's address, which the servers are told: one that is nobody's (RFC 5737). */
#define ASK_CLIENT_IP "192.0.2.1"

struct ask {
    const struct config_backend *backend; /* borrowed; that it is for */
    const char *method;
    struct str path;        /* with query */
    struct str host;        /* that the server is sent */
    struct str client_host; /* that the user asked for; empty: the same */
    struct str fields;      /* header lines of the user's, each with its CRLF */
    bool is_for_nobody;     /* the host is made up: it is not told the secret */
    bool is_websocket;
    bool has_body;
    uint64_t body_bytes;
    size_t head_bytes; /* filled up with a header of its own to this size; 0: as it is */
};

/* How users reach the proxy. */
struct ask_way {
    struct str scheme;
    char port[8];
};

/* By https when a listener has TLS, or when a load balancer is believed that says so. */
void ask_way_find(struct ask_way *way, const struct config *config);

/* Appends the head. False: a header line is not one, or the head is too large; the error says. */
bool ask_write(const struct ask *ask, const struct ask_way *way, const struct config *config,
               struct buf *out, struct error *error) MUST_CHECK;

/* The request of a health check: the one that the proxy's own checks make. */
void ask_write_health(const struct config_backend *backend, struct str host, struct buf *out);

#endif
