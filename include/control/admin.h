/*
 * admin.h - the HTTP server of the admin port: connections, heads and bodies, tokens, answers.
 * What the calls mean is in api.h.
 *
 * Its own small server on the control thread: it shares no connection, buffer or limit with the
 * data path, so that neither can starve the other. A request head of at most 16 KiB and a body of
 * at most ADMIN_BODY_MAX_BYTES; at most ADMIN_CONNECTIONS_MAX connections; 10 s for a whole
 * request.
 */
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include "control/controller.h"
#include "control/history.h"
#include "control/rates.h"
#include "http/message.h"

#define ADMIN_HEAD_MAX_BYTES  (16 * 1024)
#define ADMIN_FIELDS_MAX      100
#define ADMIN_BODY_MAX_BYTES  (64 * 1024)
#define ADMIN_CONNECTIONS_MAX 256
#define ADMIN_STREAMS_MAX     64 /* of them, following the events or the status */
#define ADMIN_REQUEST_MS      10000

struct admin;

/* One request as api.c sees it. */
struct admin_request {
    const struct message *message;
    struct str body;
    struct str peer;               /* address of who asks, without port */
    const struct rates *rates;     /* borrowed: from the admin server */
    const struct history *history; /* the same; NULL: there is none */
};

/* What api.c answers. */
struct admin_answer {
    unsigned status;
    const char *content_type;
    struct buf body;
    struct str etag; /* copied into `etag_text` by who sets it; empty: none */
    char etag_text[32];
    char allow[32];        /* methods, with a 405; empty: no such field */
    const char *code;      /* of a refusal, for the audit; NULL: none */
    struct error refusal;  /* its message */
    bool is_page;          /* a file of the dashboard: other sites are kept out of it */
    bool stream_events;    /* SSE: the connection stays open and follows the events */
    uint64_t stream_after; /* events after this id first */
    bool stream_status;    /* SSE: the same with the status */
};

/*
 * Binds and listens at once: an address that cannot be had is an error at start, found before the
 * state is written. So `controller` may be initialised later, but before the loop runs.
 */
struct admin *admin_start(struct controller *controller, uv_loop_t *loop,
                          const struct config_admin *config, struct error *error);

/* The port that was bound (for port 0). */
struct addr admin_address(const struct admin *admin);

/* Stops accepting, ends streams, closes connections once their answer is out. */
void admin_stop(struct admin *admin);

/* After the loop has ended. */
void admin_free(struct admin *admin);

#endif
