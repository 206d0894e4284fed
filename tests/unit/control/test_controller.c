/* test_controller.c - the single writer, with a fake publish and a real disk and loop. */
#include "rig.h"

static const char BACKENDS[] = "backends:\n"
                               "  old: {servers: [http://127.0.0.1:9001]}\n"
                               "  new: {servers: [http://127.0.0.1:9002, http://127.0.0.1:9003]}\n";
static const char ROUTES[] = "routes:\n"
                             "  - {name: hooks, path: /webhooks/, pin: old}\n"
                             "  - {name: plain, path: /plain/}\n"
                             "  - {name: products, path: /api/products, weight: 30}\n";

static void write_config(const char *initial_weight, const char *backends, const char *routes)
{
    struct buf text = BUF_EMPTY;

    buf_printf(&text,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/state/state.json\ninitial_weight: %s\n%s%s",
               dir.path, initial_weight, backends, routes);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
}

static void setup(void)
{
    setup_rig();
    write_config("12.5", BACKENDS, ROUTES);
    start();
}

TestSuite(controller, .init = setup, .fini = teardown_rig, .timeout = 60);

static enum control_result set_admin(enum side side, enum admin_state state)
{
    return order_admin(controller, &nobody, side, state, &error);
}

static unsigned route_weight(unsigned index)
{
    return controller->snapshot->policy.route_weight[index];
}

/* Start */

Test(controller, a_first_start_takes_initial_weight_and_saves_it)
{
    cr_assert_eq(published.count, 1);
    cr_assert_eq(published.weight, 1250);
    cr_assert_eq(route_weight(2), 3000);
    cr_assert(file_exists(tempdir_file(&dir, "state/state.json")));
    write_config("99", BACKENDS, ROUTES);
    restart();
    cr_assert_eq(published.weight, 1250);
}

Test(controller, the_state_wins_over_the_configuration)
{
    cr_assert_eq(set_weight("", 3000), CONTROL_OK);
    cr_assert_eq(set_weight("products", 4000), CONTROL_OK);
    cr_assert_eq(set_admin(SIDE_NEW, ADMIN_DRAIN), CONTROL_OK);
    write_config("50", BACKENDS, ROUTES);
    restart();
    cr_assert_eq(published.weight, 3000);
    cr_assert_eq(route_weight(2), 4000);
    cr_assert_eq(controller->snapshot->policy.admin[SIDE_NEW], ADMIN_DRAIN);
    cr_assert_eq(controller->snapshot->policy.admin[SIDE_OLD], ADMIN_READY);
    cr_assert(str_eq(controller->state.what, STR("weight")));
    cr_assert(str_eq(controller->state.route, STR("products")));
    cr_assert(str_eq(controller->state.reason, STR("why")));
    cr_assert_eq(controller->state.from, 3000);
    cr_assert_eq(controller->state.to, 4000);
}

Test(controller, generations_are_never_used_again)
{
    struct addr addr = {.any.sa_family = AF_INET};
    uint64_t before;

    for (uint16_t i = 0; i < 20; i++) { /* generations that are not on disk */
        addr_set_port(&addr, i);
        controller_note_addrs(controller, SIDE_NEW, 0, &addr, 1, "");
    }
    before = published.generation;
    restart();
    cr_assert_gt(published.generation, before);
    before = published.generation;
    restart();
    cr_assert_gt(published.generation, before);
}

Test(controller, without_a_folder_for_the_state_it_refuses_to_start)
{
    stop();
    file_write(tempdir_file(&dir, "file"), STR("not a folder"));
    struct buf text = BUF_EMPTY;
    buf_printf(&text, "listen: [{address: '127.0.0.1:0'}]\nstate_file: %s/file/state.json\n%s",
               dir.path, BACKENDS);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
    cr_assert_not(try_start(false));
    cr_assert_not_null(strstr(error.text, "/file"), "%s", error.text);
    cr_assert_eq(published.count, 0);
}

Test(controller, an_unreadable_state_needs_a_reset)
{
    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    stop();
    file_write(tempdir_file(&dir, "state/state.json"), STR("x"));
    file_write(tempdir_file(&dir, "state/state.json.prev"), STR("y"));
    cr_assert_not(try_start(false));
    cr_assert_not_null(strstr(error.text, "--reset-state"), "%s", error.text);
    cr_assert(try_start(true), "%s", error.text);
    cr_assert_eq(published.weight, 1250);
    cr_assert(file_exists(tempdir_file(&dir, "state/state.json.bad")));
    restart();
    cr_assert_eq(published.weight, 1250);
}

Test(controller, a_reset_of_a_good_state_keeps_it)
{
    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    stop();
    cr_assert(try_start(true), "%s", error.text);
    cr_assert_eq(published.weight, 7000);
}

Test(controller, a_full_disk_does_not_stop_a_restart)
{
    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    stop();
    break_disk();
    start();
    cr_assert_eq(published.weight, 7000);
    cr_assert_not(controller->durable);
    mend_disk();
    run_until_durable(3000);
    cr_assert(controller->durable);
}

/* Weight */

Test(controller, a_weight_is_on_disk_when_it_is_published)
{
    uint64_t before = published.generation;

    cr_assert_eq(set_weight("", 3000), CONTROL_OK);
    cr_assert_eq(published.weight, 3000);
    cr_assert_eq(published.generation, before + 1);
    cr_assert_eq(controller->generation, published.generation);
    cr_assert_eq(controller->store.sequence, published.generation);
    cr_assert_str_eq(last_event()->what, "weight");
    cr_assert_str_eq(last_event()->subject, "main");
    cr_assert_str_eq(last_event()->from, "12.5");
    cr_assert_str_eq(last_event()->to, "30");
    cr_assert_str_eq(last_event()->actor, "test");
    cr_assert_str_eq(last_event()->reason, "why");
    cr_assert_str_eq(last_event()->result, "ok");
}

Test(controller, a_route_moves_alone)
{
    cr_assert_eq(set_weight("products", 10000), CONTROL_OK);
    cr_assert_eq(published.weight, 1250);
    cr_assert_eq(route_weight(2), 10000);
    cr_assert_eq(set_weight("main", 2000), CONTROL_OK);
    cr_assert_eq(published.weight, 2000);
    cr_assert_eq(route_weight(2), 10000);
}

Test(controller, what_has_no_weight_is_refused)
{
    unsigned before = published.count;

    cr_assert_eq(set_weight("hooks", 1), CONTROL_ROUTE_PINNED);
    cr_assert_eq(set_weight("plain", 1), CONTROL_ROUTE_FOLLOWS);
    cr_assert_eq(set_weight("nothing", 1), CONTROL_UNKNOWN_ROUTE);
    cr_assert_not_null(strstr(error.text, "\"nothing\""), "%s", error.text);
    cr_assert_str_eq(last_event()->result, "unknown_route");
    cr_assert_eq(set_weight("", 10001), CONTROL_WEIGHT_OUT_OF_RANGE);
    cr_assert_eq(published.count, before);
    cr_assert_eq(controller->events.next_id, 5);
}

Test(controller, the_same_weight_again_is_ok_and_no_change)
{
    uint64_t before = published.generation;

    cr_assert_eq(set_weight("", 1250), CONTROL_OK);
    cr_assert_eq(published.generation, before);
    cr_assert_str_eq(last_event()->result, "ok");
}

Test(controller, if_match_must_name_the_present_generation)
{
    struct control_request request = nobody;

    request.has_if_match = true;
    request.if_match = controller->generation + 1;
    cr_assert_eq(order_weight(controller, &request, STR(""), 5000, &error),
                 CONTROL_GENERATION_STALE);
    cr_assert_eq(published.weight, 1250);
    cr_assert_str_eq(last_event()->result, "generation_stale");
    request.if_match = controller->generation;
    cr_assert_eq(order_weight(controller, &request, STR(""), 5000, &error), CONTROL_OK);
    cr_assert_eq(order_weight(controller, &request, STR(""), 6000, &error),
                 CONTROL_GENERATION_STALE);
    cr_assert_eq(published.weight, 5000);
}

Test(controller, a_dry_run_checks_and_changes_nothing)
{
    struct control_request request = nobody;
    uint64_t events = controller->events.next_id;
    uint64_t generation = published.generation;
    bool durable;

    request.dry_run = true;
    cr_assert_eq(order_weight(controller, &request, STR(""), 5000, &error), CONTROL_OK);
    cr_assert_eq(order_weight(controller, &request, STR("hooks"), 5000, &error),
                 CONTROL_ROUTE_PINNED);
    cr_assert_eq(order_rollback(controller, &request, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_eq(order_admin(controller, &request, SIDE_OLD, ADMIN_MAINT, &error), CONTROL_OK);
    cr_assert_eq(order_reload(controller, &request, &problems, &error), CONTROL_OK);
    cr_assert_eq(published.generation, generation);
    cr_assert_eq(controller->events.next_id, events);
    cr_assert_eq(controller->state.weight, 1250);
}

Test(controller, a_weight_that_the_disk_does_not_take_is_not_applied)
{
    uint64_t before = published.generation;

    break_disk();
    cr_assert_eq(set_weight("", 5000), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(set_admin(SIDE_OLD, ADMIN_MAINT), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(published.generation, before);
    cr_assert_eq(controller->state.weight, 1250);
    cr_assert(controller->durable);
    cr_assert_str_eq(last_event()->result, "state_not_saved");
    mend_disk();
    cr_assert_eq(set_weight("", 5000), CONTROL_OK);
    restart();
    cr_assert_eq(published.weight, 5000);
}

/* Rollback */

Test(controller, a_rollback_takes_every_weight_down)
{
    bool durable = false;

    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert(durable);
    cr_assert_eq(published.weight, 0);
    cr_assert_eq(route_weight(2), 0);
    cr_assert_str_eq(last_event()->what, "rollback");
    cr_assert_str_eq(last_event()->from, "70");
    cr_assert_str_eq(last_event()->to, "0");
    restart();
    cr_assert_eq(published.weight, 0);
    cr_assert_eq(route_weight(2), 0);
}

Test(controller, a_rollback_goes_ahead_of_a_broken_disk)
{
    bool durable = true;

    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    break_disk();
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_not(durable);
    cr_assert_not(controller->durable);
    cr_assert_eq(published.weight, 0);
    /* Meanwhile a change is refused, and the rollback stands. */
    cr_assert_eq(set_weight("", 1000), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(published.weight, 0);
    mend_disk();
    cr_assert_not(controller->durable);
    run_until_durable(3000);
    cr_assert(controller->durable);
    restart();
    cr_assert_eq(published.weight, 0);
}

Test(controller, a_second_rollback_before_the_disk_is_back_keeps_the_first_on_record)
{
    struct control_request again = {.actor = STR("other"), .reason = STR("again")};
    bool durable = true;

    cr_assert_eq(set_weight("", 7000), CONTROL_OK);
    break_disk();
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_str_eq(last_event()->result, "not_durable");
    durable = true;
    cr_assert_eq(order_rollback(controller, &again, 0, false, &durable, &error), CONTROL_OK);
    cr_assert_not(durable);
    cr_assert_str_eq(last_event()->result, "not_durable");
    cr_assert(str_eq(controller->state.actor, STR("test")));
    cr_assert(str_eq(controller->state.reason, STR("why")));
    cr_assert_eq(controller->state.from, 7000);
    mend_disk();
    cr_assert_eq(order_rollback(controller, &again, 0, false, &durable, &error), CONTROL_OK);
    cr_assert(durable);
    cr_assert_str_eq(last_event()->result, "ok");
    restart();
    cr_assert(str_eq(controller->state.actor, STR("test")));
    cr_assert_eq(controller->state.from, 7000);
}

Test(controller, what_could_not_be_saved_says_what_still_holds)
{
    break_disk();
    cr_assert_eq(set_weight("", 5000), CONTROL_STATE_NOT_SAVED);
    cr_assert_eq(
        strncmp(error.text, "nothing was changed, the weight is still 12.5 %: cannot ", 55), 0,
        "%s", error.text);
    cr_assert_eq(set_weight("products", 5000), CONTROL_STATE_NOT_SAVED);
    cr_assert_not_null(strstr(error.text, "the weight of products is still 30 %"));
    cr_assert_eq(set_admin(SIDE_NEW, ADMIN_MAINT), CONTROL_STATE_NOT_SAVED);
    cr_assert_not_null(strstr(error.text, "new is still ready"), "%s", error.text);
    mend_disk();
}

Test(controller, the_next_change_makes_a_rollback_durable)
{
    bool durable;

    break_disk();
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    mend_disk();
    cr_assert_eq(set_weight("", 0), CONTROL_OK); /* no change, but it is to be on disk */
    cr_assert(controller->durable);
    cr_assert_not(uv_is_active((uv_handle_t *)&controller->persist_timer));
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    cr_assert(durable);
}

Test(controller, a_stop_tries_once_more_to_save)
{
    bool durable;

    break_disk();
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    mend_disk();
    restart();
    cr_assert_eq(published.weight, 0);
    cr_assert_eq(route_weight(2), 0);
}

Test(controller, a_rollback_to_a_dead_side_needs_force)
{
    bool durable;

    controller_note_check(controller, SIDE_OLD, 0, false, "connection refused");
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error),
                 CONTROL_OLD_NOT_USABLE);
    cr_assert_eq(published.weight, 1250);
    cr_assert_eq(order_rollback(controller, &nobody, 0, true, &durable, &error), CONTROL_OK);
    cr_assert_eq(published.weight, 0);

    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert_eq(set_admin(SIDE_OLD, ADMIN_MAINT), CONTROL_OK);
    cr_assert_eq(order_rollback(controller, &nobody, 100, false, &durable, &error),
                 CONTROL_OLD_NOT_USABLE);
    cr_assert_not_null(strstr(error.text, "maint"), "%s", error.text);
}

Test(controller, a_rollback_works_while_new_is_down)
{
    bool durable;

    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    controller_note_check(controller, SIDE_NEW, 0, false, "timeout after 2s");
    controller_note_check(controller, SIDE_NEW, 1, false, "timeout after 2s");
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
}

/* Health and addresses */

Test(controller, flips_are_events_and_nothing_else_is)
{
    uint64_t before = controller->events.next_id;

    controller_note_check(controller, SIDE_NEW, 1, true, "status 200");
    cr_assert_eq(controller->events.next_id, before + 1);
    cr_assert_str_eq(last_event()->what, "health");
    cr_assert_str_eq(last_event()->subject, "http://127.0.0.1:9003");
    cr_assert_str_eq(last_event()->from, "unknown");
    cr_assert_str_eq(last_event()->to, "up");
    controller_note_check(controller, SIDE_NEW, 1, true, "status 200");
    controller_note_check(controller, SIDE_NEW, 1, false, "status 503");
    cr_assert_eq(controller->events.next_id, before + 1);
    controller_note_check(controller, SIDE_NEW, 1, false, "status 503");
    cr_assert_eq(controller->events.next_id, before + 2);
    cr_assert_str_eq(last_event()->to, "down");
    cr_assert_str_eq(last_event()->reason, "status 503");
    cr_assert_eq(server_health(controller->snapshot->backends[SIDE_NEW].servers[1].server),
                 HEALTH_DOWN);
    cr_assert_eq(server_health(controller->snapshot->backends[SIDE_NEW].servers[0].server),
                 HEALTH_UNKNOWN);
}

Test(controller, coming_up_ends_an_ejection)
{
    struct server *server = controller->backends[SIDE_OLD].servers[0].server;

    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert(controller_rollback_ready(controller));
    atomic_store(&server->shared.ejected_until_ms, UINT64_MAX);
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert_not(controller_rollback_ready(controller), "ejected");
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert_not(controller_rollback_ready(controller), "still down");
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert(controller_rollback_ready(controller));
    cr_assert_eq(set_admin(SIDE_OLD, ADMIN_MAINT), CONTROL_OK);
    cr_assert_not(controller_rollback_ready(controller), "in maint");
}

Test(controller, why_a_rollback_is_not_ready_is_told)
{
    struct server *server = controller->backends[SIDE_OLD].servers[0].server;

    cr_assert_str_eq(controller_rollback_trouble(controller), "old has not been checked yet");
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    cr_assert_null(controller_rollback_trouble(controller));
    atomic_store(&server->shared.ejected_until_ms, UINT64_MAX);
    cr_assert_str_eq(controller_rollback_trouble(controller),
                     "every server of old is ejected after errors");
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    controller_note_check(controller, SIDE_OLD, 0, false, "status 500");
    cr_assert_str_eq(controller_rollback_trouble(controller), "old has no server that is up");
    cr_assert_eq(set_admin(SIDE_OLD, ADMIN_MAINT), CONTROL_OK);
    cr_assert_str_eq(controller_rollback_trouble(controller),
                     "old is in maint: cutover backend old ready");
}

Test(controller, ejections_are_events)
{
    struct server *server = controller->backends[SIDE_NEW].servers[1].server;
    uint64_t before = controller->events.next_id;

    controller_watch_ejections(controller);
    cr_assert_eq(controller->events.next_id, before);
    atomic_store(&server->shared.ejected_until_ms, UINT64_MAX);
    controller_watch_ejections(controller);
    controller_watch_ejections(controller);
    cr_assert_eq(controller->events.next_id, before + 1);
    cr_assert_str_eq(last_event()->what, "eject");
    cr_assert_str_eq(last_event()->subject, "http://127.0.0.1:9003");
    cr_assert_str_eq(last_event()->from, "in");
    cr_assert_str_eq(last_event()->to, "out");
    cr_assert_str_eq(last_event()->reason, "5 errors in a row");
    atomic_store(&server->shared.ejected_until_ms, 0);
    controller_watch_ejections(controller);
    cr_assert_eq(controller->events.next_id, before + 2);
    cr_assert_str_eq(last_event()->to, "in");
}

Test(controller, it_is_ready_with_the_first_server_that_is_up)
{
    cr_assert_not(controller_is_ready(controller));
    controller_note_check(controller, SIDE_OLD, 0, false, "connection refused");
    cr_assert_not(controller_is_ready(controller));
    controller_note_check(controller, SIDE_NEW, 0, true, "status 200");
    cr_assert(controller_is_ready(controller));
    controller_note_check(controller, SIDE_NEW, 0, false, "status 503");
    controller_note_check(controller, SIDE_NEW, 0, false, "status 503");
    cr_assert(controller_is_ready(controller), "an outage of both sides is not the proxy's");
    controller->draining = true;
    cr_assert_not(controller_is_ready(controller));
}

Test(controller, other_addresses_are_published_and_the_same_ones_are_not)
{
    struct addr addrs[2], swapped[2];
    uint64_t before = published.generation;

    cr_assert(addr_parse(STR("10.0.0.1:80"), &addrs[0]));
    cr_assert(addr_parse(STR("[::1]:80"), &addrs[1]));
    swapped[0] = addrs[1];
    swapped[1] = addrs[0];
    controller_note_addrs(controller, SIDE_NEW, 0, addrs, 2, "");
    cr_assert_eq(published.generation, before + 1);
    cr_assert_eq(controller->snapshot->backends[SIDE_NEW].servers[0].addr_count, 2);
    cr_assert(addr_eq(&controller->snapshot->backends[SIDE_NEW].servers[0].addrs[1], &addrs[1]));
    controller_note_addrs(controller, SIDE_NEW, 0, swapped, 2, "");
    cr_assert_eq(published.generation, before + 1, "the order alone is no news");
    controller_note_addrs(controller, SIDE_NEW, 0, NULL, 0, "name not known");
    cr_assert_eq(published.generation, before + 1, "the last good ones stay");
    cr_assert_str_eq(last_event()->what, "addresses");
    cr_assert_str_eq(last_event()->result, "unresolved");
    cr_assert_str_eq(last_event()->reason, "name not known");
    controller_note_addrs(controller, SIDE_NEW, 0, swapped, 1, "");
    cr_assert_eq(published.generation, before + 2);
}

/* Reload */

Test(controller, a_reload_carries_servers_over)
{
    struct server *old = controller->backends[SIDE_OLD].servers[0].server;
    struct server *second = controller->backends[SIDE_NEW].servers[1].server;
    uint64_t before = published.generation;

    controller_note_check(controller, SIDE_NEW, 1, true, "status 200");
    write_config("0",
                 "backends:\n"
                 "  old: {servers: [http://127.0.0.1:9001]}\n"
                 "  new: {servers: [http://127.0.0.1:9003, http://127.0.0.1:9004]}\n",
                 ROUTES);
    cr_assert_eq(reload(), CONTROL_OK, "%s", error.text);
    cr_assert_eq(published.generation, before + 1);
    cr_assert_eq(published.weight, 1250, "the state wins");
    cr_assert_eq(controller->backends[SIDE_OLD].servers[0].server, old);
    cr_assert_eq(controller->backends[SIDE_NEW].servers[0].server, second);
    cr_assert_eq(controller->backends[SIDE_NEW].servers[0].health.state, HEALTH_UP);
    cr_assert_eq(controller->backends[SIDE_NEW].servers[0].addr_count, 1);
    cr_assert_eq(controller->backends[SIDE_NEW].servers[1].health.state, HEALTH_UNKNOWN);
    cr_assert_eq(controller->snapshot->backends[SIDE_NEW].servers[0].server, second);
    cr_assert_eq(controller->snapshot->config, controller->config);
    cr_assert_str_eq(last_event()->what, "reload");
    cr_assert_str_eq(last_event()->result, "ok");
}

Test(controller, a_bad_file_changes_nothing)
{
    struct config *config = controller->config;
    uint64_t before = published.generation;

    file_write(tempdir_file(&dir, "cutover.yaml"), STR("listen: 7\nfoo: bar\n"));
    cr_assert_eq(reload(), CONTROL_CONFIG_INVALID);
    cr_assert_gt(problems.count, 0);
    cr_assert_eq(controller->config, config);
    cr_assert_eq(published.generation, before);
    cr_assert_str_eq(last_event()->result, "config_invalid");
    cr_assert_eq(unlink(tempdir_file(&dir, "cutover.yaml")), 0);
    cr_assert_eq(reload(), CONTROL_CONFIG_INVALID);
    cr_assert_eq(set_weight("", 2000), CONTROL_OK, "the old one goes on");
}

Test(controller, what_needs_a_restart_is_told)
{
    struct buf text = BUF_EMPTY;

    buf_printf(&text,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/other.json\n%s",
               dir.path, BACKENDS);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
    cr_assert_eq(reload(), CONTROL_CONFIG_INVALID);
    cr_assert_eq(problems.count, 0);
    cr_assert_not_null(strstr(error.text, "state_file"), "%s", error.text);
}

Test(controller, routes_come_and_go_with_their_weights)
{
    unsigned slot = controller->snapshot->slots[2];

    cr_assert_eq(set_weight("products", 8000), CONTROL_OK);
    write_config("0", BACKENDS, "routes:\n  - {name: cart, path: /cart, weight: 20}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(route_weight(0), 2000);
    cr_assert_neq(controller->snapshot->slots[0], slot);
    cr_assert(str_eq(controller->slot_names[controller->snapshot->slots[0]], STR("cart")));
    cr_assert_eq(set_weight("products", 1), CONTROL_UNKNOWN_ROUTE);
    /* Once known, the configured weight no longer counts; nor does a mistake in the file. */
    write_config("0", BACKENDS,
                 "routes:\n  - {name: products, path: /p, weight: 1}\n"
                 "  - {name: cart, path: /cart, weight: 99}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(route_weight(0), 8000);
    cr_assert_eq(route_weight(1), 2000);
    cr_assert_eq(controller->snapshot->slots[0], slot);
    restart();
    cr_assert_eq(route_weight(0), 8000);
    cr_assert_eq(route_weight(1), 2000);
}

Test(controller, a_weight_in_the_file_that_does_not_count_is_told)
{
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_str_eq(last_event()->reason, "why", "nothing was changed in the file");
    cr_assert_eq(set_weight("products", 0), CONTROL_OK);
    write_config("20", BACKENDS,
                 "routes:\n  - {name: products, path: /p, weight: 45}\n"
                 "  - {name: produits, path: /f, weight: 30}\n");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert(
        str_eq(buf_str(&controller->reload_notes),
               STR("initial_weight: 20 % in the file is not used, the state says 12.5 %: cutover "
                   "weight 20\n"
                   "products: 45 % in the file is not used, the state says 0 %: cutover weight 45 "
                   "--route products\n"
                   "new route produits starts at 30 %\n")),
        "%.*s", STR_ARG(buf_str(&controller->reload_notes)));
    cr_assert_eq(strncmp(last_event()->reason, "why; initial_weight: 20 %", 25), 0);
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_str_eq(last_event()->reason, "why", "it was told once");
}

Test(controller, a_file_that_is_not_there_has_no_line)
{
    unlink(tempdir_file(&dir, "cutover.yaml"));
    cr_assert_eq(reload(), CONTROL_CONFIG_INVALID);
    cr_assert_null(strstr(error.text, "line 0"), "%s", error.text);
}

Test(controller, a_rollback_also_reaches_routes_that_are_out_of_the_file)
{
    bool durable;

    write_config("0", BACKENDS, "");
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(order_rollback(controller, &nobody, 0, false, &durable, &error), CONTROL_OK);
    write_config("0", BACKENDS, ROUTES);
    cr_assert_eq(reload(), CONTROL_OK);
    cr_assert_eq(route_weight(2), 0);
}

Test(controller, counters_slots_run_out_gracefully)
{
    struct buf routes = BUF_EMPTY;

    for (unsigned round = 0; round < 3; round++) {
        buf_clear(&routes);
        buf_append_str(&routes, STR("routes:\n"));
        for (unsigned i = 0; i < 30; i++)
            buf_printf(&routes, "  - {name: r%u-%u, path: /r%u, weight: 1}\n", round, i, i);
        buf_append_char(&routes, '\0');
        write_config("0", BACKENDS, buf_str(&routes).data);
        cr_assert_eq(reload(), CONTROL_OK, "%s", error.text);
    }
    cr_assert_eq(controller->snapshot->slots[29], 0);
    cr_assert_eq(controller->snapshot->slots[0], 0);
    buf_deinit(&routes);
}

/* Sums and codes */

Test(controller, counters_are_summed_over_workers)
{
    struct counters *workers[2] = {counters_new(), counters_new()};
    struct counters *sum = counters_new();

    counter_add(&workers[0]->connections_total, 3);
    counter_add(&workers[1]->connections_total, 4);
    counter_add(&sum->connections_total, 99);
    controller->counters = workers;
    controller->counters_count = 2;
    controller_sum_counters(controller, sum);
    cr_assert_eq(counter_read(&sum->connections_total), 7);
    controller->counters_count = 0;
    counters_free(workers[0]);
    counters_free(workers[1]);
    counters_free(sum);
}

Test(controller, each_result_has_its_code_and_status)
{
    cr_assert_str_eq(control_result_code(CONTROL_OK), "ok");
    cr_assert_eq(control_result_status(CONTROL_GENERATION_STALE), 412);
    cr_assert_eq(control_result_status(CONTROL_BUSY), 503);
    cr_assert_str_eq(control_result_code(CONTROL_WEIGHT_OUT_OF_RANGE), "weight_out_of_range");
}
