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
#include "config/config.h"

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
    login->url = str_dup(rest);
    login->is_tls = str_starts_with_nocase(rest, STR("https://"));
    if (login->is_tls)
        rest = str_slice(rest, STR("https://").len, rest.len);
    else if (str_starts_with_nocase(rest, STR("http://")))
        rest = str_slice(rest, STR("http://").len, rest.len);
    if (rest.len > 0 && rest.data[rest.len - 1] == '/')
        rest = str_slice(rest, 0, rest.len - 1);
    if (!is_visible(rest) || str_find_char(rest, '/', 0) >= 0 || !split_authority(login, rest))
        return error_set(error, "%s: expected a URL such as %s", url, LOGIN_DEFAULT_ADMIN);
    login->authority = str_dup(rest);
    return true;
}

/* Where there is a name (CUTOVER_...) with something behind it, or NULL. */
static const char *from_environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* From a configuration */

/* The admin address as one can connect to it: one that means "all" is reached by loopback. */
static struct str reachable(const struct config_admin *admin, char text[ADDR_TEXT_BYTES])
{
    struct addr address = admin->address;
    if (address.any.sa_family == AF_INET && addr_is_any(&address))
        address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (addr_is_any(&address))
        address.v6.sin6_addr = in6addr_loopback;
    return addr_format(&address, text);
}

static bool trust_pair(struct login *login, const struct tls_pair *pair, struct error *error)
{
    struct tls_pair_info info;
    if (!tls_pair_read(pair, &info, error))
        return false;
    login->ca_file = str_dup(pair->certificate);
    login->name = mem_strdup(info.name);
    return true;
}

static bool take_admin(struct login *login, const struct config_admin *admin, struct error *error)
{
    char address[ADDR_TEXT_BYTES];
    char url[ADDR_TEXT_BYTES + 16];
    struct str authority = reachable(admin, address);
    snprintf(url, sizeof(url), "http%s://%.*s", admin->pair_count > 0 ? "s" : "",
             STR_ARG(authority));
    if (!str_is_empty(admin->token))
        login->token = str_dup(admin->token);
    return parse_url(login, url, error) &&
           (admin->pair_count == 0 || trust_pair(login, &admin->pairs[0], error));
}

static bool find_in_config(struct login *login, const char *path, struct error *error)
{
    struct config_problems problems;
    config_problems_init(&problems);
    struct config *config = config_load(path, &problems);
    bool found =
        config != NULL
            ? take_admin(login, &config->admin, error)
            : error_set(error, "%s cannot be used: `cutover check -c %s` says why", path, path);
    config_unref(config);
    config_problems_deinit(&problems);
    return found;
}

/* Whom to trust */

static bool find_ca_file(struct login *login, const char *given, struct error *error)
{
    const char *path = given;
    if (given != NULL && !login->is_tls) {
        return error_set(error, "--ca-file is for https://, and the admin API is at %s",
                         login->url);
    }
    if (path == NULL && login->ca_file == NULL)
        path = from_environment("CUTOVER_CA_FILE");
    if (path == NULL || !login->is_tls)
        return true;
    mem_free(login->ca_file);
    login->ca_file = mem_strdup(path);
    return true;
}

/* Who asks */

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
    const char *given = from_environment("CUTOVER_TOKEN");
    if (path == NULL && (given == NULL || login->token != NULL))
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
    mem_free(login->token);
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

static bool find_admin(struct login *login, const struct cli_options *options, struct error *error)
{
    const char *url = options->admin;
    if (url == NULL && options->config != NULL)
        return find_in_config(login, options->config, error);
    if (url == NULL)
        url = from_environment("CUTOVER_ADMIN");
    return parse_url(login, url == NULL ? LOGIN_DEFAULT_ADMIN : url, error);
}

bool login_find(struct login *login, const struct cli_options *options, struct error *error)
{
    *login = (struct login){.token = NULL};
    find_actor(login->actor);
    return find_admin(login, options, error) && find_ca_file(login, options->ca_file, error) &&
           find_token(login, options->token_file, error);
}

void login_deinit(struct login *login)
{
    mem_free(login->url);
    mem_free(login->host);
    mem_free(login->port);
    mem_free(login->authority);
    mem_free(login->ca_file);
    mem_free(login->name);
    mem_free(login->token);
}
