/*
 * forward.h - heads as they leave: hop-by-hop fields off, our fields on, framing remade.
 *
 * Whatever framing came in, what goes out is written by us (RFC 9112 6): a backend or client never
 * sees a Content-Length or Transfer-Encoding that somebody else wrote. Fields that concern one
 * connection only (RFC 9110 7.6.1) are dropped, also those that Connection names, except that
 * Connection can never remove a field that matters: Content-Length, Host, Cookie, Authorization,
 * X-Forwarded-* and our own.
 *
 * Order and spelling of all other fields stay as received; repeated fields stay apart.
 */
#ifndef HTTP_FORWARD_H
#define HTTP_FORWARD_H

#include "http/cookie.h"
#include "http/message.h"

/* Bytes that a rebuilt request head may be longer than the received one, for all but host names. */
#define FORWARD_EXTRA_BYTES 1024

/*
 * The kinds of proxies whose word is taken. They differ in what they write themselves, replacing
 * what was there; all else they let through, so that it is their clients' claim and is not believed.
 */
enum forward_edge {
    FORWARD_EDGE_PROXY = 0,  /* of the user's own: X-Forwarded-For grows, all else is its own */
    FORWARD_EDGE_ALB,        /* X-Forwarded-For grows; X-Forwarded-Proto, X-Forwarded-Port */
    FORWARD_EDGE_CLOUDFLARE, /* CF-Connecting-IP; X-Forwarded-Proto */
    FORWARD_EDGE_RAILWAY,    /* X-Real-IP; X-Forwarded-Proto, X-Forwarded-Host. The last entry of
                              * X-Forwarded-For is one of its own many addresses */
};

struct forward_request {
    const struct message *message;
    struct str host;       /* Host to send */
    struct str peer_ip;    /* who connected to us: the next entry of X-Forwarded-For */
    struct str client_ip;  /* the client itself; the peer, unless a trusted one names another */
    struct str scheme;     /* "http" or "https": how the client reached us */
    struct str port;       /* the listener's port, in digits */
    struct str request_id; /* used when the client sent none that is valid */
    struct str via;        /* our name in Via */
    struct str affinity_cookie;  /* name of the cookie that is ours and is not passed on */
    struct str override_header;  /* name of the tester's header, not passed on */
    struct str client_ip_header; /* extra header that carries client_ip; empty: none */
    struct str secret_header;    /* extra header that carries `secret`; empty: none */
    struct str secret;           /* empty: the header is not sent, and not passed on either */
    bool trusted;                /* the peer's own X-Forwarded-* are believed and extended */
    enum forward_edge edge;      /* trusted: the peer's kind; FORWARD_EDGE_PROXY as soon as one such
                                  * is among those that the request is believed to have passed */
    bool upgrade;                /* keep Upgrade: the request asks for a tunnel */
};

/*
 * Appends the request head. Framing: the message's own body kind. Trusted: X-Forwarded-For is
 * extended with peer_ip; of all other X-Forwarded-*, Forwarded and X-Real-IP those stay that a
 * proxy of the kind `edge` writes. Not trusted: X-Forwarded-For is peer_ip, and none of the
 * others stays. Max-Forwards of an OPTIONS is counted down. Then X-Forwarded-Proto, -Host and
 * -Port are added where they are missing: the host is the authority that was asked; the port the listener's, or, behind a trusted peer, the one in that
 * authority, or its scheme's. An X-Request-ID of 1..128 bytes [A-Za-z0-9._-] is kept, anything else
 * replaced. Fields named client_ip_header or secret_header are dropped, whoever sent them, before
 * ours are added; so are those that differ from any of all these by '_' for '-' alone.
 */
void forward_request_head(const struct forward_request *request, struct buf *out);

/* The target in origin-form (RFC 9112 3.2.1), or "*": what stands behind the authority, where there
 * is one. */
struct str forward_origin_form(const struct message *message);

/*
 * Whether `via` is one of those that the request has come through, so that it goes in a circle (RFC
 * 9110 7.6.3): an entry in any Via whose received-by is `via`, letters without case, with or without
 * a port. Text in comments names nobody.
 */
bool forward_has_passed(const struct message *message, struct str via);

/* The request id that forward_request_head sends on: the client's valid one, or `generated`. */
struct str forward_request_id(const struct message *message, struct str generated);

/*
 * The last entry of X-Forwarded-For: what a trusted peer says about who connected to it. Empty when
 * there is none. A port behind it is cut off. The caller checks that it is an address, and whether
 * that one is trusted too. `before` counts entries from the end: 0 is the last, 1 the one before it.
 */
struct str forward_client_entry(const struct message *message, unsigned before);

/*
 * Whom a trusted proxy of the kind `edge` names as the one that has connected to it: in its own
 * field where it has one (only once, or nobody is named), else in forward_client_entry(`before`),
 * where `before` counts the trusted proxies between it and us. Empty: it names nobody. The caller
 * goes on as above; but if forward_edge_is_last, this is the client, and nobody is before it.
 */
struct str forward_client_named(const struct message *message, enum forward_edge edge,
                                unsigned before);
bool forward_edge_is_last(enum forward_edge edge);

struct forward_response {
    const struct message *message;
    enum body_kind body;   /* framing towards the client */
    unsigned client_minor; /* 0: an HTTP/1.0 client */
    bool keep_alive;       /* what we tell the client */
    bool upgrade;          /* a 101: keep Upgrade and Connection: upgrade */
    struct str via;
    struct str date;              /* for an answer that has none (RFC 9110 6.6.1) */
    struct str request_id;        /* echoed when not empty and the backend sent none */
    struct str set_cookie;        /* a whole Set-Cookie value of ours, or empty */
    struct str backend_authority; /* the Host that the backend was sent */
    struct str server_authority;  /* that of the server's own URL */
    struct str client_authority;  /* the Host that the client sent */
    struct str client_scheme;
    bool backend_is_tls;        /* how the backend was reached, so what its own scheme is */
    bool rewrite_location;      /* Location, Content-Location, Refresh that name the backend */
    bool rewrite_cookie_domain; /* Set-Cookie Domain that names the backend */
};

/* Appends the response head (also of an interim response, 1xx: then without framing fields). */
void forward_response_head(const struct forward_response *response, struct buf *out);

#endif
