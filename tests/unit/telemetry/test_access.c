#include "telemetry/access.h"

#include <criterion/criterion.h>

static struct buf buf;
static struct access_entry entry;

static void set_up(void)
{
    buf_init(&buf);
    entry = (struct access_entry){
        .wall_ms = 1795168862345, /* 2026-11-20T10:01:02.345Z */
        .request_id = STR("r-1"),
        .client = STR("1.2.3.4"),
        .method = STR("GET"),
        .host = STR("example.org"),
        .path = STR("/x"),
        .server = STR("http://10.0.0.5:3000"),
        .route = STR("main"),
        .has_decision = true,
        .side = SIDE_NEW,
        .reason = REASON_COOKIE,
        .has_bucket = true,
        .bucket = 427,
        .status = 200,
        .outcome = OUTCOME_OK,
        .attempts = 1,
        .first_byte_us = 1300,
        .duration_us = 1905,
        .bytes_out = 512,
    };
}

static void tear_down(void)
{
    buf_deinit(&buf);
}

TestSuite(access, .init = set_up, .fini = tear_down);

static const char *line(void)
{
    buf_clear(&buf);
    access_format(&entry, &buf);
    buf_append_char(&buf, '\0');
    return buf_str(&buf).data;
}

Test(access, a_line_has_its_keys_in_order)
{
    cr_assert_str_eq(
        line(),
        "{\"time\":\"2026-11-20T10:01:02.345Z\",\"level\":\"info\",\"message\":\"request\","
        "\"request_id\":\"r-1\",\"client\":\"1.2.3.4\",\"method\":\"GET\",\"host\":\"example.org\","
        "\"path\":\"/x\",\"status\":200,\"outcome\":\"ok\",\"backend\":\"new\","
        "\"server\":\"http://10.0.0.5:3000\",\"route\":\"main\",\"reason\":\"cookie\","
        "\"bucket\":427,\"attempts\":1,\"first_byte_ms\":1.3,\"duration_ms\":1.905,\"bytes_in\":0,"
        "\"bytes_out\":512}\n");
}

Test(access, what_is_not_known_is_left_out)
{
    entry = (struct access_entry){.wall_ms = entry.wall_ms,
                                  .client = STR("1.2.3.4"),
                                  .status = 400,
                                  .outcome = OUTCOME_BAD_REQUEST,
                                  .duration_us = 1000};
    cr_assert_str_eq(line(), "{\"time\":\"2026-11-20T10:01:02.345Z\",\"level\":\"info\","
                             "\"message\":\"request\",\"client\":\"1.2.3.4\",\"status\":400,"
                             "\"outcome\":\"bad_request\",\"attempts\":0,\"duration_ms\":1,"
                             "\"bytes_in\":0,\"bytes_out\":0}\n");
}

Test(access, without_a_bucket_there_is_no_bucket)
{
    entry.has_bucket = false;
    entry.reason = REASON_PIN;
    cr_assert_null(strstr(line(), "bucket"));
    cr_assert_not_null(strstr(line(), "\"reason\":\"pin\",\"attempts\":1"));
}

Test(access, a_hostile_path_cannot_break_the_line)
{
    entry.path = STR("/\"\\\n\x7f\xff\",\"status\":1");
    const char *text = line();
    cr_assert_not_null(
        strstr(text, "\"path\":\"/\\\"\\\\\\n\\u007f\\u00ff\\\",\\\"status\\\":1\",\"status\":200"),
        "%s", text);
    cr_assert_eq(strchr(text, '\n'), text + strlen(text) - 1);
}

Test(access, a_long_line_is_whole)
{
    static char path[30000];
    memset(path, 'p', sizeof(path));
    entry.path = str_from(path, sizeof(path));
    const char *text = line();
    cr_assert_gt(strlen(text), sizeof(path));
    cr_assert_str_eq(text + strlen(text) - 3, "2}\n");
}

Test(access, our_5xx_and_what_a_server_did_wrong_are_warnings)
{
    static const struct {
        enum outcome outcome;
        unsigned status;
        bool is_warning;
    } cases[] = {
        {OUTCOME_OK, 200, false},          {OUTCOME_OK, 500, false},
        {OUTCOME_BAD_REQUEST, 400, false}, {OUTCOME_CLIENT_GONE, 0, false},
        {OUTCOME_NO_SERVER, 503, true},    {OUTCOME_CONNECT_REFUSED, 502, true},
        {OUTCOME_TRUNCATED, 200, true},    {OUTCOME_STALE, 502, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        entry.outcome = cases[i].outcome;
        entry.status = cases[i].status;
        bool is_warning = strstr(line(), "\"level\":\"warn\"") != NULL;
        cr_assert_eq(is_warning, cases[i].is_warning, "%s", outcome_row(cases[i].outcome)->token);
    }
}

Test(access, all_writes_all_and_off_nothing)
{
    cr_assert(access_wanted(ACCESS_ALL, 1000, &entry, 1));
    entry.status = 500;
    cr_assert_not(access_wanted(ACCESS_OFF, 1000, &entry, 0));
}

Test(access, a_sample_is_one_in_a_hundred)
{
    unsigned written = 0;
    for (uint64_t ordinal = 7; ordinal < 1007; ordinal++)
        written += access_wanted(ACCESS_SAMPLED, 1000, &entry, ordinal) ? 1 : 0;
    cr_assert_eq(written, 10);
}

static bool is_error(void)
{
    bool in_errors = access_wanted(ACCESS_ERRORS, 1000, &entry, 0);
    cr_assert_eq(access_wanted(ACCESS_SAMPLED, 1000, &entry, 1), in_errors);
    return in_errors;
}

Test(access, errors_are_always_written)
{
    cr_assert_not(is_error());
    entry.status = 404;
    cr_assert_not(is_error());
    entry.status = 500;
    cr_assert(is_error());
    entry.status = 200;
    entry.outcome = OUTCOME_STALLED;
    cr_assert(is_error());
    entry.outcome = OUTCOME_OVERLOADED;
    cr_assert(is_error());
    entry.outcome = OUTCOME_CLIENT_GONE;
    cr_assert_not(is_error());
}

Test(access, refusals_of_our_own_are_always_written)
{
    entry.status = 413;
    entry.outcome = OUTCOME_BODY_TOO_LARGE;
    cr_assert(is_error());
    entry.outcome = OUTCOME_OK; /* the application's own */
    cr_assert_not(is_error());
    entry.status = 404;
    entry.outcome = OUTCOME_SKEW;
    cr_assert(is_error());
    entry.status = 308;
    entry.outcome = OUTCOME_REDIRECTED;
    cr_assert_not(is_error());
}

Test(access, what_lasts_is_slow_when_its_head_was)
{
    entry.lasts = true;
    entry.outcome = OUTCOME_TUNNEL;
    entry.duration_us = 3600000000;
    cr_assert_not(is_error());
    entry.first_byte_us = 1000001;
    cr_assert(is_error());
}

Test(access, slow_requests_are_always_written)
{
    entry.duration_us = 1000000;
    cr_assert_not(is_error());
    entry.duration_us = 1000001;
    cr_assert(is_error());
    cr_assert_not(access_wanted(ACCESS_ERRORS, 0, &entry, 0));
}
