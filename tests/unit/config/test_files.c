/* test_files.c - paths that must be there: acme_webroot, certificate and key stand for all. */
#include "parse.h"
#include "pem.h"

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

TestSuite(files, .init = set_up_files, .fini = tear_down_files);

#define WITH(keys) "listen: [{address: 127.0.0.1:1, " keys "}]\n" BACKENDS
#define KEY(file)  WITH("tls: {certificate: leaf.pem, key: " file "}")

Test(files, a_file_is_plain_and_can_be_opened)
{
    config_unref(parse_good(KEY("leaf.key")));
    assert_problem(KEY("none.key"), 1, "listen[0].tls.key",
                   "the file \"none.key\": cannot open it: No such file or directory");
    assert_problem(KEY("webroot"), 1, "listen[0].tls.key",
                   "the file \"webroot\": not a plain file");
    assert_problem(KEY("''"), 1, "listen[0].tls.key", "expected the path of a file, got \"\"");
    assert_problem(KEY("null"), 1, "listen[0].tls.key", "expected the path of a file, got nothing");
    assert_problem(KEY("[leaf.key]"), 1, "listen[0].tls.key", "expected the path of a file");
}

Test(files, a_pipe_does_not_hold_up_the_start)
{
    alarm(10); /* ends the test when it does */
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    assert_problem(KEY("pipe"), 1, "listen[0].tls.key", "the file \"pipe\": not a plain file");
    unlink("pipe");
}

/* Platforms keep secrets in variables, and some people put the key there instead of its path. */
Test(files, what_a_variable_holds_is_never_shown)
{
    setenv("TLS_KEY", "-----BEGIN PRIVATE KEY-----\\nMIGHAgEAMBMG", 1);
    assert_problem(KEY("'${TLS_KEY}'"), 1, "listen[0].tls.key",
                   "the file \"${TLS_KEY}\": cannot open it");
    setenv("TLS_KEY", PEM_LEAF_KEY, 1);
    assert_problem(KEY("'${TLS_KEY}'"), 1, "listen[0].tls.key",
                   "expected the path of a file, got \"${TLS_KEY}\"");
    cr_assert_null(strstr(problems.items[0].text.data, "BEGIN"));
}

Test(files, a_folder_is_there_and_open_to_us)
{
    struct config *c = parse_good(WITH("acme_webroot: webroot"));
    cr_assert(str_eq(c->listen[0].acme_webroot, STR("webroot")));
    config_unref(c);
    unsetenv("WEBROOT");
    c = parse_good(WITH("acme_webroot: '${WEBROOT:-}'"));
    cr_assert_eq(c->listen[0].acme_webroot.len, 0u);
    config_unref(c);
    assert_problem(WITH("acme_webroot: /none/of/it"), 1, "listen[0].acme_webroot",
                   "the folder \"/none/of/it\": cannot find it: No such file or directory");
    assert_problem(WITH("acme_webroot: leaf.pem"), 1, "listen[0].acme_webroot",
                   "the folder \"leaf.pem\": not a folder");
    assert_problem(WITH("acme_webroot: [a]"), 1, "listen[0].acme_webroot",
                   "expected the path of a folder");
    if (geteuid() == 0)
        return; /* to whom no folder is closed */
    cr_assert_eq(chmod("webroot", 0), 0);
    assert_problem(WITH("acme_webroot: webroot"), 1, "listen[0].acme_webroot",
                   "the folder \"webroot\": cannot open files in it: Permission denied");
}
