/* Snapshots: which sides can be used, and who frees what. */
#include <criterion/criterion.h>

#include "state/snapshot.h"

static const char text[] = "listen: [{address: 127.0.0.1:0}]\n"
                           "state_file: /tmp/x.json\n"
                           "backends:\n"
                           "  old: {servers: [http://127.0.0.1:1]}\n"
                           "  new: {servers: [http://127.0.0.1:2, http://127.0.0.1:3]}\n";

static struct snapshot *make_snapshot(void)
{
    struct config_problems problems;

    config_problems_init(&problems);
    struct config *config = config_parse(str_of(text), "test.yaml", &problems);
    cr_assert_not_null(config);
    config_problems_deinit(&problems);
    struct snapshot *snapshot = snapshot_new(config, 7);
    config_unref(config);
    for (int side = 0; side < SIDES; side++) {
        for (unsigned i = 0; i < snapshot->backends[side].count; i++) {
            const struct config_server *from = &snapshot->config->backends[side].servers[i];
            struct server *server = server_new((enum side)side, from->url, from->host, from->port,
                                               from->is_name, from->is_tls, from->authority);
            snapshot_set_server(snapshot, (enum side)side, i, server, &from->address, 1);
            server_unref(server);
        }
    }
    return snapshot;
}

static struct server *server_at(struct snapshot *snapshot, enum side side, unsigned index)
{
    return snapshot->backends[side].servers[index].server;
}

Test(snapshot, holds_its_servers_with_their_addresses)
{
    struct snapshot *snapshot = make_snapshot();

    cr_expect_eq(snapshot->backends[SIDE_NEW].count, 2);
    cr_expect_eq(snapshot->backends[SIDE_NEW].servers[1].addr_count, 1);
    cr_expect_eq(addr_port(&snapshot->backends[SIDE_NEW].servers[1].addrs[0]), 3);
    snapshot_unref(snapshot);
}

Test(snapshot, a_side_is_usable_with_one_server_that_is)
{
    struct snapshot *snapshot = make_snapshot();

    atomic_store(&server_at(snapshot, SIDE_NEW, 0)->shared.health, HEALTH_DOWN);
    cr_expect(snapshot_side_is_usable(snapshot, SIDE_NEW, 0));
    atomic_store(&server_at(snapshot, SIDE_NEW, 1)->shared.health, HEALTH_DOWN);
    cr_expect_not(snapshot_side_is_usable(snapshot, SIDE_NEW, 0));
    snapshot_unref(snapshot);
}

Test(snapshot, ejections_alone_never_take_the_whole_service_away)
{
    struct snapshot *snapshot = make_snapshot();
    bool usable[SIDES];

    atomic_store(&server_at(snapshot, SIDE_OLD, 0)->shared.health, HEALTH_DOWN);
    atomic_store(&server_at(snapshot, SIDE_NEW, 0)->shared.ejected_until_ms, 100);
    snapshot_usable(snapshot, 50, usable);
    cr_expect(usable[SIDE_NEW], "its second server is not ejected");
    atomic_store(&server_at(snapshot, SIDE_NEW, 1)->shared.ejected_until_ms, 100);
    snapshot_usable(snapshot, 50, usable);
    cr_expect(usable[SIDE_NEW], "ejected, but up and all that there is");
    cr_expect_not(usable[SIDE_OLD], "down stays down");
    snapshot_unref(snapshot);
}

Test(snapshot, an_ejected_side_is_not_used_while_the_other_one_can)
{
    struct snapshot *snapshot = make_snapshot();
    bool usable[SIDES];

    atomic_store(&server_at(snapshot, SIDE_OLD, 0)->shared.ejected_until_ms, 100);
    snapshot_usable(snapshot, 50, usable);
    cr_expect_not(usable[SIDE_OLD]);
    cr_expect(usable[SIDE_NEW]);
    snapshot_unref(snapshot);
}

Test(snapshot, an_ejected_home_is_tried_when_nobody_may_help_out)
{
    struct snapshot *snapshot = make_snapshot();
    struct decision decision = {.route = -1, .side = SIDE_OLD, .home = SIDE_OLD};

    snapshot->policy.failover = FAILOVER_NONE;
    atomic_store(&server_at(snapshot, SIDE_OLD, 0)->shared.ejected_until_ms, 100);
    cr_expect(snapshot_settle(snapshot, 50, &decision));
    cr_expect_eq(decision.side, SIDE_OLD);
    snapshot->policy.admin[SIDE_OLD] = ADMIN_MAINT;
    cr_expect_not(snapshot_settle(snapshot, 50, &decision), "maint is an order, not a guess");
    snapshot->policy.admin[SIDE_OLD] = ADMIN_READY;
    atomic_store(&server_at(snapshot, SIDE_OLD, 0)->shared.health, HEALTH_DOWN);
    cr_expect_not(snapshot_settle(snapshot, 50, &decision), "down is knowledge");
    snapshot->policy.failover = FAILOVER_BOTH;
    cr_expect(snapshot_settle(snapshot, 50, &decision));
    cr_expect_eq(decision.side, SIDE_NEW);
    snapshot_unref(snapshot);
}
