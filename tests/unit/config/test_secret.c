/* test_secret.c - tokens and secrets from files. */
#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(secret, .init = set_up, .fini = tear_down);

static void write_file(char path[32], const char *content)
{
    strncpy(path, "/tmp/test_config_XXXXXX", 32);
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

static void with_token(char *text, size_t size, const char *file)
{
    (void)snprintf(text, size, MINIMAL "admin: {address: 0.0.0.0:9901, token_file: %s}\n", file);
}

Test(secret, a_public_admin_address_needs_a_token)
{
    char path[32];
    char text[256];
    assert_problem(MINIMAL "admin: {address: 0.0.0.0:9901}\n", 5, "admin.token_file", "needed");

    write_file(path, "\n  0123456789abcdef \r\n");
    with_token(text, sizeof(text), path);
    struct config *c = parse_good(text);
    cr_assert(str_eq(c->admin.token, STR("0123456789abcdef")));
    config_unref(c);
    unlink(path);
}

Test(secret, a_bad_token_file_is_told_without_its_content)
{
    char path[32];
    char text[256];
    const char *const bad[] = {"", "0123456789 abcdefgh", "0123456789abcd\xC3\xA9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_file(path, bad[i]);
        with_token(text, sizeof(text), path);
        assert_problem(text, 5, "admin.token_file", "1 to 512 visible ASCII");
        cr_assert_null(strstr(problems.items[0].text.data, "789a"));
        unlink(path);
    }
    with_token(text, sizeof(text), "/tmp");
    assert_problem(text, 5, "admin.token_file", "not a plain file");
    with_token(text, sizeof(text), "/nonexistent/token");
    assert_problem(text, 5, "admin.token_file", "No such file");
}
