/* tls_inside.h - what the parts of tls.h share, and nobody else sees. */
#ifndef NET_TLS_INSIDE_H
#define NET_TLS_INSIDE_H

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

#include "net/tls.h"

/* One certificate, or two of different kinds (RSA, EC) for the same name: OpenSSL then shows each
 * client the one that it understands. */
struct tls_shown {
    SSL_CTX *ssl;  /* owned */
    X509 *leaf;    /* owned; of the first of its pairs */
    int kind;      /* of that pair's key: EVP_PKEY_* */
    bool has_twin; /* of another kind */
};

struct tls_keys {
    _Atomic unsigned refs;
    struct tls_tickets tickets;
    EVP_CIPHER *ticket_cipher; /* owned */
    struct tls_shown shown[TLS_PAIRS_MAX];
    unsigned count;
};

struct tls_trust {
    _Atomic unsigned refs;
    SSL_CTX *ssl; /* owned */
    bool verify;
    char **names; /* owned array of owned strings */
    unsigned name_count;
};

/* RFC 8446 5.1: what a record holds at the most. */
#define TLS_RECORD_BYTES 16384

/* The loop's BIO, and the room that goes with it; made at the first call. */
BIO *tls_loop_bio(struct tls_loop *loop);

/* Versions, options and memory that both ends have in common. NULL: memory, or a broken OpenSSL. */
SSL_CTX *tls_ssl_new(const SSL_METHOD *method);

/* The last thing that OpenSSL complained of, in its words; empties its queue. */
const char *tls_openssl_reason(void);

/* The first DNS name of a certificate, or its common name. */
void tls_certificate_name(X509 *certificate, char name[TLS_NAME_BYTES]);
int64_t tls_time(const ASN1_TIME *time);

/* A server has given a session: kept where its link was told to, or let go. OpenSSL's callback. */
int tls_link_on_session(SSL *ssl, SSL_SESSION *given);

/* Whether a certificate is for a host: a name, an address, or "*.NAME". */
bool tls_certificate_is_for(X509 *certificate, struct str host);

#endif
