/*
 * Two links face each other in memory: every test says what each end shows and believes, and how the
 * bytes between them are cut.
 */
#include "net/tls.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

/* ---- certificates ---- */

static char folder[] = "/tmp/cutover-tls-XXXXXX";

struct files {
    char certificate[64], key[64];
};

static struct tls_pair pair_of(const struct files *files)
{
    return (struct tls_pair){str_of(files->certificate), str_of(files->key)};
}

static void add_extension(X509 *certificate, int id, const char *value)
{
    X509V3_CTX made;
    X509V3_set_ctx(&made, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &made, id, value);
    cr_assert_not_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

/* Self-signed: its own authority. `names` as "DNS:a.example,IP:10.0.0.1". */
static struct files make_pair(const char *stem, const char *names, const char *kind, long days)
{
    struct files files;
    EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    snprintf(files.certificate, sizeof(files.certificate), "%s/%s.crt", folder, stem);
    snprintf(files.key, sizeof(files.key), "%s/%s.key", folder, stem);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -40 * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)stem, -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    if (names != NULL)
        add_extension(certificate, NID_subject_alt_name, names);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    FILE *out = fopen(files.certificate, "w");
    PEM_write_X509(out, certificate);
    fclose(out);
    out = fopen(files.key, "w");
    PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    fclose(out);
    chmod(files.key, 0600);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return files;
}

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(tls, .init = make_folder, .fini = remove_folder);

static struct tls_keys *keys_of(const struct files *files, unsigned count)
{
    struct tls_pair pairs[4];
    struct tls_tickets tickets;
    struct error error;

    for (unsigned i = 0; i < count; i++)
        pairs[i] = pair_of(&files[i]);
    tls_tickets_init(&tickets);
    struct tls_keys *keys = tls_keys_new(pairs, count, &tickets, &error);
    cr_assert_not_null(keys, "%s", error.text);
    return keys;
}

static struct tls_trust *trust_in(const struct files *files, const struct str *names,
                                  unsigned count)
{
    struct error error;
    struct tls_trust *trust = tls_trust_new(true, str_of(files->certificate), names, count, &error);
    cr_assert_not_null(trust, "%s", error.text);
    return trust;
}

/* ---- two ends ---- */

struct end {
    struct tls_loop loop;
    struct tls_link *link;
    struct buf wire; /* what it has sent and the other has not got yet */
    struct buf got;  /* plain */
    enum tls_state state;
};

static void take_sealed(struct end *end)
{
    buf_append_str(&end->wire, buf_str(&end->loop.sealed));
    buf_clear(&end->loop.sealed);
}

/* Carries what `from` has sent to `to`, in pieces of at most `step` bytes. */
static void carry(struct end *from, struct end *to, size_t step)
{
    struct buf wire = from->wire;
    struct str rest = buf_str(&wire);

    buf_init(&from->wire);
    while (rest.len > 0 && to->state != TLS_FAILED) {
        struct str plain, piece = str_slice(rest, 0, step < rest.len ? step : rest.len);
        /* As in the stream: what is received lies in memory that is used again. */
        char *lent = mem_alloc(piece.len);
        memcpy(lent, piece.data, piece.len);
        to->state = tls_link_receive(to->link, str_from(lent, piece.len), &plain);
        memset(lent, 'x', piece.len);
        mem_free(lent);
        buf_append_str(&to->got, plain);
        take_sealed(to);
        rest = str_slice(rest, piece.len, rest.len);
    }
    buf_deinit(&wire);
}

static void converse(struct end *client, struct end *server, size_t step)
{
    for (int i = 0; i < 8; i++) {
        carry(client, server, step);
        carry(server, client, step);
    }
}

static void meet(struct end *client, struct end *server, struct tls_trust *trust,
                 struct tls_keys *keys, const char *name, struct tls_resume *resume, size_t step)
{
    *client = *server = (struct end){.state = TLS_HANDSHAKE};
    client->link = tls_link_to_server(&client->loop, trust, str_of(name), resume);
    server->link = tls_link_to_client(&server->loop, keys);
    client->state = tls_link_start(client->link);
    take_sealed(client);
    converse(client, server, step);
}

static void part(struct end *client, struct end *server)
{
    struct end *both[] = {client, server};
    for (int i = 0; i < 2; i++) {
        tls_link_free(both[i]->link);
        tls_loop_deinit(&both[i]->loop);
        buf_deinit(&both[i]->wire);
        buf_deinit(&both[i]->got);
    }
}

static void say(struct end *from, struct end *to, struct str text, size_t step)
{
    struct iovec iov = {.iov_base = (char *)text.data, .iov_len = text.len};
    cr_assert(tls_link_send(from->link, &iov, 1));
    take_sealed(from);
    carry(from, to, step);
}

/* ---- the way of the bytes ---- */

Test(tls, bytes_arrive_however_they_are_cut)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    const size_t steps[] = {1, 2, 7, 1000, 65536};

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct end client, server;
        meet(&client, &server, trust, keys, "a.example", NULL, steps[i]);
        cr_assert_eq(client.state, TLS_OPEN);
        cr_assert_eq(server.state, TLS_OPEN);
        say(&client, &server, STR("GET / HTTP/1.1\r\n\r\n"), steps[i]);
        say(&server, &client, STR("HTTP/1.1 200 OK\r\n\r\n"), steps[i]);
        cr_assert(str_eq(buf_str(&server.got), STR("GET / HTTP/1.1\r\n\r\n")));
        cr_assert(str_eq(buf_str(&client.got), STR("HTTP/1.1 200 OK\r\n\r\n")));
        part(&client, &server);
    }
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

Test(tls, vectors_of_all_sizes_stay_in_order)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    const size_t sizes[][4] = {{0, 1, 0, 2},
                               {10, 16384, 5, 16384},
                               {16383, 1, 1, 0},
                               {16384, 16384, 1, 16385},
                               {1, 65536, 3, 40000},
                               {0, 0, 0, 1},
                               {5000, 5000, 5000, 5000}};
    static char all[200000];
    struct end client, server;

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)(i * 31 + i / 251);
    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct iovec iov[4];
        size_t used = 0;
        for (int j = 0; j < 4; j++) {
            iov[j] = (struct iovec){.iov_base = all + used, .iov_len = sizes[i][j]};
            used += sizes[i][j];
        }
        cr_assert(tls_link_send(client.link, iov, 4));
        take_sealed(&client);
        carry(&client, &server, 65536);
        cr_assert(str_eq(buf_str(&server.got), str_from(all, used)), "case %zu", i);
        buf_clear(&server.got);
    }
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

Test(tls, the_largest_read_fits)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    static char text[300000];
    struct end client, server;

    memset(text, 'b', sizeof(text));
    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    /* One byte less than a record first, so that each read ends one and holds four more. */
    say(&client, &server, str_from(text, sizeof(text)), 65536);
    cr_assert_eq(buf_len(&server.got), sizeof(text));
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

Test(tls, an_end_is_told_from_a_cut)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    struct end client, server;
    struct str plain;

    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    tls_link_end(server.link);
    take_sealed(&server);
    carry(&server, &client, 65536);
    cr_assert_eq(client.state, TLS_ENDED);
    cr_assert_eq(tls_link_receive(client.link, STR(""), &plain), TLS_ENDED);
    /* The other way is still open. */
    say(&client, &server, STR("last"), 65536);
    cr_assert(str_eq(buf_str(&server.got), STR("last")));
    part(&client, &server);

    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    cr_assert_eq(tls_link_receive(client.link, STR(""), &plain), TLS_FAILED);
    cr_assert_eq(tls_link_fault(client.link), TLS_BROKEN);
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

Test(tls, garbage_fails_one_link_and_no_other)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    struct end client, server;
    struct str plain;

    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    /* Another link of the same loop breaks in between: nothing of it may reach this one. */
    struct tls_link *broken = tls_link_to_client(&server.loop, keys);
    cr_assert_eq(tls_link_receive(broken, STR("GET / HTTP/1.1\r\n\r\n"), &plain), TLS_FAILED);
    cr_assert_eq(tls_link_fault(broken), TLS_BROKEN);
    tls_link_free(broken);
    buf_clear(&server.loop.sealed);
    say(&client, &server, STR("still here"), 3);
    cr_assert(str_eq(buf_str(&server.got), STR("still here")));
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

/* ---- trust ---- */

struct trust_case {
    const char *name;     /* that the connection is for */
    const char *accepted; /* a further name, or NULL */
    enum tls_fault fault;
};

static void check_trust(const struct files *shown, const struct files *trusted,
                        const struct trust_case *cases, size_t count)
{
    struct tls_keys *keys = keys_of(shown, 1);

    for (size_t i = 0; i < count; i++) {
        struct str names[1] = {STR("")};
        struct end client, server;
        if (cases[i].accepted != NULL)
            names[0] = str_of(cases[i].accepted);
        struct tls_trust *trust = trust_in(trusted, names, cases[i].accepted == NULL ? 0 : 1);
        meet(&client, &server, trust, keys, cases[i].name, NULL, 65536);
        cr_assert_eq(tls_link_fault(client.link), cases[i].fault, "%s: %s", cases[i].name,
                     tls_link_error(client.link));
        cr_assert_eq(client.state, cases[i].fault == TLS_FINE ? TLS_OPEN : TLS_FAILED);
        part(&client, &server);
        tls_trust_unref(trust);
    }
    tls_keys_unref(keys);
}

Test(tls, a_certificate_must_be_for_the_name)
{
    struct files files =
        make_pair("wild", "DNS:a.example,DNS:*.up.example,IP:10.0.0.1,IP:::1", "EC", 30);
    const struct trust_case cases[] = {
        {"a.example", NULL, TLS_FINE},
        {"A.Example", NULL, TLS_FINE},
        {"app.up.example", NULL, TLS_FINE},
        {"10.0.0.1", NULL, TLS_FINE},
        {"::1", NULL, TLS_FINE},
        {"b.example", NULL, TLS_UNTRUSTED},
        {"up.example", NULL, TLS_UNTRUSTED},
        {"x.y.up.example", NULL, TLS_UNTRUSTED},
        {"10.0.0.2", NULL, TLS_UNTRUSTED},
        {".example", NULL, TLS_UNTRUSTED}, /* to OpenSSL: any name below */
        {".up.example", NULL, TLS_UNTRUSTED},
        {"wild", NULL, TLS_UNTRUSTED}, /* the common name, where there are others */
        {"b.example", "a.example", TLS_FINE},
        {"b.example", "*.up.example", TLS_FINE},
        {"b.example", "*.example", TLS_UNTRUSTED},
        {"10.0.0.2", "10.0.0.1", TLS_FINE},
        {"", "a.example", TLS_FINE},
        {"", NULL, TLS_UNTRUSTED},
    };

    check_trust(&files, &files, cases, ARRAY_LEN(cases));
}

Test(tls, a_certificate_must_be_in_its_time_and_known)
{
    struct files good = make_pair("good", "DNS:a.example", "EC", 30);
    struct files old = make_pair("old", "DNS:a.example", "EC", -1);
    struct files other = make_pair("other", "DNS:a.example", "EC", 30);
    const struct trust_case expired[] = {{"a.example", NULL, TLS_UNTRUSTED}};

    check_trust(&old, &old, expired, 1);
    check_trust(&good, &other, expired, 1);
}

Test(tls, without_verify_any_will_do)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", -1);
    struct tls_keys *keys = keys_of(&files, 1);
    struct error error;
    struct tls_trust *trust = tls_trust_new(false, STR(""), NULL, 0, &error);
    struct end client, server;

    meet(&client, &server, trust, keys, "b.example", NULL, 65536);
    cr_assert_eq(client.state, TLS_OPEN);
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

/* ---- keys ---- */

Test(tls, a_client_is_shown_the_certificate_that_it_asks_for)
{
    struct files files[] = {make_pair("a", "DNS:a.example", "EC", 30),
                            make_pair("b", "DNS:b.example,DNS:*.b.example", "EC", 30)};
    const struct {
        const char *name, *shown;
    } cases[] = {{"a.example", "a.example"},
                 {"b.example", "b.example"},
                 {"x.b.example", "b.example"},
                 {"other.example", "a.example"},
                 {"", "a.example"}};
    struct tls_keys *keys = keys_of(files, 2);
    struct error error;
    struct tls_trust *trust = tls_trust_new(false, STR(""), NULL, 0, &error);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_link_info info;
        struct end client, server;
        meet(&client, &server, trust, keys, cases[i].name, NULL, 65536);
        tls_link_inspect(client.link, &info);
        cr_assert_str_eq(info.subject, cases[i].shown);
        cr_assert(str_eq(tls_link_name(server.link), str_of(cases[i].name)));
        cr_assert(tls_link_covers(server.link, str_of(cases[i].shown)));
        cr_assert_not(tls_link_covers(server.link, STR("z.example")));
        part(&client, &server);
    }
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

Test(tls, two_kinds_of_key_for_one_name_are_one)
{
    struct files files[] = {make_pair("rsa", "DNS:a.example", "RSA", 30),
                            make_pair("ec", "DNS:a.example", "EC", 30)};
    struct tls_keys *keys = keys_of(files, 2);
    struct error error;
    struct tls_trust *trust = tls_trust_new(false, STR(""), NULL, 0, &error);
    struct end client, server;

    meet(&client, &server, trust, keys, "a.example", NULL, 65536);
    cr_assert_eq(client.state, TLS_OPEN);
    part(&client, &server);
    tls_keys_unref(keys);
    tls_trust_unref(trust);
}

static void expect_bad_pair(struct tls_pair pair, const char *words)
{
    struct tls_pair_info info;
    struct error error;

    cr_assert_not(tls_pair_read(&pair, &info, &error));
    cr_assert_not_null(strstr(error.text, words), "%s", error.text);
}

Test(tls, bad_pairs_say_what_is_wrong)
{
    struct files a = make_pair("a", "DNS:a.example", "EC", 30);
    struct files b = make_pair("b", "DNS:b.example", "EC", 30);
    struct files none = a;
    struct files locked = a;

    expect_bad_pair((struct tls_pair){str_of(a.certificate), str_of(b.key)},
                    "is not that of the first certificate in");
    expect_bad_pair((struct tls_pair){str_of(a.key), str_of(a.key)}, "holds no certificate");
    expect_bad_pair((struct tls_pair){str_of(a.certificate), str_of(a.certificate)},
                    "holds no private key");
    snprintf(none.certificate, sizeof(none.certificate), "%s/none", folder);
    expect_bad_pair(pair_of(&none), "No such file");
    expect_bad_pair((struct tls_pair){str_of(a.certificate), str_of(none.certificate)},
                    "No such file");
    snprintf(locked.key, sizeof(locked.key), "%s/locked.key", folder);
    FILE *in = fopen(a.key, "r");
    FILE *out = fopen(locked.key, "w");
    EVP_PKEY *key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
    PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"word", 4, NULL, NULL);
    EVP_PKEY_free(key);
    fclose(in);
    fclose(out);
    expect_bad_pair(pair_of(&locked), "passphrase");
}

Test(tls, a_pair_tells_its_name_and_time)
{
    struct files files = make_pair("cn", "IP:10.0.0.1,DNS:a.example", "EC", 30);
    struct files bare = make_pair("bare", NULL, "EC", -1);
    struct tls_pair_info info;
    struct tls_pair pair = pair_of(&files);
    struct error error;

    cr_assert(tls_pair_read(&pair, &info, &error), "%s", error.text);
    cr_assert_str_eq(info.name, "a.example");
    cr_assert_leq(labs((long)(info.not_after_s - (time(NULL) + 30 * 86400L))), 5);
    cr_assert_not(info.key_is_exposed);
    chmod(files.key, 0644);
    cr_assert(tls_pair_read(&pair, &info, &error));
    cr_assert(info.key_is_exposed);
    pair = pair_of(&bare);
    cr_assert(tls_pair_read(&pair, &info, &error));
    cr_assert_str_eq(info.name, "bare");
    cr_assert_lt(info.not_after_s, time(NULL));
}

Test(tls, bad_authorities_say_what_is_wrong)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct error error;

    cr_assert_null(tls_trust_new(true, STR("/nonexistent/ca.pem"), NULL, 0, &error));
    cr_assert_not_null(strstr(error.text, "No such file"), "%s", error.text);
    cr_assert_null(tls_trust_new(true, str_of(files.key), NULL, 0, &error));
    cr_assert_not_null(strstr(error.text, "holds no certificate"), "%s", error.text);
    setenv("SSL_CERT_FILE", "/nonexistent", 1);
    setenv("SSL_CERT_DIR", "/nonexistent", 1);
    cr_assert_null(tls_trust_new(true, STR(""), NULL, 0, &error));
    cr_assert_not_null(strstr(error.text, "ca-certificates"), "%s", error.text);
}

/* ---- resuming ---- */

/* Meets twice through `resume`; whether the second time was resumed. */
static bool meets_again(struct tls_trust *first, struct tls_trust *second, struct tls_keys *before,
                        struct tls_keys *after, const char *name, const char *name_after)
{
    struct tls_resume resume = {.session = NULL};
    struct end client, server;
    bool was_resumed;

    meet(&client, &server, first, before, name, &resume, 65536);
    cr_assert_eq(client.state, TLS_OPEN);
    cr_assert_not(tls_link_is_resumed(client.link));
    part(&client, &server);
    cr_assert_not_null(resume.session);
    meet(&client, &server, second, after, name_after, &resume, 65536);
    cr_assert_eq(client.state, TLS_OPEN, "%s", tls_link_error(client.link));
    was_resumed = tls_link_is_resumed(server.link);
    cr_assert_eq(was_resumed, tls_link_is_resumed(client.link));
    part(&client, &server);
    tls_resume_deinit(&resume);
    return was_resumed;
}

Test(tls, a_server_is_resumed_for_the_same_name_and_trust_only)
{
    struct files files = make_pair("a", "DNS:a.example,DNS:b.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    struct tls_trust *other = trust_in(&files, NULL, 0);

    cr_assert(meets_again(trust, trust, keys, keys, "a.example", "a.example"));
    cr_assert_not(meets_again(trust, trust, keys, keys, "a.example", "b.example"));
    cr_assert_not(meets_again(trust, other, keys, keys, "a.example", "a.example"));
    tls_keys_unref(keys);
    tls_trust_unref(trust);
    tls_trust_unref(other);
}

Test(tls, tickets_outlive_a_reload_and_one_rotation)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_trust *trust = trust_in(&files, NULL, 0);
    struct tls_pair pair = pair_of(&files);
    struct tls_tickets tickets;
    struct error error;
    struct tls_keys *generation[3];

    tls_tickets_init(&tickets);
    for (int i = 0; i < 3; i++) {
        generation[i] = tls_keys_new(&pair, 1, &tickets, &error);
        tls_tickets_rotate(&tickets);
    }
    cr_assert(meets_again(trust, trust, generation[0], generation[1], "a.example", "a.example"));
    cr_assert_not(
        meets_again(trust, trust, generation[0], generation[2], "a.example", "a.example"));
    for (int i = 0; i < 3; i++)
        tls_keys_unref(generation[i]);
    tls_trust_unref(trust);
}

/* ---- what is refused ---- */

/* A client of OpenSSL's own, to offer what ours never would; the server's state after it. */
static enum tls_state offer(struct tls_keys *keys, int max_version, const char *protocols,
                            const char **error)
{
    static char text[256];
    SSL_CTX *options = SSL_CTX_new(TLS_client_method());
    struct end server = {.state = TLS_HANDSHAKE};
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    SSL_CTX_set_security_level(options, 0);
    SSL_CTX_set_min_proto_version(options, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(options, max_version);
    SSL *client = SSL_new(options);
    if (protocols != NULL)
        SSL_set_alpn_protos(client, (const unsigned char *)protocols, (unsigned)strlen(protocols));
    SSL_set_bio(client, in, out);
    SSL_set_connect_state(client);
    server.link = tls_link_to_client(&server.loop, keys);
    for (int i = 0; i < 6; i++) {
        char *bytes;
        struct str plain;
        SSL_do_handshake(client);
        long size = BIO_get_mem_data(out, &bytes);
        if (size > 0)
            server.state = tls_link_receive(server.link, str_from(bytes, (size_t)size), &plain);
        (void)BIO_reset(out);
        struct str sealed = buf_str(&server.loop.sealed);
        if (sealed.len > 0)
            BIO_write(in, sealed.data, (int)sealed.len);
        buf_clear(&server.loop.sealed);
    }
    snprintf(text, sizeof(text), "%s", tls_link_error(server.link));
    *error = text;
    tls_link_free(server.link);
    tls_loop_deinit(&server.loop);
    SSL_free(client);
    SSL_CTX_free(options);
    return server.state;
}

Test(tls, old_versions_and_other_protocols_are_refused)
{
    struct files files = make_pair("a", "DNS:a.example", "EC", 30);
    struct tls_keys *keys = keys_of(&files, 1);
    const char *error;

    cr_assert_eq(offer(keys, TLS1_3_VERSION, NULL, &error), TLS_OPEN, "%s", error);
    cr_assert_eq(offer(keys, TLS1_2_VERSION, NULL, &error), TLS_OPEN, "%s", error);
    cr_assert_eq(offer(keys, TLS1_1_VERSION, NULL, &error), TLS_FAILED);
    cr_assert_eq(offer(keys, TLS1_VERSION, NULL, &error), TLS_FAILED);
    cr_assert_eq(offer(keys, TLS1_3_VERSION, "\x02h2\x08http/1.1", &error), TLS_OPEN, "%s", error);
    cr_assert_eq(offer(keys, TLS1_3_VERSION, "\x02h2", &error), TLS_FAILED);
    tls_keys_unref(keys);
}
