/*
 * config.h - the configuration file as plain data: read, checked whole, immutable from then on.
 *
 *     file -> yaml (nodes with line and column) -> schema (types, ranges, defaults) -> config
 *
 * config_load either gives a config in which every value is valid and every default is filled in,
 * or the list of everything that is wrong with the file, in file order. It opens no socket and
 * resolves no name; it does read the files that hold secrets (token_file, secret_file) and those
 * with certificates and keys, so that a config whose files cannot be used is none.
 *
 * All strings and arrays live in the config's own arena. A config is shared by the snapshots that
 * were made from it: it is refcounted, and freed with the last.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/error.h"
#include "config/problem.h"
#include "http/forward.h"
#include "net/addr.h"
#include "net/tls.h"
#include "telemetry/access.h"
#include "traffic/balance.h"
#include "traffic/decide.h"
#include "traffic/health.h"
#include "traffic/outlier.h"
#include "traffic/plan.h"

#define LISTEN_MAX 16

struct config_listen {
    struct str text; /* as written: "127.0.0.1:8080" */
    struct addr address;
    struct tls_pair *pairs;  /* read and found good once, when the file was loaded */
    unsigned pair_count;     /* 0: plain HTTP */
    bool proxy_protocol;     /* every connection begins with a PROXY header, v1 or v2 */
    uint16_t redirect_https; /* the port where clients find HTTPS; 0: no redirect */
    struct str health_path;  /* our own health check; empty: none */
    struct str acme_webroot; /* folder that challenges are served from; empty: none */
};

struct config_admin {
    struct str text;
    struct addr address;
    struct tls_pair *pairs;
    unsigned pair_count; /* 0: plain HTTP */
    struct str token;    /* the file's content, trimmed; empty: no token is needed */
};

/* The Host that a backend's requests carry. */
enum host_kind {
    HOST_UPSTREAM = 0, /* the server URL's host (and port unless it is the scheme's own) */
    HOST_CLIENT,       /* what the client sent */
    HOST_LITERAL,
};

struct config_server {
    struct str url;  /* as written, without trailing '/' */
    bool is_tls;     /* https:// */
    struct str host; /* name or address, without brackets */
    uint16_t port;
    bool is_name; /* must be resolved; else `address` is set */
    struct addr address;
    struct str authority; /* what HOST_UPSTREAM sends: "10.0.0.5:3000", "app.example.org" */
};

/* How the certificates of a side's servers are checked: the arguments of tls_trust_new. */
struct config_backend_tls {
    bool verify;
    struct str ca_file; /* empty: the system's authorities */
    struct str *names;  /* accepted as well as the name that is asked for */
    unsigned name_count;
};

struct config_backend {
    struct str name; /* label for people: "railway" */
    struct config_server *servers;
    unsigned server_count;
    enum host_kind host;
    struct str host_literal;
    struct str sni; /* name that TLS asks for and checks; empty: that of the Host sent */
    struct config_backend_tls tls;
    struct health_policy health; /* the common one with this backend's overrides */
};

struct config_retry {
    unsigned attempts; /* second tries: 0 none */
    size_t replay_bytes;
};

/* In milliseconds. 0: none, but connect, tls_handshake and upstream_idle are never 0; drain 0 waits
 * for nobody. */
struct config_timeouts {
    uint64_t client_header, client_body, client_idle, connect, tls_handshake, response_header,
        response_body, upstream_idle, tunnel_idle, drain;
};

struct config_limits { /* 0: none */
    size_t head_bytes;
    size_t target_bytes; /* of requests: these two */
    size_t field_bytes;  /* name and value */
    unsigned headers;
    uint64_t body_bytes;
    uint64_t body_rate;               /* bytes a second that a request's body must bring */
    unsigned connections;             /* of clients; 0: from the descriptor limit */
    unsigned connections_per_client;  /* from one address, over all workers */
    unsigned requests_per_connection; /* then it is ended */
    unsigned upstream_connections;    /* to each server, over all workers */
};

/* Where a proxy that we believe connects from, and what kind of proxy it is. The first that fits
 * counts. */
struct config_trust {
    struct cidr range;
    enum forward_edge edge;
};

struct config_forwarded {
    struct config_trust *trust;
    unsigned trust_count;
    struct str client_ip_header; /* empty: none */
    struct str secret_header;    /* carries `secret`, so that servers can tell who sent the other */
    struct str *secret_hosts;    /* host: client: further hosts that are ours, and told it */
    unsigned secret_host_count;
    struct str secret; /* the file's content, trimmed; empty: the header is not sent */
};

struct config_rewrite {
    bool location, cookie_domain;
};

struct config_log {
    uint64_t emf_ms; /* how often lines for CloudWatch are written; 0: never */
    enum access_policy access;
    uint64_t slow_ms; /* 0: nothing counts as slow */
    struct str file;  /* empty: stdout */
};

struct config_route_plan {
    unsigned route; /* index into routes */
    struct plan plan;
};

struct config {
    struct arena arena;
    _Atomic unsigned refs;

    struct str path; /* of the file */
    struct config_listen *listen;
    unsigned listen_count;
    struct config_admin admin;
    struct str state_file;
    unsigned workers; /* 0: one for each core */
    unsigned initial_weight;
    struct config_backend backends[SIDES];
    struct route *routes;
    unsigned route_count;
    struct sticky sticky;
    struct override override;
    struct outlier_policy outlier;
    enum failover_policy failover;
    struct config_retry retry;
    struct config_timeouts timeouts;
    struct config_limits limits;
    struct config_forwarded forwarded;
    struct config_rewrite rewrite;
    struct config_log log;
    struct plan plan;                      /* of the main weight */
    struct config_route_plan *route_plans; /* of routes with a weight of their own */
    unsigned route_plan_count;             /* at most PLANS_MAX - 1 */
};

/* The plan that moves the weight of `route` ("main" or a route's name); NULL: there is none. A plan
 * without steps is not one; config->plan.guard has its values all the same. */
const struct plan *config_plan(const struct config *config, struct str route);

/*
 * Reads the file. The result is the caller's (config_unref), with one reference; NULL when there is
 * anything wrong, and then `problems` has at least one entry.
 */
struct config *config_load(const char *path, struct config_problems *problems);

/* As config_load from bytes; `path` is only named in the problems. For tests and fuzzing. */
struct config *config_parse(struct str text, const char *path, struct config_problems *problems);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is allowed; any thread */

/*
 * Whether a running proxy can take over `next` (reload). The addresses of listen, admin.address,
 * whether admin has TLS, state_file, workers and log.file need a restart: false then, and `error`
 * names the first that differs.
 */
bool config_can_replace(const struct config *now, const struct config *next,
                        struct error *error) MUST_CHECK;

#endif
