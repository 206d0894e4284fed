/*
 * tls_trust.c - what a server's certificate is held against.
 *
 *     chain and dates: OpenSSL, during the handshake, against ca_file or the system's authorities
 *     the name:        here, right after it and before a byte is sent: the name that the connection
 *                      is for, or one of the further ones
 */
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "net/addr.h"
#include "tls_inside.h"

/* A label that no certificate names but by a wildcard. */
#define ANY_LABEL "any--label"

static bool is_address(struct str host)
{
    struct addr address;

    return addr_parse_ip(host, 0, &address);
}

bool tls_certificate_is_for(X509 *certificate, struct str host)
{
    char text[TLS_NAME_BYTES + sizeof(ANY_LABEL)];
    const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    bool is_wild = str_starts_with(host, STR("*."));
    struct str rest = is_wild ? str_slice(host, 1, host.len) : host;

    /* A dot in front would mean "any name below" to OpenSSL: nobody asks for such a host. */
    if (rest.len == 0 || host.data[0] == '.' || rest.len >= TLS_NAME_BYTES ||
        memchr(rest.data, '\0', rest.len) != NULL)
        return false;
    int len = snprintf(text, sizeof(text), "%s%.*s", is_wild ? ANY_LABEL : "", STR_ARG(rest));
    int match = is_address(host) ? X509_check_ip_asc(certificate, text, flags)
                                 : X509_check_host(certificate, text, (size_t)len, flags, NULL);
    if (match != 1)
        ERR_clear_error();
    return match == 1;
}

/* ---- authorities ---- */

static bool folder_has_files(const char *path)
{
    DIR *folder = opendir(path);
    bool found = false;

    if (folder == NULL)
        return false;
    for (struct dirent *entry = readdir(folder); entry != NULL && !found; entry = readdir(folder))
        found = entry->d_name[0] != '.';
    closedir(folder);
    return found;
}

static bool load_file(SSL_CTX *ssl, struct str path, struct error *error)
{
    if (access(path.data, R_OK) != 0)
        return error_set(error, "cannot read %.*s: %s", STR_ARG(path), strerror(errno));
    if (SSL_CTX_load_verify_file(ssl, path.data) != 1) {
        ERR_clear_error();
        return error_set(error, "%.*s holds no certificate in PEM form", STR_ARG(path));
    }
    /* Whatever stands in the file is trusted itself, be it a server's own certificate. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
}

/* OpenSSL takes it in good part when there are none at all, and then trusts nobody. */
static bool load_system(SSL_CTX *ssl, struct error *error)
{
    const char *own_file = getenv(X509_get_default_cert_file_env());
    const char *own_folder = getenv(X509_get_default_cert_dir_env());
    const char *file = own_file == NULL ? X509_get_default_cert_file() : own_file;
    const char *folder = own_folder == NULL ? X509_get_default_cert_dir() : own_folder;

    /* Whoever names a file means it: OpenSSL alone would take any for good. */
    if (own_file != NULL && own_folder == NULL)
        return load_file(ssl, str_of(own_file), error);
    if (access(file, R_OK) != 0 && !folder_has_files(folder)) {
        return error_set(error,
                         "this system has no certificate authorities (looked for %s and in %s): "
                         "install ca-certificates, or set ca_file",
                         file, folder);
    }
    CHECK(SSL_CTX_set_default_verify_paths(ssl) == 1);
    ERR_clear_error();
    return true;
}

/* ---- resuming ---- */

void tls_resume_deinit(struct tls_resume *resume)
{
    SSL_SESSION_free(resume->session);
    tls_trust_unref(resume->trust);
    *resume = (struct tls_resume){.session = NULL};
}

/* ---- trust ---- */

struct tls_trust *tls_trust_new(bool verify, struct str ca_file, const struct str *names,
                                unsigned name_count, struct error *error)
{
    struct tls_trust *trust = mem_zalloc(1, sizeof(*trust));

    atomic_init(&trust->refs, 1);
    trust->verify = verify;
    trust->ssl = tls_ssl_new(TLS_client_method());
    CHECK(trust->ssl != NULL);
    SSL_CTX_set_verify(trust->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(trust->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(trust->ssl, tls_link_on_session);
    CHECK(SSL_CTX_set_alpn_protos(trust->ssl, (const unsigned char *)"\x08http/1.1", 9) == 0);
    trust->names = mem_zalloc(name_count == 0 ? 1 : name_count, sizeof(*trust->names));
    for (; trust->name_count < name_count; trust->name_count++)
        trust->names[trust->name_count] = str_dup(names[trust->name_count]);
    bool good = !verify || (str_is_empty(ca_file) ? load_system(trust->ssl, error)
                                                  : load_file(trust->ssl, ca_file, error));
    if (good)
        return trust;
    tls_trust_unref(trust);
    return NULL;
}

struct tls_trust *tls_trust_ref(struct tls_trust *trust)
{
    atomic_fetch_add_explicit(&trust->refs, 1, memory_order_relaxed);
    return trust;
}

void tls_trust_unref(struct tls_trust *trust)
{
    if (trust == NULL || atomic_fetch_sub_explicit(&trust->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < trust->name_count; i++)
        mem_free(trust->names[i]);
    mem_free(trust->names);
    SSL_CTX_free(trust->ssl);
    mem_free(trust);
}
