#include "telemetry/emf.h"

#include <math.h>

#include <criterion/criterion.h>

static struct buf buf;
static struct emf_line line;

static void set_up(void)
{
    buf_init(&buf);
    line = (struct emf_line){.wall_ms = 1574109732004};
}

static void tear_down(void)
{
    buf_deinit(&buf);
}

TestSuite(emf, .init = set_up, .fini = tear_down);

/* The line as a C string. */
static const char *text(void)
{
    buf_clear(&buf);
    emf_format(&line, &buf);
    buf_append_char(&buf, '\0');
    return buf_str(&buf).data;
}

static bool has(const char *part)
{
    return strstr(text(), part) != NULL;
}

Test(emf, a_line_names_its_metrics_and_has_each_of_them_beside)
{
    line.interval_ms = 60004;
    line.dimension = "backend";
    line.dimension_value = STR("new");
    line.name = STR("lightsail");
    emf_add_count(&line, "Requests", 7);
    emf_add(&line, "WeightPercent", EMF_PERCENT, 1025, 2);
    cr_assert_str_eq(
        text(),
        "{\"time\":\"2019-11-18T20:42:12.004Z\",\"level\":\"info\",\"message\":\"metrics\","
        "\"_aws\":{\"Timestamp\":1574109732004,\"CloudWatchMetrics\":[{\"Namespace\":\"cutover\","
        "\"Dimensions\":[[\"backend\"]],\"Metrics\":[{\"Name\":\"Requests\",\"Unit\":\"Count\"},"
        "{\"Name\":\"WeightPercent\",\"Unit\":\"Percent\"}]}]},\"backend\":\"new\","
        "\"name\":\"lightsail\",\"interval_s\":60.004,\"Requests\":7,\"WeightPercent\":10.25}\n");
}

Test(emf, values_of_the_whole_proxy_have_an_empty_set_of_dimensions)
{
    emf_add_count(&line, "Connections", 3);
    cr_assert(has("\"Dimensions\":[[]]"));
    cr_assert(has("\"Connections\":3}\n"));
    cr_assert(!has("interval_s"));
}

Test(emf, latencies_are_milliseconds)
{
    emf_add_us(&line, "A", 1500.4);
    emf_add_us(&line, "B", 0);
    emf_add_us(&line, "C", 300e6);
    cr_assert(has("\"A\":1.5,\"B\":0,\"C\":300000}"));
    cr_assert(has("{\"Name\":\"A\",\"Unit\":\"Milliseconds\"}"));
}

Test(emf, what_is_no_finite_number_becomes_none)
{
    emf_add_us(&line, "A", NAN);
    emf_add_us(&line, "B", INFINITY);
    emf_add_us(&line, "C", -INFINITY);
    emf_add_count(&line, "D", UINT64_MAX);
    cr_assert(has("\"A\":0,\"B\":0,\"C\":0,\"D\":9223372036854775807}"));
}

Test(emf, a_share_of_nothing_is_left_out)
{
    emf_add_share(&line, "Some", 1, 3);
    emf_add_share(&line, "All", 5, 5);
    emf_add_share(&line, "None", 0, 0);
    cr_assert(has("\"Some\":33.3333,\"All\":100}"));
    cr_assert(!has("None\""));
}

Test(emf, a_number_below_zero_keeps_its_sign)
{
    emf_add(&line, "GuardVerdict", EMF_NONE, -1, 0);
    cr_assert(has("{\"Name\":\"GuardVerdict\",\"Unit\":\"None\"}"));
    cr_assert(has("\"GuardVerdict\":-1}"));
}

Test(emf, a_value_cannot_end_the_line_early)
{
    line.dimension = "route";
    line.dimension_value = STR("a\"\n}");
    emf_add(&line, "Hold", EMF_SECONDS, 5, 0);
    cr_assert(has("\"route\":\"a\\\"\\n}\""));
    cr_assert_eq(strchr(text(), '\n'), text() + strlen(text()) - 1);
}
