/*
 * metrics.c - prom_counters() writes what the workers counted; here stand the gauges that only the
 * control thread knows: weights, health, generation, and the process itself. Plans and what belongs to
 * them are in metrics_plan.c.
 */
#include "control/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "control/certificates.h"
#include "control/meter.h"
#include "control/record.h"
#include "control/status.h"
#include "telemetry/prometheus.h"

void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    prom_family(out, name, "gauge", help);
    prom_sample(out, name, NULL, 0, value);
}

static unsigned weight_of_route(const struct policy *policy, unsigned index)
{
    const struct route *route = &policy->routes[index];
    switch (route->kind) {
    case ROUTE_FOLLOWS:
        return policy->weight;
    case ROUTE_PINNED:
        return route->pin == SIDE_NEW ? WEIGHT_MAX : 0;
    case ROUTE_WEIGHTED:
        return policy->route_weight[index];
    }
    return policy->weight;
}

static void write_weights(const struct policy *policy, struct buf *out)
{
    static const char name[] = "cutover_weight_percent";
    struct prom_label label = {"route", STR(ROUTE_MAIN)};
    prom_family(out, name, "gauge", "Percentage of users that go to new.");
    prom_sample_decimal(out, name, &label, 1, policy->weight, 2);
    for (unsigned i = 0; i < policy->route_count; i++) {
        label.value = policy->routes[i].name;
        prom_sample_decimal(out, name, &label, 1, weight_of_route(policy, i), 2);
    }
}

static void write_backends(const struct controller *controller, struct buf *out)
{
    static const char name[] = "cutover_backend_up";
    prom_family(out, name, "gauge", "1 when a server of the backend has been found up.");
    for (int side = 0; side < SIDES; side++) {
        struct prom_label label = {"backend", str_of(side_name((enum side)side))};
        bool is_up = status_backend_health(controller, (enum side)side) == HEALTH_UP;
        prom_sample(out, name, &label, 1, is_up ? 1 : 0);
    }
}

static void write_admin_states(const struct policy *policy, struct buf *out)
{
    static const char name[] = "cutover_backend_admin";
    prom_family(out, name, "gauge", "1 for the state that an operator has set, 0 for the others.");
    for (int side = 0; side < SIDES; side++) {
        for (int state = ADMIN_READY; state <= ADMIN_MAINT; state++) {
            struct prom_label labels[] = {
                {"backend", str_of(side_name((enum side)side))},
                {"state", str_of(admin_state_name((enum admin_state)state))}};
            prom_sample(out, name, labels, 2, (int)policy->admin[side] == state ? 1 : 0);
        }
    }
}

static uint64_t server_up(const struct server *server)
{
    return server_health(server) == HEALTH_UP ? 1 : 0;
}

static uint64_t server_ejected(const struct server *server)
{
    return server_is_ejected(server, clock_mono_ms()) ? 1 : 0;
}

static void write_servers(const struct controller *controller, const char *name, const char *help,
                          uint64_t (*value)(const struct server *server), struct buf *out)
{
    prom_family(out, name, "gauge", help);
    for (int side = 0; side < SIDES; side++) {
        const struct controller_backend *backend = &controller->backends[side];
        for (unsigned i = 0; i < backend->count; i++) {
            const struct server *server = backend->servers[i].server;
            struct prom_label labels[] = {{"backend", str_of(side_name((enum side)side))},
                                          {"server", str_of(server->url)}};
            prom_sample(out, name, labels, 2, value(server));
        }
    }
}

static uint64_t count_open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;
    if (folder == NULL)
        return 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.' ? 1 : 0;
    closedir(folder);
    return count - 1; /* the folder itself was open */
}

static uint64_t timeval_us(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

static void write_process(uint64_t started_wall_ms, struct buf *out)
{
    static const char cpu[] = "process_cpu_seconds_total";
    static const char start[] = "process_start_time_seconds";
    struct memory_use used = memory_used();
    struct rusage usage;
    struct rlimit files;

    metrics_gauge(out, "process_resident_memory_bytes", "Resident memory in bytes.",
                  used.resident_bytes);
    metrics_gauge(out, "process_virtual_memory_bytes", "Address space in bytes.",
                  used.address_space_bytes);
    metrics_gauge(out, "process_open_fds", "Open file descriptors.", count_open_fds());
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metrics_gauge(out, "process_max_fds", "File descriptors that may be open.", files.rlim_cur);
    prom_family(out, start, "gauge", "When the process was started, in Unix time.");
    prom_sample_decimal(out, start, NULL, 0, started_wall_ms, 3);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        prom_family(out, cpu, "counter", "User and system CPU time in seconds.");
        prom_sample_decimal(out, cpu, NULL, 0,
                            timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime), 6);
    }
}

/* Some events are in memory alone. */
static bool journal_is_behind(const struct controller *controller)
{
    return controller->journal.written_id + 1 < controller->events.next_id;
}

static void write_cutover(const struct controller *controller, struct buf *out)
{
    struct prom_label version = {"version", STR(CUTOVER_VERSION)};
    uint64_t uptime_ms = clock_mono_ms() - controller->started_ms;
    metrics_gauge(out, "cutover_config_generation", "Grows with every change.",
                  controller->generation);
    prom_family(out, "cutover_build_info", "gauge", "Constant 1; the version is in the label.");
    prom_sample(out, "cutover_build_info", &version, 1, 1);
    prom_family(out, "cutover_uptime_seconds", "gauge", "Seconds since the start.");
    prom_sample_decimal(out, "cutover_uptime_seconds", NULL, 0, uptime_ms, 3);
    prom_family(out, "cutover_log_dropped_total", "counter", "Log lines that the sink lost.");
    prom_sample(out, "cutover_log_dropped_total", NULL, 0, log_dropped());
    metrics_gauge(out, "cutover_state_durable", "1 when what is applied is also on disk.",
                  controller->durable ? 1 : 0);
    metrics_gauge(out, "cutover_audit_durable", "1 when every event is also on disk.",
                  journal_is_behind(controller) ? 0 : 1);
    metrics_gauge(out, "cutover_rollback_ready", "1 when old could take all users back now.",
                  controller_rollback_ready(controller) ? 1 : 0);
    metrics_gauge(out, "cutover_draining", "1 while the process ends: nothing new is accepted.",
                  controller->draining ? 1 : 0);
    metrics_gauge(out, "cutover_memory_short",
                  "1 while new connections are turned away for want of memory.",
                  controller->memory.is_short ? 1 : 0);
}

/* Of all certificates for one name on one listener (an RSA and an EC one) the first to end: a series
 * may stand there only once, or Prometheus drops it. */
static bool ends_first(const struct controller *controller, unsigned index)
{
    struct certificate_facts it = certificates_facts(controller->certificates, index);

    for (unsigned i = 0; i < certificates_count(controller->certificates); i++) {
        struct certificate_facts other = certificates_facts(controller->certificates, i);
        bool is_same = str_eq(it.listen, other.listen) && strcmp(it.name, other.name) == 0;

        if (is_same && i != index &&
            (other.not_after_s < it.not_after_s ||
             (other.not_after_s == it.not_after_s && i < index)))
            return false;
    }
    return true;
}

static void write_certificates(const struct controller *controller, struct buf *out)
{
    static const char end[] = "cutover_certificate_expiry_seconds";
    unsigned count = certificates_count(controller->certificates);

    if (count > 0)
        prom_family(out, end, "gauge", "When a certificate ends, in Unix time.");
    for (unsigned i = 0; i < count; i++) {
        struct certificate_facts facts = certificates_facts(controller->certificates, i);
        const struct prom_label labels[] = {{"listen", facts.listen}, {"name", str_of(facts.name)}};

        if (ends_first(controller, i))
            prom_sample_signed(out, end, labels, ARRAY_LEN(labels), facts.not_after_s);
    }
}

void metrics_write(const struct controller *controller, struct buf *out)
{
    struct counters *sum = counters_new();
    controller_sum_counters(controller, sum);
    prom_counters(out, sum, controller->slot_names);
    metrics_write_plans(controller, sum, out);
    counters_free(sum);

    write_weights(&controller->snapshot->policy, out);
    write_backends(controller, out);
    write_admin_states(&controller->snapshot->policy, out);
    write_servers(controller, "cutover_server_up", "1 when the server's last checks found it up.",
                  server_up, out);
    write_servers(controller, "cutover_server_ejected",
                  "1 while the server gets no requests because too many failed in a row.",
                  server_ejected, out);
    write_certificates(controller, out);
    write_cutover(controller, out);
    write_process(meter_started_wall_ms(controller->meter), out);
}
