/*
 * tls.h - TLS in three parts: what we show (keys), what we believe (trust), and one connection
 * (link), which stream.c keeps under the calls of stream.h. OpenSSL is included nowhere else.
 *
 *     keys    certificates with their private keys, by name (SNI): a listener's
 *     trust   the authorities and further names that a server's certificate is held against
 *     link    one connection's TLS; lives and dies with its stream
 *
 * Keys and trust are immutable, refcounted and may be used from any thread. A reload makes new ones;
 * connections that are open keep those they began with.
 *
 * Both ways: TLS 1.2 and 1.3, no compression, no renegotiation, no early data (RFC 8446 8: it can be
 * replayed), ALPN http/1.1. Towards clients forward secrecy and AEAD only (RFC 9325); towards servers
 * whatever OpenSSL holds safe.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/error.h"

/* ---- keys: towards clients ---- */

/* The files of one certificate: PEM, the certificate first and its chain behind it. Strings end in
 * NUL behind their length. */
struct tls_pair {
    struct str certificate, key;
};

#define TLS_NAME_BYTES 256

/* What a pair's certificate says of itself. */
struct tls_pair_info {
    char name[TLS_NAME_BYTES];         /* its first DNS name, or its common name; never empty */
    int64_t not_before_s, not_after_s; /* Unix time */
    bool key_is_exposed;               /* everybody on this machine may read the key's file */
};

/* Reads a pair and holds key against certificate. False: the error names the file and what is wrong
 * with it. An expired certificate is no error here: `not_after_s` tells. */
bool tls_pair_read(const struct tls_pair *pair, struct tls_pair_info *info,
                   struct error *error) MUST_CHECK;

/*
 * Keys that session tickets are sealed with (RFC 5077, RFC 8446 4.6.1): the newest seals, all open.
 * Handed from keys to keys, so that clients can resume after a reload.
 */
#define TLS_TICKET_KEYS      2
#define TLS_TICKET_KEY_BYTES 80
struct tls_tickets {
    unsigned char keys[TLS_TICKET_KEYS][TLS_TICKET_KEY_BYTES]; /* the newest first */
};

void tls_tickets_init(struct tls_tickets *tickets);

/* A new key seals from here on; what the one before sealed still opens. */
void tls_tickets_rotate(struct tls_tickets *tickets);

struct tls_keys;

#define TLS_PAIRS_MAX 64

/* Of `count` pairs (1 to TLS_PAIRS_MAX). A client that names none of them (SNI) is shown the first. NULL:
 * the error names the file and what is wrong with it. */
struct tls_keys *tls_keys_new(const struct tls_pair *pairs, unsigned count,
                              const struct tls_tickets *tickets, struct error *error) MUST_CHECK;
struct tls_keys *tls_keys_ref(struct tls_keys *keys);
void tls_keys_unref(struct tls_keys *keys); /* NULL is allowed */

/* ---- trust: towards servers ---- */

/*
 * `verify`: the server's certificate must lead to an authority in `ca_file` (PEM; empty: those of
 * the system), be in its time, and be for the name that the connection is for, or for one of
 * `names` (copied). A name that begins with "*." stands for any one label there, so that
 * "*.up.railway.app" accepts that wildcard's certificate. Without verify any certificate will do.
 * NULL: the error says what is wrong with the authorities.
 */
struct tls_trust;
struct tls_trust *tls_trust_new(bool verify, struct str ca_file, const struct str *names,
                                unsigned name_count, struct error *error) MUST_CHECK;
struct tls_trust *tls_trust_ref(struct tls_trust *trust);
void tls_trust_unref(struct tls_trust *trust); /* NULL is allowed */

/*
 * The session that a server gave us last, to save both ends a full handshake. Zeroed at first; kept
 * by whoever makes connections to one server, for longer than those connections. One thread.
 */
struct tls_resume {
    void *session;             /* owned */
    struct tls_trust *trust;   /* owned: one reference; that it was judged by, */
    char name[TLS_NAME_BYTES]; /* and the name that it was made for */
};
void tls_resume_deinit(struct tls_resume *resume);

/* ---- link: for stream.c ---- */

/* Why there is no TLS. */
enum tls_fault {
    TLS_FINE = 0,  /* also of a handshake that the other end never began */
    TLS_BROKEN,    /* no common version or cipher, an alert, or no TLS at all */
    TLS_UNTRUSTED, /* the server's certificate is not accepted */
};

/* Of an established link, for whoever wants to tell. */
struct tls_link_info {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    bool is_resumed;
    bool has_certificate;         /* the rest is set: of the server's */
    char subject[TLS_NAME_BYTES]; /* first DNS name, or common name */
    char issuer[TLS_NAME_BYTES];
    int64_t not_after_s;
};

/* What every loop has one of: the BIO that its links share, and room for what they read and write.
 * Bytes in it live until the next call on any link of the loop. */
#define TLS_PLAIN_BYTES (96 * 1024)
struct tls_loop {
    void *bio; /* owned; made when first needed */
    struct str received;
    struct buf sealed; /* records that are to be sent */
    char *plain;       /* owned; TLS_PLAIN_BYTES, made with the BIO */
    char *gathered;    /* owned; one record's worth of small pieces, made with the BIO */
};
void tls_loop_deinit(struct tls_loop *loop);

struct tls_link;

/* `name`: SNI (unless it is an IP address) and what the certificate must be for; empty: neither.
 * `resume` may be NULL. */
struct tls_link *tls_link_to_server(struct tls_loop *loop, struct tls_trust *trust, struct str name,
                                    struct tls_resume *resume);
struct tls_link *tls_link_to_client(struct tls_loop *loop, struct tls_keys *keys);
void tls_link_free(struct tls_link *link); /* NULL is allowed */

/*
 * All below leave what is to be sent in loop->sealed (appended), which the caller empties.
 *
 * tls_link_start: the first bytes of a handshake, of a client's.
 * tls_link_receive: takes all of `bytes`; `plain` is what they held (maybe nothing).
 * tls_link_send: seals all of the vectors.
 * tls_link_end: close_notify, once the handshake is done.
 */
enum tls_state {
    TLS_HANDSHAKE, /* goes on */
    TLS_OPEN,
    TLS_ENDED,  /* the other end has sent close_notify; `plain` may hold its last bytes */
    TLS_FAILED, /* tls_link_fault and tls_link_error say why */
};

enum tls_state tls_link_start(struct tls_link *link);
enum tls_state tls_link_receive(struct tls_link *link, struct str bytes, struct str *plain);
bool tls_link_send(struct tls_link *link, const struct iovec *iov, unsigned count);
void tls_link_end(struct tls_link *link);

/* Plain bytes that tls_link_send has taken and not sealed yet: the rest of a message of TLS itself
 * must come first. They go with the tls_link_receive that brings it. */
size_t tls_link_waiting(const struct tls_link *link);

bool tls_link_has_received(const struct tls_link *link); /* anything at all */

enum tls_fault tls_link_fault(const struct tls_link *link);

/* A few words: "certificate has expired". Lives as long as the link. */
const char *tls_link_error(const struct tls_link *link);

/* To a client: the name that it asked for (SNI), or empty; and whether the certificate that it was
 * shown is for `host`, a name or address without port. */
struct str tls_link_name(const struct tls_link *link);
bool tls_link_covers(const struct tls_link *link, struct str host);

bool tls_link_is_resumed(const struct tls_link *link);
void tls_link_inspect(const struct tls_link *link, struct tls_link_info *info);

#endif
