/*
 * server.h - one address of a backend, and what is known of it while the proxy runs.
 *
 * Shared by all threads and refcounted: snapshots hold it, and a server whose URL is still there
 * after a reload is carried over with its health. The fixed part is never written after server_new;
 * the sub-struct `shared` is all atomics.
 *
 * Who writes: health by the control thread (prober); outlier fields by any worker; the gauges by
 * any worker. All decisions made from them tolerate a value that is a moment old.
 */
#ifndef STATE_SERVER_H
#define STATE_SERVER_H

#include <stdatomic.h>

#include "net/addr.h"
#include "traffic/health.h"
#include "traffic/outlier.h"
#include "traffic/side.h"

/* Addresses that a name may have at once. */
#define SERVER_ADDRS_MAX 16

struct server {
    _Atomic unsigned refs;
    enum side side;
    char *url;       /* owned; "http://10.0.0.5:3000" */
    char *host;      /* owned; the name or address to resolve */
    char *authority; /* owned; what Host carries when it follows the URL */
    uint16_t port;
    bool is_name;
    bool is_tls; /* https:// */

    struct {
        _Atomic int health; /* enum health_state */
        _Atomic unsigned errors;
        _Atomic unsigned ejections;
        _Atomic uint64_t ejected_until_ms;
        _Atomic unsigned upstreams; /* connections open, all workers */
        _Atomic unsigned active;    /* of them, with an exchange or a tunnel */
        _Atomic unsigned waiting;   /* exchanges that wait for a place, all workers */
    } shared;
};

/* Copies the strings. One reference for the caller. */
struct server *server_new(enum side side, struct str url, struct str host, uint16_t port,
                          bool is_name, bool is_tls, struct str authority);
struct server *server_ref(struct server *server);
void server_unref(struct server *server);

enum health_state server_health(const struct server *server);
bool server_is_ejected(const struct server *server, uint64_t now_ms);

/* Down: never. Ejected: not usable. Unknown (not checked yet): usable, so that a start or a reload
 * does not answer 503 before the first check. */
bool server_is_usable(const struct server *server, uint64_t now_ms);

/* Takes in the result of one attempt; returns whether it ejects the server now. Any worker. */
bool server_note_attempt(struct server *server, const struct outlier_policy *policy, bool success,
                         uint64_t now_ms);

#endif
