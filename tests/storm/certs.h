/* certs.h - certificates and keys made in process, as the files that the proxy reads. */
#ifndef STORM_CERTS_H
#define STORM_CERTS_H

#include <openssl/ssl.h>

/* Writes (or replaces, by renaming) STEM.crt and STEM.key in the storm's folder: self-signed, for
 * `names` as "DNS:a.test,DNS:b.test". */
void certs_write(const char *stem, const char *names);

/* A TLS server that shows STEM; a client that looks at no certificate by itself. */
SSL_CTX *certs_server(const char *stem);
SSL_CTX *certs_client(void);

#endif
