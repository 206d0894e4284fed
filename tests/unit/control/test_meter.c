/* test_meter.c - totals and metrics of a controller that is nothing but what they look at. */
#include "control/meter.h"

#include <criterion/criterion.h>

#include "base/check.h"
#include "telemetry/evidence.h"

static struct controller controller;
static struct evidence *evidence;
static struct evidence *workers[1];
static struct counters *counters;
static struct counters *all_counters[1];
static struct meter *meter;

static void set_up(void)
{
    evidence = mem_zalloc(PLANS_MAX, sizeof(*evidence));
    counters = counters_new();
    workers[0] = evidence;
    all_counters[0] = counters;
    controller = (struct controller){
        .slot_names = {[0] = STR("main"), [4] = STR("products"), [7] = STR("search")},
        .plan_names = {[0] = STR("main"), [2] = STR("products")},
        .counters = all_counters,
        .counters_count = 1,
        .evidence = workers,
    };
    meter = meter_new(&controller);
}

static void tear_down(void)
{
    meter_free(meter);
    counters_free(counters);
    mem_free(evidence);
}

TestSuite(meter, .init = set_up, .fini = tear_down);

static void count(unsigned index, enum side side, size_t cell_offset, uint32_t number)
{
    size_t cell = cell_offset / sizeof(uint32_t);
    atomic_fetch_add(&evidence[index].cell[side][cell], number);
}

static void requests(unsigned index, enum side side, unsigned group, uint32_t number)
{
    count(index, side, offsetof(struct sample, requests) + group * sizeof(uint32_t), number);
}

Test(meter, what_was_counted_belongs_to_the_route_and_side)
{
    requests(0, SIDE_OLD, 0, 5);
    requests(0, SIDE_OLD, 31, 6);
    requests(2, SIDE_NEW, 3, 7);
    count(2, SIDE_NEW, offsetof(struct sample, errors) + SAMPLE_TLS * sizeof(uint32_t), 2);
    meter_update(meter);
    cr_expect_eq(meter_total(meter, 0, SIDE_OLD)->requests, 11);
    cr_expect_eq(meter_total(meter, 0, SIDE_NEW)->requests, 0);
    cr_expect_eq(meter_total(meter, 4, SIDE_NEW)->requests, 7);
    cr_expect_eq(meter_total(meter, 4, SIDE_NEW)->errors[SAMPLE_TLS], 2);
    cr_expect_eq(meter_total(meter, 4, SIDE_NEW)->errors[SAMPLE_5XX], 0);
}

Test(meter, a_look_without_anything_new_changes_nothing)
{
    requests(0, SIDE_OLD, 0, 5);
    for (unsigned i = 0; i < 10; i++)
        meter_update(meter);
    cr_expect_eq(meter_total(meter, 0, SIDE_OLD)->requests, 5);
}

/* Never down, and nothing lost, when the cells begin anew at 0. */
Test(meter, totals_go_on_where_the_cells_wrap_around)
{
    uint64_t wanted = 0;

    for (unsigned i = 0; i < 10; i++) {
        uint64_t before = meter_total(meter, 0, SIDE_NEW)->requests;

        requests(0, SIDE_NEW, 1, 1500000000);
        requests(0, SIDE_NEW, 2, 1500000000);
        count(0, SIDE_NEW, offsetof(struct sample, errors), 3000000000);
        wanted += 3000000000;
        meter_update(meter);
        cr_assert_gt(meter_total(meter, 0, SIDE_NEW)->requests, before);
    }
    cr_expect_eq(meter_total(meter, 0, SIDE_NEW)->requests, wanted);
    cr_expect_eq(meter_total(meter, 0, SIDE_NEW)->errors[0], wanted);
}

/* A reload has taken the plan of products away, and given its place to search. */
Test(meter, a_place_that_goes_to_another_plan_takes_no_total_with_it)
{
    requests(2, SIDE_NEW, 0, 7);
    meter_update(meter);
    controller.plan_names[2] = STR("search");
    requests(2, SIDE_NEW, 0, 3);
    meter_update(meter);
    cr_expect_eq(meter_total(meter, 4, SIDE_NEW)->requests, 7);
    cr_expect_eq(meter_total(meter, 7, SIDE_NEW)->requests, 3);
}
