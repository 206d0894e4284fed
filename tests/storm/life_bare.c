/*
 * life_bare.c - snapshots made here and published as fast as possible:
 *
 *     configurations (a few, renewed) --+
 *     servers (a few, renewed) ---------+--> snapshot --> inbox of each worker, and of a reader
 *     addresses, keys, trust, weights --+
 *
 * The reader is a thread that adopts like a worker, and looks whether what it holds is of one piece.
 */
#include "life.h"

#include <pthread.h>

#include "base/check.h"
#include "base/clock.h"
#include "noise.h"
#include "origin.h"
#include "texts.h"
#include "witness.h"

#define CONFIGS 4

struct bare {
    struct life life;
    struct dice dice;
    uint64_t generation;
    struct config *configs[CONFIGS];        /* owned: one reference each, as all below */
    struct server *servers[SIDES][ORIGINS]; /* NULL: not made yet */
    struct tls_keys *keys;
    struct tls_trust *trusts[2]; /* one verifies, one does not */
    struct tls_tickets tickets;
    struct snapshot *snapshot; /* published last */
    struct {
        struct snapshot *_Atomic inbox;
        _Atomic bool is_over;
    } reader; /* any thread */
    pthread_t reader_thread;
};

/* ---- what snapshots are made of ---- */

static void renew_keys(struct bare *bare)
{
    static const char *const stems[] = {"app", "other"};
    struct tls_pair pairs[2];
    char *paths[4];
    struct error error;

    for (unsigned i = 0; i < 2; i++) {
        struct buf name = BUF_EMPTY;
        buf_printf(&name, "%s.crt%c%s.key%c", stems[i], 0, stems[i], 0);
        paths[2 * i] = storm_file(name.data);
        paths[2 * i + 1] = storm_file(name.data + strlen(name.data) + 1);
        pairs[i] = (struct tls_pair){str_of(paths[2 * i]), str_of(paths[2 * i + 1])};
        buf_deinit(&name);
    }
    if (dice_is(&bare->dice, 30))
        tls_tickets_rotate(&bare->tickets);
    struct tls_keys *next = tls_keys_new(pairs, 2, &bare->tickets, &error);
    if (next == NULL)
        storm_fault("%s", error.text);
    CHECK(next != NULL);
    tls_keys_unref(bare->keys);
    bare->keys = next;
    for (unsigned i = 0; i < ARRAY_LEN(paths); i++)
        mem_free(paths[i]);
}

static void renew_trust(struct bare *bare)
{
    char *file = storm_file("origin.crt");
    struct str names[] = {STR("further.test"), STR("*.further.test")};
    struct error error;

    for (unsigned i = 0; i < ARRAY_LEN(bare->trusts); i++) {
        struct tls_trust *next = tls_trust_new(i == 0, str_of(file), names, 2, &error);
        CHECK(next != NULL);
        tls_trust_unref(bare->trusts[i]);
        bare->trusts[i] = next;
    }
    mem_free(file);
}

static void renew_config(struct bare *bare)
{
    /* Even and odd take turns in the array. */
    unsigned i = dice_below(&bare->dice, CONFIGS);

    config_unref(bare->configs[i]);
    bare->configs[i] = text_parse(&bare->dice, i);
}

/* The server with this port; made when there is none, and now and then made anew. */
static struct server *server_for(struct bare *bare, enum side side,
                                 const struct config_server *config)
{
    unsigned index = 0;

    while (origin_port(side, index) != config->port)
        index++;
    struct server **server = &bare->servers[side][index];
    if (*server != NULL && dice_is(&bare->dice, 2)) {
        server_unref(*server);
        *server = NULL;
    }
    if (*server == NULL) {
        *server = server_new(side, config->url, config->host, config->port, config->is_name,
                             config->is_tls, config->authority);
        count(&counts.servers);
    }
    return *server;
}

static unsigned choose_addrs(struct bare *bare, uint16_t port, struct addr addrs[3])
{
    unsigned count = 0;
    unsigned kind = dice_below(&bare->dice, 100);

    if (kind < 2)
        return 0;
    if (kind < 12)
        addrs[count++] = storm_addr(PLACE_NOBODY, port);
    if (kind >= 7 && kind < 70)
        addrs[count++] = storm_addr(PLACE_ORIGIN, port);
    if (kind >= 40)
        addrs[count++] = storm_addr(PLACE_ORIGIN_TOO, port);
    return count;
}

static void fill_side(struct bare *bare, struct snapshot *snapshot, enum side side)
{
    const struct config_backend *backend = &snapshot->config->backends[side];

    for (unsigned i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];
        struct addr addrs[3];
        unsigned count = choose_addrs(bare, server->port, addrs);
        snapshot_set_server(snapshot, side, i, server_for(bare, side, server), addrs, count);
    }
    snapshot_set_trust(snapshot, side, bare->trusts[backend->tls.verify ? 0 : 1]);
}

static void fill_freeze(struct bare *bare, struct freeze *freeze)
{
    freeze->is_on = dice_is(&bare->dice, 5);
    freeze->main = dice_is(&bare->dice, 50);
    for (unsigned i = 0; i < ROUTES_MAX; i++)
        freeze->routes[i] = dice_is(&bare->dice, 50);
    freeze->retry_after_s = dice_below(&bare->dice, 3600);
}

/* The weights follow from the generation, so that the reader can tell. */
static void fill_policy(struct bare *bare, struct snapshot *snapshot)
{
    static const enum admin_state states[] = {ADMIN_READY, ADMIN_READY, ADMIN_READY,
                                              ADMIN_READY, ADMIN_DRAIN, ADMIN_MAINT};
    struct policy *policy = &snapshot->policy;

    policy->weight = (unsigned)(snapshot->generation * 37 % (WEIGHT_MAX + 1));
    for (unsigned i = 0; i < policy->route_count; i++) {
        policy->route_weight[i] = WEIGHT_MAX - policy->weight;
        snapshot->slots[i] = dice_below(&bare->dice, ROUTE_SLOTS);
        snapshot->evidence[i] = (int)dice_below(&bare->dice, PLANS_MAX + 1) - 1;
    }
    for (int side = 0; side < SIDES; side++)
        policy->admin[side] = dice_is(&bare->dice, 80)
                                  ? ADMIN_READY
                                  : states[dice_below(&bare->dice, ARRAY_LEN(states))];
    fill_freeze(bare, &policy->freeze);
}

/* ---- publishing ---- */

static void hand_to_reader(struct bare *bare)
{
    snapshot_unref(atomic_exchange_explicit(&bare->reader.inbox, snapshot_ref(bare->snapshot),
                                            memory_order_acq_rel));
}

static void publish(struct bare *bare)
{
    struct config *config = bare->configs[dice_below(&bare->dice, CONFIGS)];
    struct snapshot *before = bare->snapshot;

    bare->snapshot = snapshot_new(config, ++bare->generation);
    for (int side = 0; side < SIDES; side++)
        fill_side(bare, bare->snapshot, (enum side)side);
    fill_policy(bare, bare->snapshot);
    snapshot_set_keys(bare->snapshot, DOOR_TLS, bare->keys);
    witness_note(bare->snapshot);
    life_publish(&bare->life, bare->snapshot);
    hand_to_reader(bare);
    snapshot_unref(before);
}

/* ---- the reader ---- */

static void judge_piece(const struct snapshot *snapshot)
{
    const struct policy *policy = &snapshot->policy;

    if (policy->weight != snapshot->generation * 37 % (WEIGHT_MAX + 1) ||
        policy->route_count != snapshot->config->route_count)
        storm_fault("a snapshot that is not of one piece");
    for (unsigned i = 0; i < policy->route_count; i++)
        if (policy->route_weight[i] != WEIGHT_MAX - policy->weight)
            storm_fault("a snapshot whose weights do not belong together");
    for (int side = 0; side < SIDES; side++) {
        const struct snapshot_backend *backend = &snapshot->backends[side];
        const struct config_backend *config = &snapshot->config->backends[side];
        for (unsigned i = 0; i < backend->count; i++)
            if (!str_eq(str_of(backend->servers[i].server->url), config->servers[i].url))
                storm_fault("a snapshot with another configuration's servers");
    }
}

/* As workers do that fail, and succeed, at the same moment. */
static void meddle(const struct snapshot *snapshot, struct dice *dice)
{
    uint64_t now_ms = clock_mono_ms();
    struct decision decision = {.home = dice_is(dice, 50) ? SIDE_OLD : SIDE_NEW};

    decision.side = decision.home;
    (void)snapshot_settle(snapshot, now_ms, &decision);
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < snapshot->backends[side].count; i++)
            (void)server_note_attempt(snapshot->backends[side].servers[i].server,
                                      &snapshot->config->outlier, !dice_is(dice, 10), now_ms);
}

static void *read_snapshots(void *data)
{
    struct bare *bare = data;
    struct dice dice = dice_of(0);
    uint64_t generation = 0;

    while (!atomic_load_explicit(&bare->reader.is_over, memory_order_relaxed)) {
        struct snapshot *snapshot =
            atomic_exchange_explicit(&bare->reader.inbox, NULL, memory_order_acq_rel);
        if (snapshot == NULL) {
            storm_sleep_us(50);
            continue;
        }
        count(&counts.views);
        if (snapshot->generation <= generation)
            storm_fault("a snapshot came behind a later one");
        generation = snapshot->generation;
        judge_piece(snapshot);
        meddle(snapshot, &dice);
        snapshot_unref(snapshot);
    }
    return NULL;
}

/* ---- the storm ---- */

/* As the prober does: straight into the server. */
static void flip_health(struct bare *bare)
{
    static const enum health_state states[] = {HEALTH_UP, HEALTH_UP, HEALTH_UP, HEALTH_UNKNOWN,
                                               HEALTH_DOWN};
    enum side side = dice_is(&bare->dice, 50) ? SIDE_OLD : SIDE_NEW;
    struct server *server = bare->servers[side][dice_below(&bare->dice, ORIGINS)];

    if (server != NULL)
        atomic_store_explicit(&server->shared.health,
                              states[dice_below(&bare->dice, ARRAY_LEN(states))],
                              memory_order_relaxed);
    atomic_store(&bare->life.common.has_been_up, dice_is(&bare->dice, 50));
}

/* As metrics, status and the comparison do. */
static void read_numbers(struct bare *bare)
{
    struct counters *sum = counters_new();
    struct sample *seen = mem_zalloc(SIDES, sizeof(*seen));

    for (unsigned i = 0; i < bare->life.count; i++) {
        counters_sum(sum, bare->life.counters[i]);
        evidence_sum(seen, &bare->life.evidence[i][dice_below(&bare->dice, PLANS_MAX)]);
    }
    mem_free(seen);
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < bare->snapshot->backends[side].count; i++)
            (void)server_is_usable(bare->snapshot->backends[side].servers[i].server,
                                   clock_mono_ms());
    if (atomic_load(&bare->life.common.connections) > 10000)
        storm_fault("more connections than there may be");
    counters_free(sum);
}

static void do_one(struct bare *bare)
{
    unsigned kind = dice_below(&bare->dice, 1000);

    if (kind < 700)
        publish(bare);
    else if (kind < 800)
        flip_health(bare);
    else if (kind < 830)
        read_numbers(bare);
    else if (kind < 840)
        renew_keys(bare);
    else if (kind < 845)
        renew_trust(bare);
    else if (kind < 860)
        renew_config(bare);
    else if (kind < 861)
        noise_restart_log();
    else if (kind < 995)
        storm_sleep_us(dice_below(&bare->dice, 500));
    else
        storm_sleep_us(dice_below(&bare->dice, 20000));
}

static void storm_for(struct bare *bare, unsigned ms)
{
    uint64_t end_ms = storm_now_ms() + ms;

    while (storm_now_ms() < end_ms && !life_is_drained(&bare->life))
        do_one(bare);
}

/* ---- beginning and end ---- */

static void begin(struct bare *bare)
{
    tls_tickets_init(&bare->tickets);
    for (unsigned i = 0; i < CONFIGS; i++)
        bare->configs[i] = text_parse(&bare->dice, i);
    renew_keys(bare);
    renew_trust(bare);
    publish(bare);
    CHECK(pthread_create(&bare->reader_thread, NULL, read_snapshots, bare) == 0);
}

/* Snapshots go on coming while workers end, as checks and look-ups make them. */
static void end(struct bare *bare)
{
    life_shut();
    if (dice_is(&bare->dice, 60)) {
        for (unsigned i = 0; i < bare->life.started; i++)
            if (dice_is(&bare->dice, 80))
                worker_set_stage(bare->life.workers[i], WORKER_DRAINING);
        storm_for(bare, dice_below(&bare->dice, 400));
    }
    life_set_stage(&bare->life, WORKER_STOPPING);
    storm_for(bare, 100);
    life_join(&bare->life);
    publish(bare); /* to nobody */
}

static void let_go(struct bare *bare)
{
    atomic_store(&bare->reader.is_over, true);
    pthread_join(bare->reader_thread, NULL);
    snapshot_unref(atomic_exchange(&bare->reader.inbox, NULL));
    snapshot_unref(bare->snapshot);
    for (unsigned i = 0; i < CONFIGS; i++)
        config_unref(bare->configs[i]);
    for (int side = 0; side < SIDES; side++)
        for (unsigned i = 0; i < ORIGINS; i++)
            if (bare->servers[side][i] != NULL)
                server_unref(bare->servers[side][i]);
    tls_keys_unref(bare->keys);
    for (unsigned i = 0; i < ARRAY_LEN(bare->trusts); i++)
        tls_trust_unref(bare->trusts[i]);
}

void life_bare(struct dice dice, unsigned ms)
{
    struct bare *bare = mem_zalloc(1, sizeof(*bare));
    bool fails = dice_is(&dice, 8);
    bool is_stillborn = dice_is(&dice, 8);

    bare->dice = dice;
    witness_begin(dice_is(&bare->dice, 50));
    bool is_open = life_open(&bare->life, "bare", &bare->dice, fails);
    begin(bare);
    if (is_open && !is_stillborn) {
        count(&counts.bare);
        life_go(&bare->life, 0);
        storm_for(bare, ms);
        end(bare);
    } else {
        count(&counts.failed_starts);
    }
    /* Workers hold what they adopted until they are freed, in whatever order. */
    if (dice_is(&bare->dice, 50)) {
        let_go(bare);
        life_close(&bare->life);
    } else {
        life_close(&bare->life);
        let_go(bare);
    }
    witness_judge("bare");
    mem_free(bare);
}
