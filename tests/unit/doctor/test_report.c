#include "doctor/report.h"

#include <criterion/criterion.h>

static struct report report;
static struct buf out;

static const struct report_place old = {"old", STR_INIT("http://old.test"), 0};
static const struct report_place new = {"new", STR_INIT("http://n"), 1};
static const struct report_place both = {"both", STR_INIT(""), 99};

static void init(void)
{
    buf_init(&out);
    report_init(&report, strlen("http://old.test"));
}

static void deinit(void)
{
    buf_deinit(&out);
    report_deinit(&report);
}

TestSuite(report, .init = init, .fini = deinit);

static void add(const struct report_place *place, const char *check, enum result result,
                const char *detail, const char *todo)
{
    struct finding finding;

    finding_say(&finding, result, "%s", detail);
    finding_advise(&finding, "%s", todo);
    report_add(&report, place, check, &finding);
}

static void expect(const char *text)
{
    buf_append_char(&out, '\0');
    cr_expect_str_eq(buf_str(&out).data, text);
    buf_clear(&out);
}

Test(report, lines_are_sorted_by_server_and_shown_once)
{
    add(&both, "compare", RESULT_WARN, "sizes", "Look");
    add(&new, "tls", RESULT_FAIL, "expired", "Renew it");
    add(&old, "tls", RESULT_OK, "fine", "");
    add(&old, "health", RESULT_OK, "200", "");
    report_lines(&report, &out);
    expect("ok    old   http://old.test  tls             fine\n"
           "ok    old   http://old.test  health          200\n"
           "fail  new   http://n         tls             expired. Renew it.\n"
           "warn  both                   compare         sizes. Look.\n");
    add(&old, "keep-alive", RESULT_OK, "60 s", "");
    report_lines(&report, &out);
    expect("ok    old   http://old.test  keep-alive      60 s\n");
    report_summary(&report, &out);
    expect("3 ok, 1 warning, 1 failure\n");
}

Test(report, plurals)
{
    report_summary(&report, &out);
    expect("0 ok, 0 warnings, 0 failures\n");
}

Test(report, nothing_drives_the_terminal)
{
    add(&old, "redirects", RESULT_OK, "to \x1b[31m\x9b\n\x7f", "");
    report_lines(&report, &out);
    expect("ok    old   http://old.test  redirects       to ?[31m???\n");
}

Test(report, json)
{
    add(&new, "tls", RESULT_FAIL, "a \"b\"", "Renew");
    add(&both, "clock", RESULT_OK, "agree", "");
    report_json(&report, &out);
    expect("{\"checks\":[{\"side\":\"new\",\"server\":\"http://n\",\"check\":\"tls\","
           "\"result\":\"fail\",\"detail\":\"a \\\"b\\\"\",\"todo\":\"Renew\"},"
           "{\"side\":\"both\",\"server\":null,\"check\":\"clock\",\"result\":\"ok\","
           "\"detail\":\"agree\",\"todo\":null}],\"ok\":1,\"warn\":0,\"fail\":1}\n");
}

Test(report, a_long_url_pushes_its_own_line_only)
{
    static char url[101];
    struct report_place place = {.side = "old", .order = 0};

    memset(url, 'u', sizeof(url) - 1);
    place.server = str_of(url);
    report_deinit(&report);
    report_init(&report, place.server.len);
    cr_expect_leq(report.server_width, 60);
    add(&place, "tls", RESULT_OK, "fine", "");
    report_lines(&report, &out);
    cr_expect_not_null(memmem(buf_str(&out).data, buf_len(&out), url, sizeof(url) - 1));
}

Test(report, texts_that_are_too_long_are_cut)
{
    static char text[2 * FINDING_BYTES];
    struct finding finding;

    memset(text, 'x', sizeof(text) - 1);
    finding_say(&finding, RESULT_OK, "%s", text);
    cr_expect_eq(strlen(finding.detail), FINDING_BYTES - 1);
    finding_add(&finding, "more");
    finding_advise(&finding, "%s", text);
    cr_expect_eq(strlen(finding.detail), FINDING_BYTES - 1);
    cr_expect_eq(strlen(finding.todo), FINDING_BYTES - 1);
}
