/*
 * login.c - options before environment before defaults. What is found here goes into the head of
 * every call (client.c), so nothing that could not stand in a head gets through.
 */
#include "cli/login.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

#define DEFAULT_PORT    "9901"
#define TOKEN_MAX_BYTES 4096

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= 0x20 || text.data[i] > 0x7e)
            return false;
    return text.len > 0;
}

/* "[::1]:9901", "localhost", "10.0.0.5:80" into host and port. */
static bool split_authority(struct login *login, struct str authority)
{
    ptrdiff_t bracket = str_find_char(authority, ']', 0);
    ptrdiff_t colon = str_find_char(authority, ':', bracket < 0 ? 0 : (size_t)bracket);
    size_t end = colon < 0 ? authority.len : (size_t)colon;
    struct str port = colon < 0 ? STR(DEFAULT_PORT) : str_slice(authority, end + 1, authority.len);
    struct str host =
        bracket < 0 ? str_slice(authority, 0, end) : str_slice(authority, 1, (size_t)bracket);
    uint64_t number = 0;
    if (str_is_empty(host) || !str_to_u64(port, &number) || number == 0 || number > UINT16_MAX)
        return false;
    login->host = str_dup(host);
    login->port = str_dup(port);
    return true;
}

static bool parse_url(struct login *login, const char *url, struct error *error)
{
    struct str rest = str_of(url);
    login->url = rest;
    if (str_starts_with_nocase(rest, STR("https://")))
        return error_set(error, "%s: https comes with a later version; use http://", url);
    if (str_starts_with_nocase(rest, STR("http://")))
        rest = str_slice(rest, STR("http://").len, rest.len);
    if (rest.len > 0 && rest.data[rest.len - 1] == '/')
        rest = str_slice(rest, 0, rest.len - 1);
    if (!is_visible(rest) || str_find_char(rest, '/', 0) >= 0 || !split_authority(login, rest))
        return error_set(error, "%s: expected a URL such as %s", url, LOGIN_DEFAULT_ADMIN);
    login->authority = str_dup(rest);
    return true;
}

static bool read_token(const char *path, char *text, size_t size, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(error, errno, "cannot open the token file %s", path);
    size_t len = fread(text, 1, size - 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    text[len] = '\0';
    return failed ? error_set(error, "cannot read the token file %s", path) : true;
}

static bool find_token(struct login *login, const char *path, struct error *error)
{
    char text[TOKEN_MAX_BYTES];
    const char *given = getenv("CUTOVER_TOKEN");
    if (path == NULL && (given == NULL || given[0] == '\0'))
        return true;
    if (path != NULL && !read_token(path, text, sizeof(text), error))
        return false;
    struct str token = str_of(path != NULL ? text : given);
    while (token.len > 0 && (unsigned char)token.data[token.len - 1] <= 0x20)
        token.len--;
    if (!is_visible(token)) {
        return error_set(error, "%s: the token must be one word of printable letters",
                         path != NULL ? path : "CUTOVER_TOKEN");
    }
    login->token = str_dup(token);
    return true;
}

/* USER@HOST, whatever of it is known; only what may stand in a header. */
static void find_actor(char actor[64])
{
    char host[32] = "";
    const char *user = getenv("USER");
    const struct passwd *entry = user == NULL ? getpwuid(getuid()) : NULL;
    user = entry != NULL ? entry->pw_name : user;
    gethostname(host, sizeof(host) - 1);
    snprintf(actor, 64, "%.28s@%s", user == NULL ? "somebody" : user, host);
    for (char *c = actor; *c != '\0'; c++)
        *c = *c > 0x20 && *c < 0x7f ? *c : '_';
}

bool login_find(struct login *login, const struct cli_options *options, struct error *error)
{
    const char *environment = getenv("CUTOVER_ADMIN");
    const char *url = options->admin;
    if (url == NULL) {
        bool has = environment != NULL && environment[0] != '\0';
        url = has ? environment : LOGIN_DEFAULT_ADMIN;
    }
    *login = (struct login){.token = NULL};
    find_actor(login->actor);
    return parse_url(login, url, error) && find_token(login, options->token_file, error);
}

void login_deinit(struct login *login)
{
    mem_free(login->host);
    mem_free(login->port);
    mem_free(login->authority);
    mem_free(login->token);
}
