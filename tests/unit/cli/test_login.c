/* test_login.c - where the admin API is, and whom to trust there. */
#include "cli/login.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct cli_options options;
static struct login login;
static struct error error;

static void setup(void)
{
    unsetenv("CUTOVER_ADMIN");
    unsetenv("CUTOVER_CA_FILE");
    unsetenv("CUTOVER_TOKEN");
    options = (struct cli_options){.verb = "status"};
}

TestSuite(login, .init = setup);

static void find(void)
{
    cr_assert(login_find(&login, &options, &error), "%s", error.text);
}

static void expect_refused(const char *text)
{
    cr_expect_not(login_find(&login, &options, &error));
    cr_expect_str_eq(error.text, text);
    login_deinit(&login);
}

struct row {
    const char *url, *host, *port, *authority;
    bool is_tls;
};

static void expect(const struct row *row)
{
    options.admin = row->url;
    find();
    cr_expect_str_eq(login.url, row->url);
    cr_expect_str_eq(login.host, row->host, "%s: %s", row->url, login.host);
    cr_expect_str_eq(login.port, row->port, "%s: %s", row->url, login.port);
    cr_expect_str_eq(login.authority, row->authority, "%s: %s", row->url, login.authority);
    cr_expect_eq(login.is_tls, row->is_tls, "%s", row->url);
    cr_expect_null(login.ca_file);
    cr_expect_null(login.name);
    login_deinit(&login);
}

Test(login, urls)
{
    static const struct row rows[] = {
        {"http://127.0.0.1:9901", "127.0.0.1", "9901", "127.0.0.1:9901", false},
        {"localhost", "localhost", "9901", "localhost", false},
        {"http://[::1]:80/", "::1", "80", "[::1]:80", false},
        {"https://admin.example.org", "admin.example.org", "9901", "admin.example.org", true},
        {"https://admin.example.org:443/", "admin.example.org", "443", "admin.example.org:443",
         true},
        {"HTTPS://[::1]", "::1", "9901", "[::1]", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        expect(&rows[i]);
}

Test(login, wrong_urls)
{
    static const char *const wrong[] = {
        "", "https://", "https://a:0", "https://a:x", "https://a/b", "ftp://a", "https:// a"};

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        options.admin = wrong[i];
        cr_expect_not(login_find(&login, &options, &error), "%s", wrong[i]);
        login_deinit(&login);
    }
}

Test(login, the_default_and_the_environment)
{
    find();
    cr_expect_str_eq(login.url, LOGIN_DEFAULT_ADMIN);
    login_deinit(&login);
    setenv("CUTOVER_ADMIN", "https://far.example.org", 1);
    find();
    cr_expect_str_eq(login.host, "far.example.org");
    cr_expect_null(login.ca_file);
    login_deinit(&login);
    setenv("CUTOVER_CA_FILE", "/etc/env.pem", 1);
    find();
    cr_expect_str_eq(login.ca_file, "/etc/env.pem");
    login_deinit(&login);
    options.ca_file = "/etc/option.pem";
    find();
    cr_expect_str_eq(login.ca_file, "/etc/option.pem");
    login_deinit(&login);
}

Test(login, without_tls_there_is_nobody_to_trust)
{
    setenv("CUTOVER_CA_FILE", "/etc/env.pem", 1);
    find();
    cr_expect_null(login.ca_file);
    login_deinit(&login);
    options.ca_file = "/etc/option.pem";
    expect_refused("--ca-file is for https://, and the admin API is at http://127.0.0.1:9901");
}

Test(login, a_configuration_that_cannot_be_used)
{
    options.config = "/nowhere/cutover.yaml";
    expect_refused("/nowhere/cutover.yaml cannot be used: `cutover check -c "
                   "/nowhere/cutover.yaml` says why");
    options.admin = "http://127.0.0.1:1"; /* says it all */
    find();
    cr_expect_str_eq(login.port, "1");
    login_deinit(&login);
}
