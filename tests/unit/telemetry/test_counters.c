#include "telemetry/counters.h"

#include <criterion/criterion.h>
#include <pthread.h>

Test(counters, new_ones_are_zero_and_can_be_counted_up_and_down)
{
    struct counters *counters = counters_new();
    cr_assert_eq(counter_read(&counters->connections), 0);
    counter_add(&counters->connections, 3);
    counter_sub(&counters->connections, 2);
    cr_assert_eq(counter_read(&counters->connections), 1);
    counters_free(counters);
}

/* Every counter gets a number of its own, so that none can be mixed up or left out. */
Test(counters, a_sum_has_every_counter)
{
    struct counters *a = counters_new();
    struct counters *b = counters_new();
    struct counters *sum = counters_new();
    size_t count = sizeof(struct counters) / sizeof(counter);
    for (size_t i = 0; i < count; i++) {
        counter_add((counter *)(void *)a + i, i + 1);
        counter_add((counter *)(void *)b + i, 1000000);
    }
    counters_sum(sum, a);
    counters_sum(sum, b);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(counter_read((counter *)(void *)sum + i), i + 1 + 1000000);
    cr_assert_eq(counter_read(&sum->requests[0][0][0][0]), 1000001);
    cr_assert_eq(counter_read(&sum->first_byte[1].sum_us), count + 1000000);
    counters_free(a);
    counters_free(b);
    counters_free(sum);
}

#define WORKERS 2
#define ROUNDS  200000

static void *work(void *argument)
{
    struct counters *counters = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        counter_add(&counters->connections, 1);
        counter_add(&counters->requests[SIDE_NEW][0][REASON_COOKIE][2], 1);
        histogram_note(&counters->duration[SIDE_NEW], i);
        counter_sub(&counters->connections, 1);
    }
    return NULL;
}

static uint64_t requests_of(struct counters *const workers[WORKERS])
{
    struct counters *sum = counters_new();
    for (unsigned i = 0; i < WORKERS; i++)
        counters_sum(sum, workers[i]);
    uint64_t requests = counter_read(&sum->requests[SIDE_NEW][0][REASON_COOKIE][2]);
    cr_assert_leq(counter_read(&sum->connections), WORKERS);
    counters_free(sum);
    return requests;
}

Test(counters, sums_are_exact_while_workers_count)
{
    struct counters *workers[WORKERS];
    pthread_t threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = counters_new();
        cr_assert_eq(pthread_create(&threads[i], NULL, work, workers[i]), 0);
    }
    uint64_t before = 0;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t now = requests_of(workers);
        cr_assert_geq(now, before);
        before = now;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(requests_of(workers), WORKERS * ROUNDS);
    for (unsigned i = 0; i < WORKERS; i++)
        counters_free(workers[i]);
}

Test(counters, a_status_has_a_class)
{
    cr_assert_eq(status_class(101), 1);
    cr_assert_eq(status_class(204), 2);
    cr_assert_eq(status_class(599), 5);
    cr_assert_eq(status_class(0), 0);
    cr_assert_eq(status_class(99), 0);
    cr_assert_eq(status_class(600), 0);
}
