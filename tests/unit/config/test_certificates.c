/* test_certificates.c - pairs for clients, and what is believed of servers. */
#include "parse.h"
#include "pem.h"

#include <stdio.h>

static void set_up_files(void)
{
    set_up();
    pem_set_up();
}

static void tear_down_files(void)
{
    pem_tear_down();
    tear_down();
}

TestSuite(certificates, .init = set_up_files, .fini = tear_down_files);

#define TLS(value) "listen:\n  - address: 127.0.0.1:1\n    tls: " value "\n" BACKENDS
#define PAIR       "{certificate: leaf.pem, key: leaf.key}"

Test(certificates, one_pair_or_a_list)
{
    struct config *c = parse_good(TLS(PAIR));
    cr_assert_eq(c->listen[0].pair_count, 1u);
    cr_assert_str_eq(c->listen[0].pairs[0].certificate.data, "leaf.pem");
    cr_assert_str_eq(c->listen[0].pairs[0].key.data, "leaf.key");
    config_unref(c);
    c = parse_good(TLS("[" PAIR ", {certificate: chain.pem, key: leaf.key}]"));
    cr_assert_eq(c->listen[0].pair_count, 2u);
    cr_assert_str_eq(c->listen[0].pairs[1].certificate.data, "chain.pem");
    config_unref(c);
    c = parse_good(TLS("null"));
    cr_assert_eq(c->listen[0].pair_count, 0u);
    config_unref(c);
}

Test(certificates, what_is_no_pair)
{
    const char *const bad[] = {"leaf.pem", "[leaf.pem]", "[[]]", "[null]"};
    char text[512];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        (void)snprintf(text, sizeof(text), TLS("%s"), bad[i]);
        assert_problem(text, 3, bad[i][0] == '[' ? "listen[0].tls[0]" : "listen[0].tls",
                       "expected {certificate: FILE, key: FILE}, or a list of such pairs, got ");
    }
    assert_problem(TLS("[]"), 3, "listen[0].tls", "got an empty list");
    assert_problem(TLS("{certificate: leaf.pem}"), 3, "listen[0].tls.key", "missing");
    assert_problem(TLS("{key: leaf.key}"), 3, "listen[0].tls.certificate", "missing");
    assert_problem(TLS("{cert: leaf.pem, certificate: leaf.pem, key: leaf.key}"), 3,
                   "listen[0].tls.cert", "unknown key");
}

/* At the pair, with the file by name. */
Test(certificates, what_is_wrong_with_the_files_is_told)
{
    static const struct {
        const char *certificate, *key, *problem;
    } BAD[] = {
        {"leaf.pem", "other.key",
         "the key in other.key is not that of the first certificate in "
         "leaf.pem"},
        {"leaf.pem", "locked.key", "locked.key is locked with a passphrase"},
        {"leaf.pem", "leaf.pem", "leaf.pem holds no private key"},
        {"leaf.pem", "empty", "empty holds no private key"},
        {"leaf.key", "leaf.key", "leaf.key holds no certificate"},
        {"text", "leaf.key", "text holds no certificate"},
    };
    char text[512];
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        (void)snprintf(text, sizeof(text),
                       TLS("\n      - " PAIR "\n      - {certificate: %s, key: %s}"),
                       BAD[i].certificate, BAD[i].key);
        assert_problem(text, 5, "listen[0].tls[1]", BAD[i].problem);
    }
}

Test(certificates, the_same_certificate_twice)
{
    assert_problem(TLS("\n      - " PAIR "\n      - {certificate: again.pem, key: leaf.key}"
                       "\n      - " PAIR),
                   6, "listen[0].tls[2].certificate", "tls[0] has the same certificate file");
}

Test(certificates, of_the_admin_api)
{
    struct config *c = parse_good(MINIMAL "admin: {tls: [" PAIR "]}\n");
    cr_assert_eq(c->admin.pair_count, 1u);
    cr_assert_str_eq(c->admin.pairs[0].key.data, "leaf.key");
    config_unref(c);
    assert_problem(MINIMAL "admin: {tls: {certificate: leaf.pem, key: other.key}}\n", 5,
                   "admin.tls", "other.key");
    assert_problem(MINIMAL "admin: {address: 0.0.0.0:1, tls: " PAIR "}\n", 5, "admin.token_file",
                   "needed");
}

#define SERVER(keys) OLD "{servers: [https://b], " keys "}\n"

Test(certificates, servers_are_verified_unless_told_otherwise)
{
    static const char *const STRICT[] = {MINIMAL, OLD "{servers: [https://b]}\n",
                                         SERVER("tls: null"), SERVER("tls: {}"),
                                         SERVER("tls: {verify: true, ca_file: null, names: []}")};
    for (size_t i = 0; i < ARRAY_LEN(STRICT); i++) {
        struct config *c = parse_good(STRICT[i]);
        const struct config_backend_tls *tls = &c->backends[SIDE_NEW].tls;
        cr_assert(tls->verify && tls->ca_file.len == 0 && tls->name_count == 0, "%s", STRICT[i]);
        config_unref(c);
    }
    struct config *c = parse_good(SERVER("tls: {verify: false}"));
    cr_assert_not(c->backends[SIDE_NEW].tls.verify);
    cr_assert(c->backends[SIDE_OLD].tls.verify);
    config_unref(c);
}

Test(certificates, authorities_and_names_of_servers)
{
    struct config *c = parse_good(
        SERVER("sni: app.example.org, tls: {ca_file: ca.pem, names: [a.b, '*.up.railway.app']}"));
    const struct config_backend *backend = &c->backends[SIDE_NEW];
    cr_assert(str_eq(backend->sni, STR("app.example.org")));
    cr_assert_str_eq(backend->tls.ca_file.data, "ca.pem");
    cr_assert_eq(backend->tls.name_count, 2u);
    cr_assert(str_eq(backend->tls.names[1], STR("*.up.railway.app")));
    config_unref(c);
    assert_problem(SERVER("sni: 10.0.0.1"), 4, "backends.new.sni", "expected a domain");
    assert_problem(SERVER("tls: {names: ['a.*.b']}"), 4, "backends.new.tls.names[0]",
                   "expected a name such as app.example.org or \"*.up.railway.app\"");
    assert_problem(SERVER("tls: {names: [*.b]}"), 4, "", "must be quoted");
    assert_problem(SERVER("tls: {ca_file: none.pem}"), 4, "backends.new.tls.ca_file",
                   "the file \"none.pem\": cannot open it");
    assert_problem(SERVER("tls: {ca_file: text}"), 4, "backends.new.tls.ca_file",
                   "text holds no certificate");
}

Test(certificates, verify_false_leaves_nothing_to_check)
{
    assert_problem(SERVER("tls: {verify: false, ca_file: ca.pem}"), 4, "backends.new.tls.verify",
                   "so ca_file would mean nothing");
    assert_problem(SERVER("tls: {verify: false, names: [a.b]}"), 4, "backends.new.tls.verify",
                   "so names would mean nothing");
    config_unref(parse_good(SERVER("sni: a.b, tls: {verify: false, ca_file: null, names: []}")));
}

/* Once, whichever side needs them, and not when nobody does. */
Test(certificates, a_system_without_authorities)
{
    const char *part = "install ca-certificates";
    setenv("SSL_CERT_FILE", "none.pem", 1);
    assert_problem(OLD "{servers: [https://b]}\n", 4, "backends.new.tls", part);
    assert_problem(LISTEN "backends:\n  old: {servers: [https://a]}\n"
                          "  new: {servers: [https://b]}\n",
                   3, "backends.old.tls", part);
    assert_problem(LISTEN "backends:\n  old: {servers: [https://a], tls: {ca_file: ca.pem}}\n"
                          "  new: {servers: [https://b]}\n",
                   4, "backends.new.tls", part);
    config_unref(parse_good(SERVER("tls: {ca_file: ca.pem}")));
    config_unref(parse_good(SERVER("tls: {verify: false}")));
    config_unref(parse_good(MINIMAL));
}
