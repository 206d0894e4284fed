/*
 * tls_keys.c - certificates towards clients.
 *
 *     pair (two files) -> leaf, key, chain -> one SSL_CTX for each name
 *     client's SNI     -> the first SSL_CTX whose certificate is for it, else the first of all
 *
 * Clients resume by tickets alone: nothing is kept for them here, every worker can open what any
 * other sealed, and so can the keys that a reload makes.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/check.h"
#include "tls_inside.h"

/* AEAD with forward secrecy (RFC 9325 4.2); the faster one first, since all are good enough. */
#define CIPHERS_12                                               \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

#define ALPN_HTTP11 "http/1.1"

/* ---- what the parts share ---- */

SSL_CTX *tls_ssl_new(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (ssl == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Idle connections own no buffers here either. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    return ssl;
}

const char *tls_openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason == NULL ? "unknown error" : reason;
}

int64_t tls_time(const ASN1_TIME *time)
{
    struct tm parts;

    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static bool copy_name(const ASN1_STRING *text, char name[TLS_NAME_BYTES])
{
    int len = ASN1_STRING_length(text);
    const unsigned char *bytes = ASN1_STRING_get0_data(text);

    if (len <= 0 || len >= TLS_NAME_BYTES)
        return false;
    for (int i = 0; i < len; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
        name[i] = (char)bytes[i];
    }
    name[len] = '\0';
    return true;
}

static bool first_dns_name(X509 *certificate, char name[TLS_NAME_BYTES])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *each = sk_GENERAL_NAME_value(names, i);
        found = each->type == GEN_DNS && copy_name(each->d.dNSName, name);
    }
    GENERAL_NAMES_free(names);
    return found;
}

void tls_certificate_name(X509 *certificate, char name[TLS_NAME_BYTES])
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (first_dns_name(certificate, name))
        return;
    if (at < 0 || !copy_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name))
        memcpy(name, "unnamed", sizeof("unnamed"));
    ERR_clear_error();
}

/* ---- reading a pair ---- */

struct pair {
    X509 *leaf;
    EVP_PKEY *key;
};

static void pair_free(struct pair *pair)
{
    X509_free(pair->leaf);
    EVP_PKEY_free(pair->key);
}

static BIO *open_file(struct str path, struct error *error)
{
    BIO *file = BIO_new_file(path.data, "r");

    if (file == NULL)
        error_set(error, "cannot read %.*s: %s", STR_ARG(path), strerror(errno));
    ERR_clear_error();
    return file;
}

/* There is nobody who could be asked for a passphrase. */
static int on_passphrase(char *room, int size, int is_writing, void *asked)
{
    (void)room;
    (void)size;
    (void)is_writing;
    *(bool *)asked = true;
    return -1;
}

static bool read_leaf(struct str path, struct pair *pair, struct error *error)
{
    BIO *file = open_file(path, error);

    if (file == NULL)
        return false;
    pair->leaf = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
    BIO_free(file);
    if (pair->leaf == NULL)
        error_set(error, "%.*s holds no certificate in PEM form", STR_ARG(path));
    ERR_clear_error();
    return pair->leaf != NULL;
}

static bool read_key(struct str path, struct pair *pair, struct error *error)
{
    bool asked = false;
    BIO *file = open_file(path, error);

    if (file == NULL)
        return false;
    pair->key = PEM_read_bio_PrivateKey(file, NULL, on_passphrase, &asked);
    BIO_free(file);
    ERR_clear_error();
    if (pair->key != NULL)
        return true;
    if (asked) {
        return error_set(error,
                         "%.*s is locked with a passphrase, and nobody is there to be asked: write "
                         "it without one (openssl pkey -in FILE -out NEW)",
                         STR_ARG(path));
    }
    return error_set(error, "%.*s holds no private key in PEM form", STR_ARG(path));
}

static bool read_pair(const struct tls_pair *files, struct pair *pair, struct error *error)
{
    *pair = (struct pair){NULL, NULL};
    if (!read_leaf(files->certificate, pair, error) || !read_key(files->key, pair, error)) {
        pair_free(pair);
        return false;
    }
    if (X509_check_private_key(pair->leaf, pair->key) == 1)
        return true;
    ERR_clear_error();
    pair_free(pair);
    return error_set(error, "the key in %.*s is not that of the first certificate in %.*s",
                     STR_ARG(files->key), STR_ARG(files->certificate));
}

/* ---- resuming ---- */

void tls_tickets_init(struct tls_tickets *tickets)
{
    CHECK(RAND_priv_bytes(tickets->keys[0], sizeof(tickets->keys)) == 1);
}

void tls_tickets_rotate(struct tls_tickets *tickets)
{
    memmove(tickets->keys[1], tickets->keys[0], sizeof(tickets->keys) - sizeof(tickets->keys[0]));
    CHECK(RAND_priv_bytes(tickets->keys[0], sizeof(tickets->keys[0])) == 1);
}

/* A ticket key is a name that tickets carry, one key to encrypt and one to authenticate. */
enum { NAME_BYTES = 16, CIPHER_KEY_BYTES = 32, MAC_KEY_BYTES = 32 };

static const unsigned char *find_ticket_key(const struct tls_keys *keys,
                                            const unsigned char name[NAME_BYTES], int *age)
{
    for (*age = 0; *age < TLS_TICKET_KEYS; (*age)++)
        if (memcmp(keys->tickets.keys[*age], name, NAME_BYTES) == 0)
            return keys->tickets.keys[*age];
    return NULL;
}

static bool key_mac(EVP_MAC_CTX *mac, const unsigned char *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)key, MAC_KEY_BYTES),
        OSSL_PARAM_construct_utf8_string("digest", (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* 1: go on; 2: go on, and seal a new one; 0: the ticket is none of ours, a full handshake. */
static int on_ticket(SSL *link, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_keys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(link));
    const unsigned char *key = keys->tickets.keys[0];
    int age = 0;

    if (is_sealing) {
        memcpy(name, key, NAME_BYTES);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(keys->ticket_cipher)) != 1)
            return -1;
    } else {
        key = find_ticket_key(keys, name, &age);
        if (key == NULL)
            return 0;
    }
    const unsigned char *cipher_key = key + NAME_BYTES;
    if (EVP_CipherInit_ex(cipher, keys->ticket_cipher, NULL, cipher_key, iv, is_sealing) != 1 ||
        !key_mac(mac, cipher_key + CIPHER_KEY_BYTES))
        return -1;
    /* A ticket of TLS 1.3 is good for one time (RFC 8446 C.4), so each gets its successor. */
    return age == 0 && SSL_version(link) != TLS1_3_VERSION ? 1 : 2;
}

/* ---- names and protocols ---- */

static int on_name(SSL *link, int *alert, void *data)
{
    const struct tls_keys *keys = data;
    const char *name = SSL_get_servername(link, TLSEXT_NAMETYPE_host_name);
    (void)alert;

    if (name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    for (unsigned i = 0; i < keys->count; i++) {
        if (tls_certificate_is_for(keys->shown[i].leaf, str_of(name))) {
            if (i > 0)
                SSL_set_SSL_CTX(link, keys->shown[i].ssl);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* A client that wants nothing but HTTP/2 is told so (RFC 7301 3.2) instead of being answered in a
 * protocol that it does not read. */
static int on_protocols(SSL *link, const unsigned char **chosen, unsigned char *chosen_len,
                        const unsigned char *offered, unsigned offered_len, void *data)
{
    (void)link;
    (void)data;
    for (unsigned at = 0; at < offered_len; at += 1u + offered[at]) {
        if (str_eq(str_from((const char *)offered + at + 1, offered[at]), STR(ALPN_HTTP11))) {
            *chosen = offered + at + 1;
            *chosen_len = offered[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- keys ---- */

static SSL_CTX *server_new(struct tls_keys *keys)
{
    SSL_CTX *ssl = tls_ssl_new(TLS_server_method());

    CHECK(ssl != NULL);
    CHECK(SSL_CTX_set_cipher_list(ssl, CIPHERS_12) == 1);
    CHECK(SSL_CTX_set_ciphersuites(ssl, CIPHERS_13) == 1);
    /* Ours counts, unless the client has no hardware for AES and says so. */
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_app_data(ssl, keys);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
    /* Each connection brings its successor; more would only cost every handshake. */
    SSL_CTX_set_num_tickets(ssl, 1);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_name);
    SSL_CTX_set_tlsext_servername_arg(ssl, keys);
    SSL_CTX_set_alpn_select_cb(ssl, on_protocols, NULL);
    return ssl;
}

/* Whether both certificates are for the same names, in the same order. */
static bool same_names(X509 *a, X509 *b)
{
    int at_a = X509_get_ext_by_NID(a, NID_subject_alt_name, -1);
    int at_b = X509_get_ext_by_NID(b, NID_subject_alt_name, -1);

    if (at_a < 0 || at_b < 0)
        return at_a == at_b &&
               X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
    return ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(X509_get_ext(a, at_a)),
                                 X509_EXTENSION_get_data(X509_get_ext(b, at_b))) == 0;
}

/* Where a pair of the same names and another kind stands alone so far, or NULL. */
static struct tls_shown *find_twin(struct tls_keys *keys, const struct pair *pair)
{
    for (unsigned i = 0; i < keys->count; i++) {
        struct tls_shown *shown = &keys->shown[i];
        if (!shown->has_twin && shown->kind != EVP_PKEY_get_id(pair->key) &&
            same_names(shown->leaf, pair->leaf))
            return shown;
    }
    return NULL;
}

static bool show_pair(struct tls_keys *keys, const struct tls_pair *files, struct error *error)
{
    struct pair pair;

    if (!read_pair(files, &pair, error))
        return false;
    struct tls_shown *shown = find_twin(keys, &pair);
    if (shown == NULL) {
        shown = &keys->shown[keys->count++];
        shown->ssl = server_new(keys);
        shown->kind = EVP_PKEY_get_id(pair.key);
        shown->leaf = pair.leaf;
        X509_up_ref(shown->leaf);
    } else {
        shown->has_twin = true;
    }
    bool good = SSL_CTX_use_certificate_chain_file(shown->ssl, files->certificate.data) == 1 &&
                SSL_CTX_use_PrivateKey(shown->ssl, pair.key) == 1;
    if (!good)
        error_set(error, "cannot use %.*s: %s", STR_ARG(files->certificate), tls_openssl_reason());
    pair_free(&pair);
    return good;
}

struct tls_keys *tls_keys_new(const struct tls_pair *pairs, unsigned count,
                              const struct tls_tickets *tickets, struct error *error)
{
    struct tls_keys *keys = mem_zalloc(1, sizeof(*keys));

    CHECK(count >= 1 && count <= TLS_PAIRS_MAX);
    atomic_init(&keys->refs, 1);
    keys->tickets = *tickets;
    keys->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    CHECK(keys->ticket_cipher != NULL);
    for (unsigned i = 0; i < count; i++) {
        if (!show_pair(keys, &pairs[i], error)) {
            tls_keys_unref(keys);
            return NULL;
        }
    }
    return keys;
}

struct tls_keys *tls_keys_ref(struct tls_keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
    return keys;
}

void tls_keys_unref(struct tls_keys *keys)
{
    if (keys == NULL || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < keys->count; i++) {
        SSL_CTX_free(keys->shown[i].ssl);
        X509_free(keys->shown[i].leaf);
    }
    EVP_CIPHER_free(keys->ticket_cipher);
    OPENSSL_cleanse(&keys->tickets, sizeof(keys->tickets));
    mem_free(keys);
}

/* ---- inspecting ---- */

bool tls_pair_read(const struct tls_pair *files, struct tls_pair_info *info, struct error *error)
{
    struct tls_tickets tickets = {{{0}}};
    struct pair pair;
    struct stat status;

    /* As a listener would, so that what is found good here is good there. */
    struct tls_keys *keys = tls_keys_new(files, 1, &tickets, error);
    if (keys == NULL)
        return false;
    tls_keys_unref(keys);
    if (!read_pair(files, &pair, error))
        return false;
    tls_certificate_name(pair.leaf, info->name);
    info->not_before_s = tls_time(X509_get0_notBefore(pair.leaf));
    info->not_after_s = tls_time(X509_get0_notAfter(pair.leaf));
    info->key_is_exposed = stat(files->key.data, &status) == 0 && (status.st_mode & S_IROTH) != 0;
    pair_free(&pair);
    return true;
}
