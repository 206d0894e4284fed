/*
 * judge_names.c - redirects and cookies: would a browser that knows only the proxy get along?
 *
 * A URL or Domain that names the server itself is no harm as long as the proxy rewrites it, and it
 * does that for one authority alone: `written`.
 */
#include "doctor/judge.h"
#include "http/cookie.h"
#include "http/rewrite.h"

/* Names that platforms give; users are never meant to see them. */
static const struct str PLATFORMS[] = {
    STR_INIT(".up.railway.app"),
    STR_INIT(".railway.internal"),
    STR_INIT(".amazonlightsail.com"),
    STR_INIT(".elb.amazonaws.com"),
};

static bool is_platform_name(struct str host)
{
    for (size_t i = 0; i < ARRAY_LEN(PLATFORMS); i++)
        if (str_ends_with_nocase(host, PLATFORMS[i]))
            return true;
    return false;
}

static bool is_server_name(const struct config *config, const struct url_parts *parts)
{
    for (unsigned side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &config->backends[side];
        for (unsigned i = 0; i < backend->server_count; i++)
            if (rewrite_names(parts, backend->servers[i].authority))
                return true;
    }
    return is_platform_name(rewrite_host(parts->authority));
}

/* ---- redirects ---- */

/* What the proxy makes of a Location. */
struct led {
    bool is_absolute;
    bool is_home;      /* it stays with the proxy */
    bool is_rewritten; /* because the proxy sees to that */
    struct str scheme; /* as the browser sees it */
    struct str path;
    struct url_parts parts;
};

static void follow(const struct judge_names *names, struct str location, struct led *led)
{
    *led = (struct led){.is_home = true, .scheme = names->scheme, .path = location};
    led->is_absolute = rewrite_split(location, &led->parts);
    if (!led->is_absolute)
        return;
    bool is_client = !str_is_empty(names->client) && rewrite_names(&led->parts, names->client);
    led->is_rewritten =
        !is_client && names->config->rewrite.location && rewrite_names(&led->parts, names->written);
    led->is_home = is_client || led->is_rewritten;
    led->path = str_is_empty(led->parts.rest) ? STR("/") : led->parts.rest;
    if (!led->is_rewritten && !str_is_empty(led->parts.scheme))
        led->scheme = led->parts.scheme;
}

static void advise_loop(struct finding *finding, const struct judge_names *names,
                        const struct led *led)
{
    bool wants_https = led->is_absolute && str_eq_nocase(led->parts.scheme, STR("https"));

    if (wants_https && !names->is_tls) {
        finding_advise(finding, "The server wants https: write https:// in backends.%s.servers",
                       names->side);
    } else if (wants_https) {
        finding_advise(finding, "It takes the users' https for http: it must believe "
                                "X-Forwarded-Proto (Django: SECURE_PROXY_SSL_HEADER, Express: "
                                "trust proxy), and nginx in front must pass it on");
    } else {
        finding_advise(finding, "Browsers would go in a circle: look at what the application "
                                "wants with this path");
    }
}

/* A redirect's query may hold what is nobody's business. */
static struct str without_query(struct str url)
{
    ptrdiff_t mark = str_find_char(url, '?', 0);

    url = mark < 0 ? url : str_slice(url, 0, (size_t)mark);
    return str_slice(url, 0, 160);
}

void judge_location(struct finding *finding, const struct judge_names *names, struct str path,
                    struct str location)
{
    struct str shown = without_query(location);
    struct led led;

    follow(names, location, &led);
    finding_say(finding, RESULT_OK, "GET %.*s leads to %.*s", STR_ARG(path), STR_ARG(shown));
    if (led.is_home && str_eq(led.path, path) && str_eq_nocase(led.scheme, names->scheme)) {
        finding->result = RESULT_FAIL;
        finding_add(finding, ", which is itself");
        advise_loop(finding, names, &led);
    } else if (led.is_rewritten) {
        finding_add(finding, ", which the proxy rewrites");
    } else if (!led.is_home && rewrite_names(&led.parts, names->written)) {
        finding->result = RESULT_FAIL;
        finding_add(finding, ", the server's own name");
        finding_advise(finding, "Users would leave the proxy: set rewrite.location: true");
    } else if (!led.is_home && is_server_name(names->config, &led.parts)) {
        finding->result = RESULT_FAIL;
        finding_add(finding, ", a server's own name");
        finding_advise(finding, "Users would leave the proxy: tell the application its public URL");
    }
}

/* ---- cookies ---- */

static struct str cookie_name(struct str set_cookie)
{
    ptrdiff_t equals = str_find_char(set_cookie, '=', 0);

    return str_trim(str_slice(set_cookie, 0, equals < 0 ? set_cookie.len : (size_t)equals));
}

static struct str cookie_domain(struct str set_cookie)
{
    struct str rest = set_cookie, part, domain = STR("");
    bool is_first = true;

    while (str_next_part(&rest, ';', &part)) {
        if (!is_first && str_starts_with_nocase(part, STR("Domain=")))
            domain = str_trim(str_slice(part, strlen("Domain="), part.len));
        is_first = false;
    }
    return domain;
}

/* Whether the Domain is `host` or a parent of it. */
static bool is_domain_of(struct str set_cookie, struct str host)
{
    struct buf out = BUF_EMPTY;

    cookie_drop_domain(set_cookie, host, &out);
    bool is_dropped = buf_len(&out) < set_cookie.len;
    buf_deinit(&out);
    return is_dropped;
}

bool judge_cookie(struct finding *finding, const struct judge_names *names, struct str set_cookie)
{
    struct str name = str_slice(cookie_name(set_cookie), 0, 64);
    struct str domain = str_slice(cookie_domain(set_cookie), 0, 128);
    bool is_servers = is_domain_of(set_cookie, rewrite_host(names->written));

    finding_say(finding, RESULT_OK, "%.*s", STR_ARG(name));
    if (str_eq(name, names->config->sticky.cookie.name)) {
        finding->result = RESULT_FAIL;
        finding_add(finding, " is the name of the proxy's own cookie");
        finding_advise(finding, "Give the proxy's another name: sticky.cookie");
        return true;
    }
    if (str_is_empty(domain))
        return false;
    finding_add(finding, " has Domain=%.*s", STR_ARG(domain));
    if (!str_is_empty(names->client) && is_domain_of(set_cookie, rewrite_host(names->client)))
        return true;
    if (is_servers && names->config->rewrite.cookie_domain) {
        finding_add(finding, ", which the proxy takes out");
    } else if (str_is_empty(names->client) && !is_servers) {
        finding->result = RESULT_WARN;
        finding_advise(finding, "Whether browsers take it depends on the name that they asked for: "
                                "give it with --host");
    } else {
        finding->result = RESULT_FAIL;
        finding_add(finding, ", so browsers throw it away");
        finding_advise(finding, "%s",
                       is_servers ? "Set rewrite.cookie_domain: true"
                                  : "Let the application set it without Domain, or for "
                                    "the public name");
    }
    return true;
}
