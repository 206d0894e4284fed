#include "calls.h"

static struct finding finding;
static struct config *config;
static struct config_problems problems;
static struct judge_names names;

#define FILE_WITH(more)                                               \
    "listen: [{address: 127.0.0.1:8080}]\n"                           \
    "backends:\n"                                                     \
    "  old: {servers: [http://app.up.railway.app], host: upstream}\n" \
    "  new: {servers: [http://10.0.0.5:3000]}\n" more

static void load(const char *text)
{
    config_unref(config);
    config = config_parse(str_of(text), "f", &problems);
    cr_assert_not_null(config);
    names = (struct judge_names){
        .config = config,
        .side = "old",
        .written = STR("app.up.railway.app"),
        .client = STR("www.example.org"),
        .scheme = STR("https"),
        .is_tls = true,
    };
}

static void init(void)
{
    config_problems_init(&problems);
    load(FILE_WITH(""));
}

static void deinit(void)
{
    config_unref(config);
    config_problems_deinit(&problems);
}

TestSuite(judge_names, .init = init, .fini = deinit);

static void leads_to(const char *location)
{
    judge_location(&finding, &names, STR("/a?b=c"), str_of(location));
}

Test(judge_names, relative_redirects)
{
    leads_to("/login");
    EXPECT_FINDING(finding, RESULT_OK, "GET /a?b=c leads to /login");
    leads_to("/a");
    EXPECT_FINDING(finding, RESULT_OK, "leads to /a");
    leads_to("/a?b=c");
    EXPECT_FINDING(finding, RESULT_FAIL, "which is itself");
    EXPECT_TODO(finding, "in a circle");
}

Test(judge_names, redirects_to_itself)
{
    leads_to("https://www.example.org/a?b=c");
    EXPECT_FINDING(finding, RESULT_FAIL, "which is itself");
    EXPECT_TODO(finding, "X-Forwarded-Proto");
    leads_to("https://app.up.railway.app:443/a?b=c");
    EXPECT_FINDING(finding, RESULT_FAIL, "which is itself");
    names.is_tls = false;
    leads_to("https://app.up.railway.app/a?b=c");
    EXPECT_TODO(finding, "write https:// in backends.old.servers");
}

Test(judge_names, from_http_to_https_is_no_circle)
{
    names.scheme = STR("http");
    leads_to("https://www.example.org/a?b=c");
    EXPECT_FINDING(finding, RESULT_OK, "leads to https://www.example.org/a");
    names.scheme = STR("https");
    leads_to("http://www.example.org/a?b=c");
    EXPECT_FINDING(finding, RESULT_OK, "leads to http://www.example.org/a");
}

Test(judge_names, the_servers_own_name)
{
    leads_to("https://app.up.railway.app/login?next=secret");
    EXPECT_FINDING(finding, RESULT_OK, "app.up.railway.app/login, which the proxy rewrites");
    cr_expect_null(strstr(finding.detail, "secret"));
    load(FILE_WITH("rewrite: {location: false}\n"));
    leads_to("https://app.up.railway.app/login");
    EXPECT_FINDING(finding, RESULT_FAIL, "the server's own name");
    EXPECT_TODO(finding, "rewrite.location: true");
}

Test(judge_names, other_servers_names)
{
    leads_to("http://10.0.0.5:3000/login");
    EXPECT_FINDING(finding, RESULT_FAIL, "a server's own name");
    leads_to("https://x.elb.amazonaws.com/");
    EXPECT_FINDING(finding, RESULT_FAIL, "a server's own name");
    leads_to("https://accounts.example.com/");
    EXPECT_FINDING(finding, RESULT_OK, "accounts.example.com");
    leads_to("myapp://callback");
    EXPECT_FINDING(finding, RESULT_OK, "myapp");
}

static bool sets(const char *cookie)
{
    return judge_cookie(&finding, &names, str_of(cookie));
}

Test(judge_names, cookies)
{
    cr_expect_not(sets("a=1; Path=/; HttpOnly"));
    cr_expect_not(sets("Domain=x"), "a cookie may be called Domain");
    cr_expect(sets("a=1; Domain=example.org"));
    EXPECT_FINDING(finding, RESULT_OK, "a has Domain=example.org");
    cr_expect(sets("a=1; domain=.app.up.railway.app; Path=/"));
    EXPECT_FINDING(finding, RESULT_OK, "which the proxy takes out");
    cr_expect(sets("a=1; Domain=other.test"));
    EXPECT_FINDING(finding, RESULT_FAIL, "so browsers throw it away");
    cr_expect(sets("cutover=1"));
    EXPECT_FINDING(finding, RESULT_FAIL, "the proxy's own cookie");
}

Test(judge_names, cookies_without_rewriting_or_without_a_name)
{
    load(FILE_WITH("rewrite: {cookie_domain: false}\n"));
    cr_expect(sets("a=1; Domain=app.up.railway.app"));
    EXPECT_FINDING(finding, RESULT_FAIL, "throw it away");
    EXPECT_TODO(finding, "rewrite.cookie_domain: true");
    names.client = STR("");
    cr_expect(sets("a=1; Domain=example.org"));
    EXPECT_FINDING(finding, RESULT_WARN, "Domain=example.org");
    EXPECT_TODO(finding, "--host");
}
