#include "telemetry/prometheus.h"

#include <criterion/criterion.h>

static struct buf buf;
static struct counters *sum;
static struct str slots[ROUTE_SLOTS];

static void set_up(void)
{
    buf_init(&buf);
    sum = counters_new();
    slots[0] = STR(ROUTE_MAIN);
    slots[5] = STR("products");
}

static void tear_down(void)
{
    buf_deinit(&buf);
    counters_free(sum);
}

TestSuite(prometheus, .init = set_up, .fini = tear_down);

/* What was written so far, as a C string. */
static const char *text(void)
{
    buf_append_char(&buf, '\0');
    buf.end--;
    return buf_str(&buf).data;
}

static const char *metrics(void)
{
    buf_clear(&buf);
    prom_counters(&buf, sum, slots);
    return text();
}

static bool has_line(const char *all, const char *line)
{
    size_t len = strlen(line);
    for (const char *at = strstr(all, line); at != NULL; at = strstr(at + 1, line))
        if ((at == all || at[-1] == '\n') && at[len] == '\n')
            return true;
    return false;
}

Test(prometheus, a_family_has_help_and_type)
{
    prom_family(&buf, "x_total", "counter", "A \\ and\na \"line\".");
    cr_assert_str_eq(text(), "# HELP x_total A \\\\ and\\na \"line\".\n# TYPE x_total counter\n");
}

Test(prometheus, a_sample_has_its_labels_escaped)
{
    const struct prom_label labels[] = {{"a", STR("x\"y\\z\n")}, {"b", STR("\xc3\xbc")}};
    prom_sample(&buf, "x", labels, 2, UINT64_MAX);
    prom_sample(&buf, "y", NULL, 0, 0);
    cr_assert_str_eq(text(), "x{a=\"x\\\"y\\\\z\\n\",b=\"\xc3\xbc\"} 18446744073709551615\ny 0\n");
}

Test(prometheus, decimals_are_exact_and_short)
{
    prom_sample_decimal(&buf, "x", NULL, 0, 1025, 2);
    prom_sample_decimal(&buf, "x", NULL, 0, 3000, 2);
    prom_sample_decimal(&buf, "x", NULL, 0, 1, 6);
    prom_sample_decimal(&buf, "x", NULL, 0, 0, 2);
    prom_sample_decimal(&buf, "x", NULL, 0, 1500050, 6);
    cr_assert_str_eq(text(), "x 10.25\nx 30\nx 0.000001\nx 0\nx 1.50005\n");
}

Test(prometheus, a_number_below_zero_keeps_its_sign)
{
    const struct prom_label label = {"route", STR("main")};
    prom_sample_signed(&buf, "x", &label, 1, -1);
    prom_sample_signed(&buf, "x", NULL, 0, INT64_MIN);
    cr_assert_str_eq(text(), "x{route=\"main\"} -1\nx -9223372036854775808\n");
}

Test(prometheus, a_histogram_is_cumulative_and_in_seconds)
{
    struct histogram histogram = {0};
    histogram_note(&histogram, 500);
    histogram_note(&histogram, 501);
    histogram_note(&histogram, 301000000);
    const struct prom_label label = {"backend", STR("new")};
    prom_histogram(&buf, "x_seconds", &label, 1, &histogram);
    const char *all = text();
    cr_assert(has_line(all, "x_seconds_bucket{backend=\"new\",le=\"0.0005\"} 1"));
    cr_assert(has_line(all, "x_seconds_bucket{backend=\"new\",le=\"0.001\"} 2"));
    cr_assert(has_line(all, "x_seconds_bucket{backend=\"new\",le=\"2.5\"} 2"));
    cr_assert(has_line(all, "x_seconds_bucket{backend=\"new\",le=\"300\"} 2"));
    cr_assert(has_line(all, "x_seconds_bucket{backend=\"new\",le=\"+Inf\"} 3"));
    cr_assert(has_line(all, "x_seconds_sum{backend=\"new\"} 301.001001"));
    cr_assert(has_line(all, "x_seconds_count{backend=\"new\"} 3"));
}

Test(prometheus, both_backends_show_from_the_start)
{
    static const char *const lines[] = {
        "cutover_requests_total{backend=\"old\",route=\"main\",reason=\"cookie\",code=\"2xx\"} 0",
        "cutover_requests_total{backend=\"new\",route=\"main\",reason=\"cookie\",code=\"2xx\"} 0",
        "cutover_refused_total{code=\"4xx\"} 0",
        "cutover_refused_total{code=\"5xx\"} 0",
        "cutover_attempts_total{backend=\"old\",outcome=\"ok\"} 0",
        "cutover_attempts_total{backend=\"new\",outcome=\"ok\"} 0",
        "cutover_request_duration_seconds_count{backend=\"old\"} 0",
        "cutover_first_byte_seconds_count{backend=\"new\"} 0",
        "cutover_failovers_total{from=\"old\"} 0",
        "cutover_retries_total{backend=\"new\"} 0",
        "cutover_tunnels{backend=\"old\"} 0",
        "cutover_connections{side=\"client\"} 0",
        "cutover_connections{side=\"old\"} 0",
        "cutover_connections{side=\"new\"} 0",
        "cutover_client_connections_total 0",
        "cutover_body_bytes_total{backend=\"old\",direction=\"in\"} 0",
        "cutover_body_bytes_total{backend=\"new\",direction=\"out\"} 0",
        "# TYPE cutover_requests_total counter",
        "# TYPE cutover_connections gauge",
        "# TYPE cutover_first_byte_seconds histogram",
    };
    const char *all = metrics();
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        cr_assert(has_line(all, lines[i]), "%s", lines[i]);
}

Test(prometheus, only_series_that_say_something_are_written)
{
    const char *all = metrics();
    cr_assert_null(strstr(all, "code=\"none\""));
    cr_assert_null(strstr(all, "reason=\"draw\""));
    cr_assert_null(strstr(all, "products"));
    cr_assert_null(strstr(all, "connect_refused"));
}

Test(prometheus, what_was_counted_is_written_where_it_belongs)
{
    counter_add(&sum->requests[SIDE_NEW][5][REASON_DRAW][5], 7);
    counter_add(&sum->requests[SIDE_OLD][0][REASON_PIN][0], 8);
    counter_add(&sum->refused[4], 9);
    counter_add(&sum->attempts[SIDE_NEW][OUTCOME_CONNECT_REFUSED], 10);
    counter_add(&sum->failovers[SIDE_NEW], 11);
    counter_add(&sum->tunnels[SIDE_OLD], 12);
    counter_add(&sum->connections, 13);
    counter_add(&sum->upstreams[SIDE_NEW], 14);
    counter_add(&sum->bytes_out[SIDE_NEW], 15);
    counter_add(&sum->retries[SIDE_OLD], 16);
    const char *all = metrics();
    static const char *const lines[] = {
        "cutover_requests_total{backend=\"new\",route=\"products\",reason=\"draw\",code=\"5xx\"} 7",
        "cutover_requests_total{backend=\"old\",route=\"main\",reason=\"pin\",code=\"none\"} 8",
        "cutover_refused_total{code=\"4xx\"} 9",
        "cutover_attempts_total{backend=\"new\",outcome=\"connect_refused\"} 10",
        "cutover_failovers_total{from=\"new\"} 11",
        "cutover_tunnels{backend=\"old\"} 12",
        "cutover_connections{side=\"client\"} 13",
        "cutover_connections{side=\"new\"} 14",
        "cutover_body_bytes_total{backend=\"new\",direction=\"out\"} 15",
        "cutover_retries_total{backend=\"old\"} 16",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        cr_assert(has_line(all, lines[i]), "%s", lines[i]);
}

/* A series may stand there only once, or the scrape is refused as a whole. */
Test(prometheus, no_series_is_written_twice)
{
    counter *all_counters = (counter *)(void *)sum;
    for (size_t i = 0; i < sizeof(*sum) / sizeof(counter); i++)
        counter_add(&all_counters[i], 1);
    struct str rest = str_of(metrics());
    struct str line;
    while (str_next_part(&rest, '\n', &line)) {
        ptrdiff_t end = str_find_char(line, '}', 0);
        if (end < 0 || line.data[0] == '#')
            continue;
        cr_assert_null(memmem(rest.data, rest.len, line.data, (size_t)end + 1), "%.*s",
                       STR_ARG(line));
    }
}
