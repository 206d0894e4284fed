/* certs.c - one EC key and one self-signed certificate for each call. */
#include "certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/check.h"
#include "storm.h"

static void name_it(X509 *certificate, const char *stem, const char *names)
{
    X509V3_CTX made;
    X509_NAME *name = X509_get_subject_name(certificate);

    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)stem, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509V3_set_ctx(&made, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &made, NID_subject_alt_name, names);
    CHECK(extension != NULL);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make(EVP_PKEY *key, const char *stem, const char *names)
{
    X509 *certificate = X509_new();

    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), (long)(storm_now_ms() % 1000000 + 1));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 90 * 86400L);
    X509_set_pubkey(certificate, key);
    name_it(certificate, stem, names);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/* Where the file is written first, and where it belongs. */
struct file_name {
    char *draft, *final;
};

static struct file_name file_name(const char *stem, const char *ending)
{
    char name[64];
    struct file_name path;

    snprintf(name, sizeof(name), "%s.%s.new", stem, ending);
    path.draft = storm_file(name);
    snprintf(name, sizeof(name), "%s.%s", stem, ending);
    path.final = storm_file(name);
    return path;
}

static void put_in_place(struct file_name *path, FILE *file)
{
    CHECK(fclose(file) == 0);
    CHECK(chmod(path->draft, 0600) == 0);
    CHECK(rename(path->draft, path->final) == 0);
    mem_free(path->draft);
    mem_free(path->final);
}

void certs_write(const char *stem, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make(key, stem, names);
    struct file_name crt = file_name(stem, "crt");
    struct file_name pem = file_name(stem, "key");
    FILE *file = fopen(crt.draft, "w");

    CHECK(file != NULL && PEM_write_X509(file, certificate) == 1);
    put_in_place(&crt, file);
    file = fopen(pem.draft, "w");
    CHECK(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    put_in_place(&pem, file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

SSL_CTX *certs_server(const char *stem)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    struct file_name crt = file_name(stem, "crt");
    struct file_name pem = file_name(stem, "key");

    CHECK(tls != NULL);
    CHECK(SSL_CTX_use_certificate_file(tls, crt.final, SSL_FILETYPE_PEM) == 1);
    CHECK(SSL_CTX_use_PrivateKey_file(tls, pem.final, SSL_FILETYPE_PEM) == 1);
    mem_free(crt.draft);
    mem_free(crt.final);
    mem_free(pem.draft);
    mem_free(pem.final);
    return tls;
}

SSL_CTX *certs_client(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    CHECK(tls != NULL);
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    return tls;
}
