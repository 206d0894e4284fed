/*
 * message.h - one HTTP/1.1 head, request or response, as views into the bytes it was read from.
 *
 * All str's point into the head that parser_head was given: they live as long as those bytes stay
 * where they are.
 *
 * Each field carries the id of its name where the proxy has business with it, found once while
 * parsing (length first, then letters), so that no later step compares names again.
 */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "base/buf.h"

/* id, name as the RFCs write it. The order is of no meaning. */
#define HTTP_FIELDS(X)                                  \
    X(FIELD_AUTHORIZATION, "Authorization")             \
    X(FIELD_CACHE_CONTROL, "Cache-Control")             \
    X(FIELD_CONNECTION, "Connection")                   \
    X(FIELD_CONTENT_LENGTH, "Content-Length")           \
    X(FIELD_CONTENT_LOCATION, "Content-Location")       \
    X(FIELD_COOKIE, "Cookie")                           \
    X(FIELD_DATE, "Date")                               \
    X(FIELD_EXPECT, "Expect")                           \
    X(FIELD_FORWARDED, "Forwarded")                     \
    X(FIELD_HOST, "Host")                               \
    X(FIELD_KEEP_ALIVE, "Keep-Alive")                   \
    X(FIELD_LOCATION, "Location")                       \
    X(FIELD_MAX_FORWARDS, "Max-Forwards")               \
    X(FIELD_PROXY, "Proxy")                             \
    X(FIELD_PROXY_AUTHENTICATE, "Proxy-Authenticate")   \
    X(FIELD_PROXY_AUTHORIZATION, "Proxy-Authorization") \
    X(FIELD_PROXY_CONNECTION, "Proxy-Connection")       \
    X(FIELD_REFRESH, "Refresh")                         \
    X(FIELD_SET_COOKIE, "Set-Cookie")                   \
    X(FIELD_TE, "TE")                                   \
    X(FIELD_TRAILER, "Trailer")                         \
    X(FIELD_TRANSFER_ENCODING, "Transfer-Encoding")     \
    X(FIELD_UPGRADE, "Upgrade")                         \
    X(FIELD_VIA, "Via")                                 \
    X(FIELD_X_FORWARDED_FOR, "X-Forwarded-For")         \
    X(FIELD_X_FORWARDED_HOST, "X-Forwarded-Host")       \
    X(FIELD_X_FORWARDED_PORT, "X-Forwarded-Port")       \
    X(FIELD_X_FORWARDED_PROTO, "X-Forwarded-Proto")     \
    X(FIELD_X_REAL_IP, "X-Real-IP")                     \
    X(FIELD_X_REQUEST_ID, "X-Request-ID")

enum field_id {
    FIELD_OTHER = 0,
#define X(id, name) id,
    HTTP_FIELDS(X)
#undef X
        FIELD_COUNT
};

struct field {
    struct str name;  /* as received */
    struct str value; /* without surrounding spaces and tabs */
    enum field_id id;
};

/* How the body of a message is delimited (RFC 9112 6.3). */
enum body_kind {
    BODY_NONE = 0, /* no body follows, whatever the fields say */
    BODY_LENGTH,   /* content_length bytes; none at all is BODY_NONE */
    BODY_CHUNKED,
    BODY_UNTIL_EOF, /* responses only */
};

struct message {
    /* request */
    struct str method;
    struct str target; /* as received */
    struct str path;   /* up to '?'; absolute-form is reduced to it */
    struct str query;  /* behind '?', without it */
    struct str
        authority; /* the one Host: of the absolute-form target if there is one, else of Host */

    /* response */
    unsigned status;
    struct str reason;

    unsigned minor; /* HTTP/1.minor: 0 or 1 */
    enum body_kind body;
    uint64_t content_length; /* for BODY_LENGTH; HEAD and 304 keep what was announced */
    bool has_content_length; /* announced, also where no body follows */
    bool keep_alive;         /* what this side of the connection wants, by version and Connection */
    bool wants_upgrade;      /* Connection: upgrade and Upgrade, HTTP/1.1 */
    bool expects_continue;   /* Expect: 100-continue, HTTP/1.1 */
    bool expects_more;       /* another Expect, HTTP/1.1 */
    struct str upgrade;      /* the value of Upgrade, or empty */

    const char *base;     /* where the views point into */
    struct field *fields; /* owned; capacity entries */
    unsigned count;
    unsigned capacity;
};

/* Room for `max_fields` fields; a message is used again for head after head. */
void message_init(struct message *message, unsigned max_fields);
void message_deinit(struct message *message);

/* Gives back the room that its fields do not use: for a message that lives long (a tunnel's). */
void message_trim(struct message *message);

/* First field with this id, or NULL. */
const struct field *message_find(const struct message *message, enum field_id id);

/* First field with this name, letters without case, or NULL. */
const struct field *message_find_name(const struct message *message, struct str name);

/* The id of a field name, letters without case; FIELD_OTHER when it is none of ours. */
enum field_id field_id_of(struct str name);

/*
 * For the parser, once all fields are there: what they say about the connection and the body. False
 * when Content-Length is no number (which strict has ruled out). `minor` must be set.
 */
struct connection_wishes {
    bool close;
    bool keep_alive;
    bool upgrade;
    bool chunked;
};
bool message_read_fields(struct message *message, struct connection_wishes *wishes) MUST_CHECK;

/* For the parser: authority, path and query from a target that strict has accepted. */
void message_split_target(struct message *message);

/* Cuts the next protocol that a tunnel may be off a list of Upgrade: any but h2c; false: no more. */
bool message_next_tunnel(struct str *list, struct str *protocol);

/* Upgrade holds something other than h2c, which no backend must be asked for through us. */
bool message_offers_upgrade(const struct message *message);

/* All that a 101 switches to was asked for (RFC 9110 7.8). */
bool message_upgrade_is_offered(const struct message *response, const struct message *request);

/* The query has "name=", whatever follows. */
bool message_has_parameter(const struct message *message, struct str name);

/* How many proxies an OPTIONS may still pass (RFC 9110 7.6.2); false: it does not say. */
bool message_hops_left(const struct message *message, uint64_t *hops);

/* The answer may be kept and given to others: Cache-Control has public or s-maxage. */
bool message_is_shared(const struct message *response);

/* GET, HEAD, OPTIONS (RFC 9110 9.2.1; TRACE is refused earlier). */
bool method_is_safe(struct str method);

#endif
