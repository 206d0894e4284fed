/* life.c - what both kinds of life have in common. */
#include "life.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "texts.h"

/* A worker that has not ended by then hangs. */
#define HANG_MS 60000

static void on_drained(void *data)
{
    struct life *life = data;
    uv_async_t *wake = life->wake;

    /* Read before: whoever sees the last one may free it all. */
    atomic_fetch_add(&life->drained, 1);
    if (wake != NULL)
        uv_async_send(wake);
}

bool life_open(struct life *life, const char *name, struct dice *dice, bool fails)
{
    unsigned wanted = 1 + dice_below(dice, LIFE_WORKERS);
    struct addr addresses[TEXT_LISTENERS];
    struct error error;

    *life = (struct life){
        .name = name,
        .common = {.connections_max = 10000, .via = "cutover-5702", .on_drained = on_drained}};
    life->common.on_drained_data = life;
    life->common.tally = tally_new();
    atomic_init(&life->common.draws, dice_throw(dice));
    for (unsigned i = 0; i < TEXT_LISTENERS; i++)
        addresses[i] = storm_addr(PLACE_PROXY, 0);
    for (unsigned i = 0; i < wanted; i++) {
        /* The last socket of the last worker: all before it are undone. */
        if (fails && i == wanted - 1)
            CHECK(addr_parse(STR("192.0.2.1:80"), &addresses[TEXT_LISTENERS - 1]));
        struct worker *worker = worker_new(i, &life->common, addresses, TEXT_LISTENERS, &error);
        if (worker == NULL) {
            if (!fails)
                storm_fault("%s: %s", name, error.text);
            return false;
        }
        life->workers[i] = worker;
        life->counters[i] = worker->counters;
        life->evidence[i] = worker->evidence;
        life->count++;
    }
    return true;
}

void life_publish(struct life *life, struct snapshot *snapshot)
{
    for (unsigned i = 0; i < life->count; i++)
        worker_publish(life->workers[i], snapshot);
}

static void set_doors(const uint16_t ports[DOORS])
{
    for (int i = 0; i < DOORS; i++)
        atomic_store_explicit(&doors.ports[i], ports[i], memory_order_relaxed);
}

void life_go(struct life *life, uint16_t admin)
{
    uint16_t ports[DOORS] = {[DOOR_ADMIN] = admin};
    struct error error;

    for (; life->started < life->count; life->started++)
        if (!worker_start(life->workers[life->started], &error))
            storm_fault("%s: %s", life->name, error.text);
    for (unsigned i = 0; i < TEXT_LISTENERS; i++)
        ports[i] = addr_port(&life->workers[0]->listeners[i].address);
    set_doors(ports);
    atomic_fetch_add(&doors.season, 1);
}

void life_shut(void)
{
    atomic_fetch_add(&doors.season, 1);
    set_doors((const uint16_t[DOORS]){0});
}

void life_set_stage(struct life *life, enum worker_stage stage)
{
    for (unsigned i = 0; i < life->started; i++)
        worker_set_stage(life->workers[i], stage);
}

bool life_is_drained(const struct life *life)
{
    return atomic_load(&life->drained) == life->started;
}

void life_join(struct life *life)
{
    uint64_t end_ms = storm_now_ms() + HANG_MS;

    while (!life_is_drained(life)) {
        if (storm_now_ms() > end_ms) {
            storm_fault("%s: a worker does not end", life->name);
            abort();
        }
        storm_sleep_us(200);
    }
    for (unsigned i = 0; i < life->started; i++)
        worker_join(life->workers[i]);
}

/* ---- the end ---- */

static void add_requests(const struct counters *sum)
{
    uint64_t requests = 0;

    for (int side = 0; side < SIDES; side++)
        for (unsigned slot = 0; slot < ROUTE_SLOTS; slot++)
            for (unsigned reason = 0; reason < REASON_COUNT; reason++)
                for (unsigned class = 0; class < STATUS_CLASSES; class ++)
                    requests += counter_read(&sum->requests[side][slot][reason][class]);
    for (unsigned class = 0; class < STATUS_CLASSES; class ++)
        requests += counter_read(&sum->refused[class]);
    atomic_fetch_add_explicit(&counts.counted, requests, memory_order_relaxed);
}

static void judge_gauge(const struct life *life, const char *name, uint64_t left)
{
    if (left != 0)
        storm_fault("%s: the gauge %s is left at %lld", life->name, name, (long long)left);
}

/* Each attempt that failed did so in one way, and was an attempt. */
static void judge_evidence(const struct life *life)
{
    struct sample *seen = mem_zalloc(SIDES, sizeof(*seen));

    for (unsigned i = 0; i < life->count; i++)
        for (unsigned plan = 0; plan < PLANS_MAX; plan++)
            evidence_sum(seen, &life->evidence[i][plan]);
    for (int side = 0; side < SIDES; side++) {
        uint64_t errors = 0;
        for (unsigned kind = 0; kind < SAMPLE_ERROR_COUNT; kind++)
            errors += seen[side].errors[kind];
        if (errors != sample_failed(&seen[side]) || errors > sample_requests(&seen[side]) ||
            sample_latency_count(&seen[side].total) > sample_requests(&seen[side]))
            storm_fault("%s: evidence that contradicts itself: %llu errors, %llu failed of %llu",
                        life->name, (unsigned long long)errors,
                        (unsigned long long)sample_failed(&seen[side]),
                        (unsigned long long)sample_requests(&seen[side]));
        atomic_fetch_add_explicit(&counts.compared, sample_requests(&seen[side]),
                                  memory_order_relaxed);
    }
    mem_free(seen);
}

static void judge_counters(const struct life *life)
{
    struct counters *sum = counters_new();

    for (unsigned i = 0; i < life->count; i++)
        counters_sum(sum, life->counters[i]);
    add_requests(sum);
    judge_gauge(life, "connections", counter_read(&sum->connections));
    judge_gauge(life, "writes_open", counter_read(&sum->writes_open));
    judge_gauge(life, "connections of all", atomic_load(&life->common.connections));
    for (int side = 0; side < SIDES; side++) {
        judge_gauge(life, "tunnels", counter_read(&sum->tunnels[side]));
        judge_gauge(life, "upstreams", counter_read(&sum->upstreams[side]));
    }
    counters_free(sum);
}

void life_close(struct life *life)
{
    judge_counters(life);
    judge_evidence(life);
    for (unsigned i = 0; i < life->count; i++)
        worker_free(life->workers[i]);
    life->count = 0;
    if (tally_addresses(life->common.tally) != 0)
        storm_fault("%s: %zu clients still have connections", life->name,
                    tally_addresses(life->common.tally));
    tally_free(life->common.tally);
}
