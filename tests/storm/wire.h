/*
 * wire.h - one blocking connection for clients and origins: plain or TLS, with the little HTTP/1.1
 * that both ends of the storm speak.
 */
#ifndef STORM_WIRE_H
#define STORM_WIRE_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "net/addr.h"

/* Longer than any timeout of the proxy that the storm leaves in place. */
#define WIRE_PATIENCE_S 40

struct wire {
    int fd;
    SSL *ssl;      /* owned; NULL: plain */
    bool is_stuck; /* nothing came for WIRE_PATIENCE_S */
    bool is_failed;
    size_t start, end;
    char bytes[8192];
};

/* False: refused, or TLS failed. `tls` NULL: plain. */
bool wire_connect(struct wire *wire, const struct addr *addr);
bool wire_secure(struct wire *wire, SSL_CTX *tls, const char *name, SSL_SESSION *resume);

/* Takes over `fd`. */
bool wire_serve(struct wire *wire, int fd, SSL_CTX *tls);

bool wire_send(struct wire *wire, const void *data, size_t len);
bool wire_say(struct wire *wire, const char *format, ...) PRINTF_LIKE(2, 3);

/* Up to `len` bytes; 0: the end, or a failure. */
size_t wire_read(struct wire *wire, char *data, size_t len);

void wire_close(struct wire *wire, bool reset);

/* The head of a request or an answer: what the storm needs of it. */
struct head {
    char first[256];
    char host[64];
    char outcome[48];
    uint64_t id;
    uint64_t length;
    bool has_id, has_length, is_chunked, closes, upgrades, expects;
};

enum wire_result {
    WIRE_WHOLE = 0,
    WIRE_NOTHING, /* not a byte came */
    WIRE_CUT,
};

enum wire_result wire_head(struct wire *wire, struct head *head);

/* A body, in pieces. `until_end`: one without framing lasts until the connection ends. */
typedef void (*wire_cb)(void *data, const char *bytes, size_t len);
enum wire_result wire_body(struct wire *wire, const struct head *head, bool until_end,
                           wire_cb on_bytes, void *data);

/* Bodies are made from the request's id, so that one that belongs elsewhere shows. */
void pattern_fill(uint64_t id, uint64_t at, char *bytes, size_t len);

#endif
