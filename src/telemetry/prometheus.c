/*
 * prometheus.c - what /metrics answers, from sums that the control thread has made.
 *
 * Only series that say something are written: the requests alone could be thousands of lines. The
 * ones that alerts and rates need from the start (both backends, with zeros) always stand there.
 */
#include "telemetry/prometheus.h"

#include <inttypes.h>

#include "base/check.h"

#define SECONDS_DECIMALS 6 /* durations are kept in microseconds */
#define LABELS_MAX       8

/* Backslash and line feed, and the quote inside of a label's value. */
static void put_escaped(struct buf *out, struct str text, bool is_label)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' || c == '\n' || (c == '"' && is_label)) {
            buf_append_char(out, '\\');
            c = c == '\n' ? 'n' : c;
        }
        buf_append_char(out, c);
    }
}

void prom_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    put_escaped(out, str_of(help), false);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void put_label(struct buf *out, const struct prom_label *label, bool is_first)
{
    buf_append_char(out, is_first ? '{' : ',');
    buf_append_str(out, str_of(label->name));
    buf_append_str(out, STR("=\""));
    put_escaped(out, label->value, true);
    buf_append_char(out, '"');
}

/* NAME{LABELS}, and the space before the value. */
static void put_series(struct buf *out, const char *name, const char *suffix,
                       const struct prom_label *labels, unsigned label_count)
{
    buf_append_str(out, str_of(name));
    buf_append_str(out, str_of(suffix));
    for (unsigned i = 0; i < label_count; i++)
        put_label(out, &labels[i], i == 0);
    if (label_count > 0)
        buf_append_char(out, '}');
    buf_append_char(out, ' ');
}

/* value / 10^decimals, without the zeros at its end. */
static void put_decimal(struct buf *out, uint64_t value, unsigned decimals)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < decimals; i++)
        unit *= 10;
    buf_printf(out, "%" PRIu64, value / unit);
    uint64_t rest = value % unit;
    if (rest == 0)
        return;
    while (rest % 10 == 0) {
        rest /= 10;
        decimals--;
    }
    buf_printf(out, ".%0*" PRIu64, (int)decimals, rest);
}

void prom_sample_decimal(struct buf *out, const char *name, const struct prom_label *labels,
                         unsigned label_count, uint64_t value, unsigned decimals)
{
    CHECK(decimals < 20);
    put_series(out, name, "", labels, label_count);
    put_decimal(out, value, decimals);
    buf_append_char(out, '\n');
}

void prom_sample(struct buf *out, const char *name, const struct prom_label *labels,
                 unsigned label_count, uint64_t value)
{
    prom_sample_decimal(out, name, labels, label_count, value, 0);
}

void prom_sample_signed(struct buf *out, const char *name, const struct prom_label *labels,
                        unsigned label_count, int64_t value)
{
    put_series(out, name, "", labels, label_count);
    buf_printf(out, "%" PRId64 "\n", value);
}

/* The bound of a bucket in seconds, as its "le" label says it. */
static struct str bound_text(unsigned index, struct buf *text)
{
    if (histogram_bound_us(index) == UINT64_MAX)
        return STR("+Inf");
    buf_clear(text);
    put_decimal(text, histogram_bound_us(index), SECONDS_DECIMALS);
    return buf_str(text);
}

/* The lines of the buckets; returns how many durations there are in all. */
static uint64_t put_buckets(struct buf *out, const char *name, const struct prom_label *labels,
                            unsigned label_count, const struct histogram *histogram)
{
    CHECK(label_count < LABELS_MAX);
    struct prom_label with_bound[LABELS_MAX];
    for (unsigned i = 0; i < label_count; i++)
        with_bound[i] = labels[i];
    struct buf text = BUF_EMPTY;
    uint64_t total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        total += counter_read(&histogram->bucket[i]);
        with_bound[label_count] = (struct prom_label){"le", bound_text(i, &text)};
        put_series(out, name, "_bucket", with_bound, label_count + 1);
        buf_printf(out, "%" PRIu64 "\n", total);
    }
    buf_deinit(&text);
    return total;
}

void prom_histogram(struct buf *out, const char *name, const struct prom_label *labels,
                    unsigned label_count, const struct histogram *histogram)
{
    uint64_t total = put_buckets(out, name, labels, label_count, histogram);
    put_series(out, name, "_sum", labels, label_count);
    put_decimal(out, counter_read(&histogram->sum_us), SECONDS_DECIMALS);
    buf_append_char(out, '\n');
    put_series(out, name, "_count", labels, label_count);
    buf_printf(out, "%" PRIu64 "\n", total);
}

static struct str class_text(unsigned class)
{
    static const char *const texts[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    return str_of(texts[class]);
}

static struct prom_label backend_label(enum side side)
{
    return (struct prom_label){"backend", str_of(side_name(side))};
}

/* All series of one backend and one route; the main route's "cookie" and "2xx" even when zero. */
static void put_requests(struct buf *out, const struct counters *sum, enum side side, unsigned slot,
                         struct str route)
{
    for (unsigned cell = 0; cell < REASON_COUNT * STATUS_CLASSES; cell++) {
        enum reason reason = (enum reason)(cell / STATUS_CLASSES);
        unsigned class = cell % STATUS_CLASSES;
        uint64_t value = counter_read(&sum->requests[side][slot][reason][class]);
        bool is_base = slot == 0 && reason == REASON_COOKIE && class == 2;
        if (value == 0 && !is_base)
            continue;
        const struct prom_label labels[] = {backend_label(side),
                                            {"route", route},
                                            {"reason", str_of(reason_name(reason))},
                                            {"code", class_text(class)}};
        prom_sample(out, "cutover_requests_total", labels, ARRAY_LEN(labels), value);
    }
}

static void put_all_requests(struct buf *out, const struct counters *sum,
                             const struct str slot_name[ROUTE_SLOTS])
{
    prom_family(out, "cutover_requests_total", "counter",
                "Requests that have ended, by the backend they were sent to.");
    for (unsigned slot = 0; slot < ROUTE_SLOTS; slot++) {
        struct str route = slot == 0 ? STR(ROUTE_MAIN) : slot_name[slot];
        if (!str_is_empty(route)) {
            put_requests(out, sum, SIDE_OLD, slot, route);
            put_requests(out, sum, SIDE_NEW, slot, route);
        }
    }
}

static void put_refused(struct buf *out, const struct counters *sum)
{
    prom_family(out, "cutover_refused_total", "counter",
                "Requests answered by the proxy itself before a backend was decided.");
    for (unsigned class = 0; class < STATUS_CLASSES; class ++) {
        uint64_t value = counter_read(&sum->refused[class]);
        bool is_base = class == 4 || class == 5;
        if (value > 0 || is_base) {
            const struct prom_label label = {"code", class_text(class)};
            prom_sample(out, "cutover_refused_total", &label, 1, value);
        }
    }
}

static void put_attempts(struct buf *out, const struct counters *sum)
{
    prom_family(out, "cutover_attempts_total", "counter",
                "Tries at a server of a backend, by how they ended.");
    for (unsigned cell = 0; cell < SIDES * OUTCOME_COUNT; cell++) {
        enum side side = (enum side)(cell / OUTCOME_COUNT);
        enum outcome outcome = (enum outcome)(cell % OUTCOME_COUNT);
        uint64_t value = counter_read(&sum->attempts[side][outcome]);
        if (value > 0 || outcome == OUTCOME_OK) {
            const struct prom_label labels[] = {backend_label(side),
                                                {"outcome", str_of(outcome_row(outcome)->token)}};
            prom_sample(out, "cutover_attempts_total", labels, ARRAY_LEN(labels), value);
        }
    }
}

static void put_histograms(struct buf *out, const char *name, const char *help,
                           const struct histogram histograms[SIDES])
{
    prom_family(out, name, "histogram", help);
    for (unsigned side = 0; side < SIDES; side++) {
        const struct prom_label label = backend_label((enum side)side);
        prom_histogram(out, name, &label, 1, &histograms[side]);
    }
}

/* A family with one value for each side. */
static void put_sides(struct buf *out, const char *name, const char *type, const char *help,
                      const char *label_name, const counter values[SIDES])
{
    prom_family(out, name, type, help);
    for (unsigned side = 0; side < SIDES; side++) {
        const struct prom_label label = {label_name, str_of(side_name((enum side)side))};
        prom_sample(out, name, &label, 1, counter_read(&values[side]));
    }
}

static void put_connections(struct buf *out, const struct counters *sum)
{
    put_sides(out, "cutover_connections", "gauge",
              "Open connections, of clients and to the servers of each backend.", "side",
              sum->upstreams);
    const struct prom_label client = {"side", STR("client")};
    prom_sample(out, "cutover_connections", &client, 1, counter_read(&sum->connections));

    prom_family(out, "cutover_client_connections_total", "counter",
                "Connections of clients accepted since the start.");
    prom_sample(out, "cutover_client_connections_total", NULL, 0,
                counter_read(&sum->connections_total));
}

static void put_handshakes(struct buf *out, const struct counters *sum)
{
    static const char *const names[] = {
#define X(id, name) name,
        HANDSHAKES(X)
#undef X
    };

    prom_family(out, "cutover_tls_handshakes_total", "counter", "TLS handshakes with clients.");
    for (unsigned how = 0; how < HANDSHAKE_COUNT; how++) {
        const struct prom_label label = {"result", str_of(names[how])};
        prom_sample(out, "cutover_tls_handshakes_total", &label, 1,
                    counter_read(&sum->handshakes[how]));
    }
}

static void put_bytes(struct buf *out, const struct counters *sum)
{
    prom_family(out, "cutover_body_bytes_total", "counter",
                "Bytes of bodies: in from clients, out to clients.");
    for (unsigned side = 0; side < SIDES; side++) {
        const struct prom_label in[] = {backend_label((enum side)side), {"direction", STR("in")}};
        const struct prom_label to[] = {in[0], {"direction", STR("out")}};
        prom_sample(out, "cutover_body_bytes_total", in, 2, counter_read(&sum->bytes_in[side]));
        prom_sample(out, "cutover_body_bytes_total", to, 2, counter_read(&sum->bytes_out[side]));
    }
}

void prom_counters(struct buf *out, const struct counters *sum,
                   const struct str slot_name[ROUTE_SLOTS])
{
    put_all_requests(out, sum, slot_name);
    put_refused(out, sum);
    put_attempts(out, sum);
    put_histograms(out, "cutover_request_duration_seconds",
                   "From the request head to the end of the response, tunnels left out.",
                   sum->duration);
    put_histograms(out, "cutover_first_byte_seconds",
                   "From the decision to the first byte of the response head.", sum->first_byte);
    put_sides(out, "cutover_failovers_total", "counter",
              "Requests sent to the other backend because theirs could not take them.", "from",
              sum->failovers);
    put_sides(out, "cutover_retries_total", "counter", "Attempts after the first, by backend.",
              "backend", sum->retries);
    put_sides(out, "cutover_tunnels", "gauge", "Open tunnels (WebSockets).", "backend",
              sum->tunnels);
    put_connections(out, sum);
    put_handshakes(out, sum);
    put_bytes(out, sum);
}
