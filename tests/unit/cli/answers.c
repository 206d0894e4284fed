#include "answers.h"

static const char status_text[] =
    "{\"version\":\"0.1.0\",\"uptime_s\":3660,\"generation\":7,\"weight\":30,"
    "\"routes\":[{\"name\":\"hooks\",\"pin\":\"old\"},{\"name\":\"api\",\"weight\":30,"
    "\"follows\":\"main\"},{\"name\":\"products\",\"weight\":20,\"plan\":{\"state\":\"idle\","
    "\"step\":0,\"steps\":1,\"step_list\":[{\"weight\":50,\"hold_s\":60}]}}],"
    "\"backends\":{\"old\":{\"name\":\"railway\",\"admin\":\"ready\",\"health\":\"up\","
    "\"servers\":[{\"url\":\"https://app.up.railway.app\",\"health\":\"up\",\"ejected\":false,"
    "\"active\":3,\"idle\":2}],\"share\":{\"requests_1m\":1204,\"sockets\":3}},"
    "\"new\":{\"name\":\"lightsail\",\"admin\":\"ready\",\"health\":\"up\","
    "\"servers\":[{\"url\":\"http://"
    "10.0.0.5:3000\",\"health\":\"up\",\"ejected\":false,\"active\":1,"
    "\"idle\":1},{\"url\":\"http://10.0.0.6:3000\",\"health\":\"down\",\"ejected\":false,"
    "\"active\":0,\"idle\":0}],\"share\":{\"requests_1m\":512,\"sockets\":14}}},"
    "\"plan\":{\"state\":\"holding\",\"step\":2,\"steps\":4,\"hold_left_s\":356400,"
    "\"verdict\":\"pass\",\"advance\":\"manual\",\"weight\":30,\"next_weight\":70,"
    "\"hold_s\":604800,\"held_s\":248400,\"note\":\"\",\"failed\":false,\"strikes\":0,"
    "\"strikes_max\":3,\"on_fail\":\"rollback\",\"verdict_cause\":\"\","
    "\"verdict_reason\":\"new is as good as old\",\"requests_needed\":0,\"seconds_needed\":0,"
    "\"failing_over\":false,\"warm_up_left_s\":0,\"gate\":null,\"gate_detail\":\"\","
    "\"step_list\":[{\"weight\":10,\"hold_s\":604800,\"before\":false,\"after\":false},"
    "{\"weight\":30,\"hold_s\":604800,\"before\":true,\"after\":false},"
    "{\"weight\":70,\"hold_s\":604800,\"before\":false,\"after\":true},"
    "{\"weight\":100,\"hold_s\":1209600,\"before\":false,\"after\":false}]},"
    "\"freeze\":{\"on\":false},\"rollback_ready\":true,\"last_change\":{"
    "\"at\":\"2026-11-21T10:00:00.000Z\",\"actor\":\"ann@desk\",\"what\":\"weight\","
    "\"route\":\"main\",\"reason\":\"week two\",\"from\":10,\"to\":30},"
    "\"durable\":true,\"draining\":false,\"warnings\":[]}";

static const char compare_text[] =
    "{\"route\":\"main\",\"window_s\":300,\"verdict\":\"inconclusive\",\"cause\":\"few_requests\","
    "\"reason\":\"too few requests on new: 120 of 200\",\"requests_needed\":80,"
    "\"seconds_needed\":843,\"failing_over\":false,\"backends\":{"
    "\"old\":{\"name\":\"railway\",\"requests\":12034,\"errors\":12,"
    "\"error_rate\":{\"lower\":0.05,\"value\":0.1,\"upper\":0.17},\"errors_by_kind\":{\"connect\":"
    "0,"
    "\"tls\":0,\"timeout\":3,\"broken\":0,\"platform\":0,\"5xx\":9},\"shown\":{\"401\":3,\"404\":"
    "12},"
    "\"failovers\":0,\"connect_ms\":{\"p50\":1.2,\"p95\":3,\"p99\":8,\"count\":50},"
    "\"first_byte_ms\":{\"p50\":40,\"p95\":120,\"p99\":300,\"count\":12000},"
    "\"total_ms\":{\"p50\":45,\"p95\":130,\"p99\":310,\"count\":12000}},"
    "\"new\":{\"name\":\"lightsail\",\"requests\":120,\"errors\":1,"
    "\"error_rate\":{\"lower\":0.02,\"value\":0.83,\"upper\":4.5},\"errors_by_kind\":{\"connect\":"
    "1,"
    "\"tls\":0,\"timeout\":0,\"broken\":0,\"platform\":0,\"5xx\":0},\"shown\":{\"401\":0,\"404\":1}"
    ","
    "\"failovers\":2,\"connect_ms\":{\"p50\":null,\"p95\":null,\"p99\":null,\"count\":0},"
    "\"first_byte_ms\":{\"p50\":38,\"p95\":110,\"p99\":280,\"count\":119},"
    "\"total_ms\":{\"p50\":39,\"p95\":111,\"p99\":281,\"count\":119}}},"
    "\"error_rate_over_old\":{\"lower\":-0.1,\"value\":0.73,\"upper\":4.4},"
    "\"p95_ratio\":{\"lower\":0.8,\"value\":0.92,\"upper\":1.1},"
    "\"p95_over_old_ms\":{\"lower\":-22,\"value\":-10,\"upper\":12},"
    "\"limits\":{\"min_requests\":200,\"max_error_rate\":1,\"error_rate_over_old\":0.5,"
    "\"p95_ratio\":2.0,\"p95_over_old_ms\":200}}";

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    cr_assert_not_null(json, "%s: %s", error.text, text);
    return json;
}

json_t *answer_with(json_t *status, const char *members)
{
    json_t *more = parse(members);

    json_object_update(status, more);
    json_decref(more);
    return status;
}

json_t *answer_status(void)
{
    return parse(status_text);
}

json_t *answer_plan(const char *members)
{
    json_t *status = answer_status();

    answer_with(json_object_get(status, "plan"), members);
    return status;
}

json_t *answer_compare(void)
{
    return parse(compare_text);
}

static bool has(const struct page *page, const char *text)
{
    struct str all = buf_str(&page->text);

    return memmem(all.data, all.len, text, strlen(text)) != NULL;
}

void answer_expect_has(const struct page *page, const char *text)
{
    cr_expect(has(page, text), "no \"%s\" in:\n%.*s", text, STR_ARG(buf_str(&page->text)));
}

void answer_expect_has_not(const struct page *page, const char *text)
{
    cr_expect_not(has(page, text), "\"%s\" in:\n%.*s", text, STR_ARG(buf_str(&page->text)));
}
