/*
 * tls_link.c - one connection's TLS, as a function from bytes to bytes.
 *
 *     received --BIO--> SSL --> plain
 *     vectors ----------> SSL --BIO--> sealed       the BIO: tls_loop.c
 *
 * Nothing here touches a socket. All that was received is always used up: a record that is not
 * whole yet waits inside of OpenSSL, and what is whole fits into `plain`.
 */
#include <openssl/err.h>
#include <string.h>

#include "base/check.h"
#include "net/addr.h"
#include "tls_inside.h"

struct tls_link {
    SSL *ssl;                  /* owned */
    struct tls_loop *loop;     /* borrowed: of the thread */
    struct tls_keys *keys;     /* owned: one reference; NULL: towards a server */
    struct tls_trust *trust;   /* owned: one reference; NULL: towards a client */
    struct tls_resume *resume; /* borrowed: outlives the link; NULL: none */
    char *name;                /* owned; to a server: whom it is for */
    enum tls_state state;
    enum tls_fault fault;
    struct buf waiting; /* plain, see tls_link_waiting */
    bool has_received;  /* anything at all */
    bool has_said_end;
    const char *error; /* static, or OpenSSL's */
};

/* ---- life cycle ---- */

static struct tls_link *link_new(struct tls_loop *loop, SSL_CTX *ssl)
{
    struct tls_link *link = mem_zalloc(1, sizeof(*link));
    BIO *bio = tls_loop_bio(loop);

    link->loop = loop;
    link->error = "";
    link->ssl = SSL_new(ssl);
    CHECK(link->ssl != NULL);
    CHECK(BIO_up_ref(bio) == 1);
    SSL_set_bio(link->ssl, bio, bio);
    return link;
}

struct tls_link *tls_link_to_client(struct tls_loop *loop, struct tls_keys *keys)
{
    struct tls_link *link = link_new(loop, keys->shown[0].ssl);

    link->keys = tls_keys_ref(keys);
    SSL_set_accept_state(link->ssl);
    return link;
}

/* What is kept there is of the same name, and judged by the same trust. */
static bool keeps_for(const struct tls_resume *resume, const struct tls_link *link)
{
    return resume->trust == link->trust && strcmp(resume->name, link->name) == 0;
}

/* Tickets come when they like: the next connection may be under way by then, for another name or
 * under another trust, and nothing of ours is for that one. */
int tls_link_on_session(SSL *ssl, SSL_SESSION *given)
{
    const struct tls_link *link = SSL_get_app_data(ssl);

    if (link->resume == NULL || !keeps_for(link->resume, link))
        return 0;
    SSL_SESSION_free(link->resume->session);
    link->resume->session = given;
    return 1; /* its reference is ours now */
}

/* Resuming skips the look at the certificate: its time must not end unnoticed meanwhile. */
static bool has_expired(const struct tls_resume *resume)
{
    X509 *shown = resume->session == NULL ? NULL : SSL_SESSION_get0_peer(resume->session);

    return shown != NULL && X509_cmp_current_time(X509_get0_notAfter(shown)) < 0;
}

static void resume_from(struct tls_link *link, struct tls_resume *resume)
{
    link->resume = resume;
    if (keeps_for(resume, link) && !has_expired(resume)) {
        if (resume->session != NULL)
            SSL_set_session(link->ssl, resume->session);
        return;
    }
    tls_resume_deinit(resume);
    resume->trust = tls_trust_ref(link->trust);
    snprintf(resume->name, sizeof(resume->name), "%s", link->name);
}

struct tls_link *tls_link_to_server(struct tls_loop *loop, struct tls_trust *trust, struct str name,
                                    struct tls_resume *resume)
{
    struct tls_link *link = link_new(loop, trust->ssl);
    struct addr address;

    link->trust = tls_trust_ref(trust);
    link->name = str_dup(name.len < TLS_NAME_BYTES ? name : STR(""));
    SSL_set_app_data(link->ssl, link);
    SSL_set_connect_state(link->ssl);
    /* RFC 6066 3: an address is no name. */
    if (link->name[0] != '\0' && !addr_parse_ip(name, 0, &address))
        SSL_set_tlsext_host_name(link->ssl, link->name);
    if (resume != NULL)
        resume_from(link, resume);
    return link;
}

void tls_link_free(struct tls_link *link)
{
    if (link == NULL)
        return;
    /* OpenSSL takes a connection that just goes away for a broken one, whose session is not to be
     * used again; ours go away in many ways that are no fault of theirs. */
    if (link->fault == TLS_FINE)
        SSL_set_shutdown(link->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(link->ssl);
    buf_deinit(&link->waiting);
    tls_keys_unref(link->keys);
    tls_trust_unref(link->trust);
    mem_free(link->name);
    mem_free(link);
}

/* ---- failing ---- */

static enum tls_state fail(struct tls_link *link, enum tls_fault fault, const char *error)
{
    link->state = TLS_FAILED;
    link->fault = fault;
    link->error = error;
    /* Whatever it was, the next one begins afresh. */
    if (link->resume != NULL && keeps_for(link->resume, link))
        tls_resume_deinit(link->resume);
    link->resume = NULL;
    return TLS_FAILED;
}

/* OpenSSL's words are for those who write TLS; these are for those who set it up. */
static const char *reason_of_openssl(void)
{
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    const char *words = tls_openssl_reason();

    switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_HTTP_REQUEST:
        return "what answers there is not TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "no TLS version in common (1.2 or 1.3)";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "the handshake was refused: no cipher in common, or no such name there";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the name that was asked for (SNI) is unknown there";
    default:
        return words;
    }
}

/* What OpenSSL gave up over: the certificate, or anything else. */
static enum tls_state fail_by_openssl(struct tls_link *link)
{
    long verdict = link->trust == NULL ? X509_V_OK : SSL_get_verify_result(link->ssl);
    const char *reason = reason_of_openssl();

    if (verdict != X509_V_OK && link->trust->verify)
        return fail(link, TLS_UNTRUSTED, X509_verify_cert_error_string(verdict));
    return fail(link, TLS_BROKEN, reason);
}

/* ---- receiving ---- */

static bool seal_waiting(struct tls_link *link);

/* An error that somebody left behind must not be taken for ours. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static bool is_for_us(const struct tls_link *link)
{
    const struct tls_trust *trust = link->trust;
    X509 *certificate = SSL_get0_peer_certificate(link->ssl);

    if (certificate == NULL)
        return false;
    if (tls_certificate_is_for(certificate, str_of(link->name)))
        return true;
    for (unsigned i = 0; i < trust->name_count; i++)
        if (tls_certificate_is_for(certificate, str_of(trust->names[i])))
            return true;
    return false;
}

static enum tls_state shake(struct tls_link *link)
{
    int result = SSL_do_handshake(link->ssl);

    if (result != 1) {
        if (SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ)
            return TLS_HANDSHAKE;
        return fail_by_openssl(link);
    }
    if (link->trust != NULL && link->trust->verify && !is_for_us(link))
        return fail(link, TLS_UNTRUSTED, "certificate is for another name");
    link->state = TLS_OPEN;
    return TLS_OPEN;
}

static enum tls_state read_records(struct tls_link *link, struct str *plain)
{
    struct tls_loop *loop = link->loop;
    size_t used = 0;
    int got = 1;

    /* Asking once more when nothing is left would only tell us so, for the price of a call. */
    while (got > 0 && (loop->received.len > 0 || SSL_pending(link->ssl) > 0)) {
        CHECK(used + TLS_RECORD_BYTES <= TLS_PLAIN_BYTES);
        got = SSL_read(link->ssl, loop->plain + used, (int)(TLS_PLAIN_BYTES - used));
        used += got > 0 ? (size_t)got : 0;
    }
    *plain = str_from(loop->plain, used);
    if (got > 0)
        return TLS_OPEN;
    switch (SSL_get_error(link->ssl, got)) {
    case SSL_ERROR_WANT_READ:
        return TLS_OPEN;
    case SSL_ERROR_ZERO_RETURN:
        link->state = TLS_ENDED;
        return TLS_ENDED;
    default:
        return fail_by_openssl(link);
    }
}

static enum tls_state note_end(struct tls_link *link)
{
    if (link->state == TLS_HANDSHAKE)
        return fail(link, link->has_received ? TLS_BROKEN : TLS_FINE,
                    "the connection was closed during the handshake");
    if (link->state == TLS_OPEN)
        return fail(link, TLS_BROKEN, "the connection was closed without a close_notify");
    return link->state;
}

enum tls_state tls_link_start(struct tls_link *link)
{
    forget_errors();
    link->loop->received = STR("");
    return shake(link);
}

enum tls_state tls_link_receive(struct tls_link *link, struct str bytes, struct str *plain)
{
    enum tls_state state = link->state;

    *plain = STR("");
    if (bytes.len == 0)
        return note_end(link);
    link->has_received = true;
    forget_errors();
    link->loop->received = bytes;
    if (state == TLS_HANDSHAKE)
        state = shake(link);
    if (state == TLS_OPEN)
        state = read_records(link, plain);
    link->loop->received = STR("");
    if (state == TLS_OPEN && !seal_waiting(link))
        state = link->state;
    return state;
}

/* ---- sending ---- */

static bool seal(struct tls_link *link, const char *bytes, size_t size)
{
    forget_errors();
    int result = buf_len(&link->waiting) > 0 ? 0 : SSL_write(link->ssl, bytes, (int)size);
    if (result == (int)size)
        return true;
    if (result == 0 || SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ) {
        buf_append(&link->waiting, bytes, size);
        return true;
    }
    fail_by_openssl(link);
    return false;
}

static bool seal_waiting(struct tls_link *link)
{
    struct buf waiting = link->waiting;
    struct str rest = buf_str(&waiting);
    bool good = true;

    if (rest.len == 0)
        return true;
    buf_init(&link->waiting);
    for (size_t at = 0; at < rest.len && good; at += TLS_RECORD_BYTES) {
        size_t size = rest.len - at < TLS_RECORD_BYTES ? rest.len - at : TLS_RECORD_BYTES;
        good = seal(link, rest.data + at, size);
    }
    buf_deinit(&waiting);
    return good;
}

/* What was gathered goes out as one record. */
static bool seal_gathered(struct tls_link *link, size_t *used)
{
    size_t size = *used;

    *used = 0;
    return size == 0 || seal(link, link->loop->gathered, size);
}

/* Whole records are sealed where they lie; what is less is gathered behind what came before. */
static bool add_piece(struct tls_link *link, const char *at, size_t left, size_t *used)
{
    while (left > 0) {
        size_t room = TLS_RECORD_BYTES - *used;
        size_t step = left < room ? left : room;
        bool good = true;

        if (step == TLS_RECORD_BYTES) {
            good = seal(link, at, step);
        } else {
            memcpy(link->loop->gathered + *used, at, step);
            *used += step;
            if (*used == TLS_RECORD_BYTES)
                good = seal_gathered(link, used);
        }
        if (!good)
            return false;
        at += step;
        left -= step;
    }
    return true;
}

bool tls_link_send(struct tls_link *link, const struct iovec *iov, unsigned count)
{
    size_t used = 0;

    if (link->state == TLS_HANDSHAKE || link->state == TLS_FAILED || link->has_said_end)
        return false;
    if (count == 1 && iov->iov_len > 0 && iov->iov_len <= TLS_RECORD_BYTES)
        return seal(link, iov->iov_base, iov->iov_len);
    for (unsigned i = 0; i < count; i++)
        if (!add_piece(link, iov[i].iov_base, iov[i].iov_len, &used))
            return false;
    return seal_gathered(link, &used);
}

void tls_link_end(struct tls_link *link)
{
    if ((link->state != TLS_OPEN && link->state != TLS_ENDED) || link->has_said_end)
        return;
    link->has_said_end = true;
    forget_errors();
    SSL_shutdown(link->ssl);
}

/* ---- inspecting ---- */

enum tls_fault tls_link_fault(const struct tls_link *link)
{
    return link->fault;
}

const char *tls_link_error(const struct tls_link *link)
{
    return link->error;
}

struct str tls_link_name(const struct tls_link *link)
{
    const char *name = SSL_get_servername(link->ssl, TLSEXT_NAMETYPE_host_name);

    return name == NULL ? STR("") : str_of(name);
}

bool tls_link_covers(const struct tls_link *link, struct str host)
{
    X509 *shown = SSL_get_certificate(link->ssl);

    return shown != NULL && tls_certificate_is_for(shown, host);
}

size_t tls_link_waiting(const struct tls_link *link)
{
    return buf_len(&link->waiting);
}

bool tls_link_has_received(const struct tls_link *link)
{
    return link->has_received;
}

bool tls_link_is_resumed(const struct tls_link *link)
{
    return SSL_session_reused(link->ssl) == 1;
}

void tls_link_inspect(const struct tls_link *link, struct tls_link_info *info)
{
    X509 *certificate = link->trust == NULL ? NULL : SSL_get0_peer_certificate(link->ssl);

    memset(info, 0, sizeof(*info));
    info->version = SSL_get_version(link->ssl);
    info->cipher = SSL_get_cipher_name(link->ssl);
    info->is_resumed = tls_link_is_resumed(link);
    if (certificate == NULL)
        return;
    info->has_certificate = true;
    tls_certificate_name(certificate, info->subject);
    info->not_after_s = tls_time(X509_get0_notAfter(certificate));
    if (X509_NAME_get_text_by_NID(X509_get_issuer_name(certificate), NID_commonName, info->issuer,
                                  sizeof(info->issuer)) < 0)
        info->issuer[0] = '\0';
    ERR_clear_error();
}
