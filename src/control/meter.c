/*
 * meter.c - a second's timer over the sums of the workers.
 *
 * The evidence's cells wrap around, and a place among them may be another plan's after a reload: so
 * each look adds the difference to the last one to the totals of the route whose place it is now.
 * One look a second is often enough for a cell of 32 bits by far.
 */
#include "control/meter.h"

#include "base/check.h"
#include "base/clock.h"
#include "control/emf_lines.h"

#define TICK_MS 1000

/* As read last: the cells themselves, in 32 bits, since it is their difference that counts. */
struct seen {
    uint32_t requests;
    uint32_t errors[SAMPLE_ERROR_COUNT];
};

struct meter {
    struct controller *controller; /* borrowed */
    uv_timer_t timer;
    bool is_started;
    uint64_t started_wall_ms;
    struct seen seen[PLANS_MAX][SIDES];
    struct meter_total totals[ROUTE_SLOTS][SIDES];
    struct emf_lines emf;
};

/* The slot of the route that has place `index` of the evidence; main's where names have run out. */
static unsigned slot_of_plan(const struct controller *controller, unsigned index)
{
    for (unsigned slot = 0; slot < ROUTE_SLOTS; slot++)
        if (str_eq(controller->slot_names[slot], controller->plan_names[index]))
            return slot;
    return 0;
}

static void take(struct meter_total *total, struct seen *seen, const struct sample *sample)
{
    uint32_t requests = (uint32_t)sample_requests(sample);

    total->requests += (uint32_t)(requests - seen->requests);
    seen->requests = requests;
    for (unsigned i = 0; i < SAMPLE_ERROR_COUNT; i++) {
        total->errors[i] += (uint32_t)(sample->errors[i] - seen->errors[i]);
        seen->errors[i] = sample->errors[i];
    }
}

void meter_update(struct meter *meter)
{
    const struct controller *controller = meter->controller;
    struct sample sum[SIDES];

    for (unsigned index = 0; index < PLANS_MAX; index++) {
        unsigned slot = slot_of_plan(controller, index);

        if (str_is_empty(controller->plan_names[index]))
            continue;
        controller_sum_evidence(controller, index, sum);
        for (unsigned side = 0; side < SIDES; side++)
            take(&meter->totals[slot][side], &meter->seen[index][side], &sum[side]);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct meter *meter = timer->data;

    meter_update(meter);
    emf_lines_tick(&meter->emf, meter->controller, clock_mono_ms());
}

struct meter *meter_new(struct controller *controller)
{
    struct meter *meter = mem_zalloc(1, sizeof(*meter));

    meter->controller = controller;
    meter->started_wall_ms = clock_wall_ms();
    return meter;
}

void meter_start(struct meter *meter)
{
    CHECK(uv_timer_init(meter->controller->loop, &meter->timer) == 0);
    meter->timer.data = meter;
    meter->is_started = true;
    emf_lines_tick(&meter->emf, meter->controller, clock_mono_ms());
    CHECK(uv_timer_start(&meter->timer, on_timer, TICK_MS, TICK_MS) == 0);
}

void meter_stop(struct meter *meter)
{
    if (!meter->is_started)
        return;
    meter->is_started = false;
    emf_lines_finish(&meter->emf, meter->controller, clock_mono_ms());
    uv_close((uv_handle_t *)&meter->timer, NULL);
}

void meter_free(struct meter *meter)
{
    if (meter == NULL)
        return;
    emf_lines_deinit(&meter->emf);
    mem_free(meter);
}

const struct meter_total *meter_total(const struct meter *meter, unsigned slot, enum side side)
{
    CHECK(slot < ROUTE_SLOTS);
    return &meter->totals[slot][side];
}

uint64_t meter_started_wall_ms(const struct meter *meter)
{
    return meter->started_wall_ms;
}
