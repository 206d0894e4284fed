/*
 * life_ruled.c - a real controller on a loop of its own, as in src/server.c: orders and reloads on
 * its thread, the admin API from another one, files that change under it.
 */
#include "life.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "certs.h"
#include "control/admin.h"
#include "control/metrics.h"
#include "control/orders.h"
#include "control/steps.h"
#include "noise.h"
#include "origin.h"
#include "texts.h"
#include "wire.h"
#include "witness.h"

struct ruled {
    struct life life;
    struct dice dice;
    uv_loop_t loop;
    struct stream_loop io; /* loop.data */
    uv_async_t wake;       /* a worker has ended */
    uv_timer_t step;
    struct controller controller;
    struct admin *admin;
    struct config *config;
    char *path;
    unsigned generation; /* of the file */
    uint64_t drain_at_ms, cut_at_ms;
    bool is_draining, is_cut, is_ending;
    pthread_t asker;
    _Atomic bool asker_is_over;
};

/* ---- files ---- */

static void write_file(struct ruled *ruled, bool is_good)
{
    struct buf text = BUF_EMPTY;
    FILE *file = fopen(ruled->path, "w");

    CHECK(file != NULL);
    text_write(&ruled->dice, ++ruled->generation, &text);
    if (!is_good)
        buf_printf(&text, "nonsense: 1\n");
    CHECK(fwrite(text.data + text.start, 1, buf_len(&text), file) == buf_len(&text));
    CHECK(fclose(file) == 0);
    buf_deinit(&text);
}

/* ---- orders ---- */

static const struct control_request storm_itself = {.actor = STR_INIT("storm"),
                                                    .reason = STR_INIT("to see what happens")};

static void reload(struct ruled *ruled)
{
    struct config_problems problems;
    struct error error = {.text = ""};
    bool is_good = !dice_is(&ruled->dice, 10);

    write_file(ruled, is_good);
    config_problems_init(&problems);
    enum control_result result = order_reload(&ruled->controller, &storm_itself, &problems, &error);
    if ((result == CONTROL_OK) != is_good)
        storm_fault("a reload ended with %s: %s", control_result_code(result), error.text);
    config_problems_deinit(&problems);
    count(&counts.reloads);
}

static void order_a_freeze(struct ruled *ruled)
{
    struct freeze_request freeze = {
        .on = dice_is(&ruled->dice, 20),
        .retry_after_s = 1 + dice_below(&ruled->dice, 60),
        .routes = {STR(ROUTE_MAIN)},
        .route_count = dice_below(&ruled->dice, 2),
    };
    struct error error;

    (void)order_freeze(&ruled->controller, &storm_itself, &freeze, &error);
}

static void order(struct ruled *ruled)
{
    struct controller *controller = &ruled->controller;
    struct dice *dice = &ruled->dice;
    enum side side = dice_is(dice, 50) ? SIDE_OLD : SIDE_NEW;
    static const enum admin_state states[] = {ADMIN_READY, ADMIN_READY, ADMIN_READY,
                                              ADMIN_READY, ADMIN_DRAIN, ADMIN_MAINT};
    struct error error;
    bool durable;

    switch (dice_below(dice, 5)) {
    case 0:
        (void)order_rollback(controller, &storm_itself, dice_below(dice, WEIGHT_MAX),
                             dice_is(dice, 50), &durable, &error);
        break;
    case 1:
        order_a_freeze(ruled);
        break;
    case 2:
        (void)order_admin(controller, &storm_itself, side,
                          states[dice_below(dice, ARRAY_LEN(states))], &error);
        break;
    default:
        (void)order_weight(controller, &storm_itself, STR(""), dice_below(dice, WEIGHT_MAX + 1),
                           &error);
        break;
    }
    count(&counts.orders);
}

static void read_metrics(struct ruled *ruled)
{
    struct buf text = BUF_EMPTY;

    metrics_write(&ruled->controller, &text);
    controller_watch_ejections(&ruled->controller);
    buf_deinit(&text);
}

static void do_one(struct ruled *ruled)
{
    unsigned kind = dice_below(&ruled->dice, 100);
    struct dice *dice = &ruled->dice;

    if (kind < 18)
        reload(ruled);
    else if (kind < 50)
        order(ruled);
    else if (kind < 70)
        controller_publish(&ruled->controller);
    else if (kind < 80)
        read_metrics(ruled);
    else if (kind < 90)
        origin_set_sick(dice_is(dice, 50) ? SIDE_OLD : SIDE_NEW, dice_below(dice, ORIGINS),
                        dice_is(dice, 30));
    else if (kind < 91)
        noise_restart_log();
    else if (kind < 93)
        certs_write("app", "DNS:" NAME_APP);
}

/* ---- the way out, as src/server.c goes it ---- */

static void end(struct ruled *ruled)
{
    if (ruled->is_ending)
        return;
    ruled->is_ending = true;
    admin_stop(ruled->admin);
    controller_stop(&ruled->controller);
    uv_close((uv_handle_t *)&ruled->wake, NULL);
    uv_close((uv_handle_t *)&ruled->step, NULL);
}

static void on_wake(uv_async_t *wake)
{
    struct ruled *ruled = wake->data;

    if (life_is_drained(&ruled->life))
        end(ruled);
}

static void on_step(uv_timer_t *timer)
{
    struct ruled *ruled = timer->data;
    uint64_t now_ms = storm_now_ms();

    if (!ruled->is_draining)
        do_one(ruled);
    else if (dice_is(&ruled->dice, 30))
        controller_publish(&ruled->controller);
    if (now_ms >= ruled->drain_at_ms && !ruled->is_draining) {
        ruled->is_draining = true;
        ruled->controller.draining = true;
        life_shut();
        life_set_stage(&ruled->life, WORKER_DRAINING);
    } else if (now_ms >= ruled->cut_at_ms && !ruled->is_cut) {
        ruled->is_cut = true;
        life_set_stage(&ruled->life, WORKER_STOPPING);
    }
    uv_timer_start(timer, on_step, dice_below(&ruled->dice, 6), 0);
}

/* ---- the admin API, from another thread ---- */

static void skip(void *data, const char *bytes, size_t len)
{
    (void)data;
    (void)bytes;
    (void)len;
}

/* False: the connection is at its end. */
static bool call(struct ruled *ruled, struct wire *wire, struct dice *dice)
{
    static const char *const gets[] = {"/metrics", "/v1/status", "/readyz", "/healthz",
                                       "/v1/events"};
    char body[64];
    struct head head;
    bool sent;

    if (dice_is(dice, 60)) {
        sent = wire_say(wire, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        gets[dice_below(dice, ARRAY_LEN(gets))]);
    } else if (dice_is(dice, 10)) { /* follows the events, and goes away */
        wire_say(wire, "GET /v1/events?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (void)wire_head(wire, &head);
        storm_sleep_us(dice_below(dice, 20000));
        return false;
    } else {
        snprintf(body, sizeof(body), "{\"weight\": %u}", dice_below(dice, 101));
        sent = wire_say(wire,
                        "PUT /v1/weight HTTP/1.1\r\nHost: localhost\r\n"
                        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body);
    }
    (void)ruled;
    if (!sent || wire_head(wire, &head) != WIRE_WHOLE)
        return false;
    count(&counts.admin);
    unsigned long status = strtoul(head.first + 9, NULL, 10);
    if (status != 200 && status != 503)
        storm_fault("the admin API said \"%s\"", head.first);
    return wire_body(wire, &head, true, skip, NULL) == WIRE_WHOLE && !head.closes;
}

static void *ask_admin(void *data)
{
    struct ruled *ruled = data;
    struct dice dice = dice_of(1);
    struct wire *wire = mem_alloc(sizeof(*wire));

    while (!atomic_load_explicit(&ruled->asker_is_over, memory_order_relaxed)) {
        struct addr addr = storm_addr(PLACE_PROXY, door_port(DOOR_ADMIN));
        if (addr_port(&addr) != 0 && wire_connect(wire, &addr)) {
            while (call(ruled, wire, &dice) && !dice_is(&dice, 20))
                storm_sleep_us(dice_below(&dice, 3000));
            wire_close(wire, dice_is(&dice, 30));
        }
        storm_sleep_us(dice_below(&dice, 5000));
    }
    mem_free(wire);
    return NULL;
}

/* ---- beginning and end ---- */

static void publish(void *data, struct snapshot *snapshot)
{
    struct ruled *ruled = data;

    witness_note(snapshot);
    life_publish(&ruled->life, snapshot);
}

static void prepare(struct ruled *ruled)
{
    struct config_problems problems;

    ruled->path = storm_file("storm.yaml");
    write_file(ruled, true);
    config_problems_init(&problems);
    ruled->config = config_load(ruled->path, &problems);
    CHECK(ruled->config != NULL);
    config_problems_deinit(&problems);
    CHECK(uv_loop_init(&ruled->loop) == 0);
    ruled->loop.data = &ruled->io;
    uv_async_init(&ruled->loop, &ruled->wake, on_wake);
    ruled->wake.data = ruled;
    uv_timer_init(&ruled->loop, &ruled->step);
    ruled->step.data = ruled;
    ruled->life.wake = &ruled->wake;
}

static void rule(struct ruled *ruled)
{
    struct controller_options options = {
        .loop = &ruled->loop,
        .config = ruled->config,
        .config_path = ruled->path,
        .counters = ruled->life.counters,
        .counters_count = ruled->life.count,
        .evidence = ruled->life.evidence,
        .publish = publish,
        .publish_data = ruled,
    };
    struct error error = {.text = ""};

    ruled->admin = admin_start(&ruled->controller, &ruled->loop, &ruled->config->admin, &error);
    if (ruled->admin == NULL || !controller_init(&ruled->controller, &options, &error))
        storm_fault("a controller does not start: %s", error.text);
    struct addr admin = admin_address(ruled->admin);
    life_go(&ruled->life, addr_port(&admin));
    CHECK(pthread_create(&ruled->asker, NULL, ask_admin, ruled) == 0);
    controller_start(&ruled->controller);
    uv_timer_start(&ruled->step, on_step, 0, 0);
    uv_run(&ruled->loop, UV_RUN_DEFAULT);
}

static void let_go(struct ruled *ruled)
{
    life_join(&ruled->life);
    admin_free(ruled->admin);
    life_close(&ruled->life);
    controller_deinit(&ruled->controller);
    config_unref(ruled->config);
    CHECK(uv_loop_close(&ruled->loop) == 0);
    stream_loop_deinit(&ruled->io);
    atomic_store(&ruled->asker_is_over, true);
    pthread_join(ruled->asker, NULL);
    mem_free(ruled->path);
}

void life_ruled(struct dice dice, unsigned ms)
{
    struct ruled *ruled = mem_zalloc(1, sizeof(*ruled));

    ruled->dice = dice;
    ruled->drain_at_ms = storm_now_ms() + ms;
    ruled->cut_at_ms = ruled->drain_at_ms + dice_below(&ruled->dice, 300);
    witness_begin(dice_is(&ruled->dice, 50));
    CHECK(life_open(&ruled->life, "ruled", &ruled->dice, false));
    prepare(ruled);
    count(&counts.ruled);
    rule(ruled);
    let_go(ruled);
    witness_judge("ruled");
    mem_free(ruled);
}
