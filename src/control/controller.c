/*
 * controller.c - start, stop and the way out: everything that changed leaves as one new snapshot.
 *
 *     start: store_open (lock) -> store_read -> state or initial_weight -> written once -> snapshot
 *
 * The write at the start takes the sequence past every generation that the last run may have used,
 * and shows at once whether the folder can be written.
 */
#include "control/controller.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/certificates.h"
#include "control/draft.h"
#include "control/fleet.h"
#include "control/meter.h"
#include "control/missed.h"
#include "control/pilot.h"
#include "control/prober.h"
#include "control/resolver.h"
#include <inttypes.h>

static const struct {
    const char *code;
    unsigned status;
} results[] = {
#define X(id, code, status) [id] = {code, status},
    CONTROL_RESULTS(X)
#undef X
};

const char *control_result_code(enum control_result result)
{
    return results[result].code;
}

unsigned control_result_status(enum control_result result)
{
    return results[result].status;
}

/* Publish */

/* The counters slot of a route name: the one it has had before, or the next free one. */
static unsigned slot_of(struct controller *controller, struct str name)
{
    unsigned slot = 1;

    while (slot < ROUTE_SLOTS && !str_is_empty(controller->slot_names[slot]) &&
           !str_eq(controller->slot_names[slot], name))
        slot++;
    if (slot == ROUTE_SLOTS) {
        if (!controller->slots_are_full) {
            log_event(LOG_WARN, "too many route names since the start: counted as the main route",
                      LOG_STR("route", name));
        }
        controller->slots_are_full = true;
        return 0;
    }
    if (str_is_empty(controller->slot_names[slot]))
        controller->slot_names[slot] = str_from(str_dup(name), name.len);
    return slot;
}

/* The plans of the present configuration get their evidence: a name keeps the one that it has had,
 * a new one gets one that was never used, or else one whose plan is gone. */
static bool is_planned(const struct controller *controller, struct str name)
{
    const struct config *config = controller->config;

    for (unsigned i = 0; i < config->route_plan_count; i++)
        if (str_eq(config->routes[config->route_plans[i].route].name, name))
            return true;
    return str_eq(name, STR(ROUTE_MAIN));
}

static unsigned find_evidence(const struct controller *controller, struct str name)
{
    unsigned index = 0;

    while (index < PLANS_MAX && !str_eq(controller->plan_names[index], name))
        index++;
    return index;
}

static void take_evidence(struct controller *controller, struct str name)
{
    unsigned index = find_evidence(controller, STR(""));

    if (find_evidence(controller, name) < PLANS_MAX)
        return;
    for (unsigned i = 0; index == PLANS_MAX && i < PLANS_MAX; i++)
        if (!is_planned(controller, controller->plan_names[i]))
            index = i;
    CHECK(index < PLANS_MAX);
    mem_free((void *)controller->plan_names[index].data);
    controller->plan_names[index] = str_from(str_dup(name), name.len);
}

int controller_plan_index(const struct controller *controller, struct str route)
{
    struct str name = str_is_empty(route) ? STR(ROUTE_MAIN) : route;

    return is_planned(controller, name) ? (int)find_evidence(controller, name) : -1;
}

static int evidence_of(const struct controller *controller, const struct route *route)
{
    if (route->kind == ROUTE_FOLLOWS)
        return 0;
    return route->kind == ROUTE_PINNED ? -1 : controller_plan_index(controller, route->name);
}

static void fill_evidence(struct controller *controller, struct snapshot *snapshot)
{
    const struct config *config = controller->config;

    for (unsigned i = 0; i < config->route_plan_count; i++)
        take_evidence(controller, config->routes[config->route_plans[i].route].name);
    for (unsigned i = 0; i < config->route_count; i++)
        snapshot->evidence[i] = evidence_of(controller, &config->routes[i]);
}

/* Names of routes that are gone are left out: nothing is frozen in their place. */
static void fill_freeze(const struct controller *controller, struct freeze *freeze)
{
    const struct state_freeze *kept = &controller->state.freeze;
    const struct config *config = controller->config;

    freeze->is_on = kept->is_on;
    freeze->retry_after_s = kept->retry_after_s;
    freeze->main = kept->route_count == 0;
    for (unsigned i = 0; i < config->route_count; i++)
        freeze->routes[i] = kept->route_count == 0;
    for (unsigned i = 0; i < kept->route_count; i++) {
        int index = route_find(config->routes, config->route_count, kept->routes[i]);

        if (str_eq(kept->routes[i], STR(ROUTE_MAIN)))
            freeze->main = true;
        else if (index >= 0)
            freeze->routes[index] = true;
    }
}

static void fill_policy(struct controller *controller, struct snapshot *snapshot)
{
    const struct config *config = controller->config;
    const struct state *state = &controller->state;
    struct policy *policy = &snapshot->policy;

    policy->weight = state->weight;
    for (unsigned i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];

        policy->route_weight[i] = state_route_weight(state, route->name, route->initial_weight);
        snapshot->slots[i] = slot_of(controller, route->name);
    }
    for (int side = 0; side < SIDES; side++)
        policy->admin[side] = state->admin[side];
    fill_freeze(controller, &policy->freeze);
    fill_evidence(controller, snapshot);
}

static void fill_tls(const struct controller *controller, struct snapshot *snapshot)
{
    const struct certificates *certificates = controller->certificates;

    for (unsigned i = 0; i < controller->config->listen_count; i++)
        snapshot_set_keys(snapshot, i, certificates_listener(certificates, i));
    for (int side = 0; side < SIDES; side++) {
        snapshot_set_trust(snapshot, (enum side)side,
                           certificates_trust(certificates, (enum side)side));
    }
}

void controller_publish(struct controller *controller)
{
    struct snapshot *before = controller->snapshot;

    controller->generation++;
    controller->snapshot = snapshot_new(controller->config, controller->generation);
    fill_policy(controller, controller->snapshot);
    fleet_write(controller, controller->snapshot);
    fill_tls(controller, controller->snapshot);
    controller->publish(controller->publish_data, controller->snapshot);
    snapshot_unref(before);
}

/* Start */

static void log_weight(const struct controller *controller, const char *message)
{
    char weight[WEIGHT_TEXT_BYTES], initial[WEIGHT_TEXT_BYTES];

    log_event(
        LOG_INFO, message, LOG_TEXT("weight", weight_format(controller->state.weight, weight)),
        LOG_TEXT("initial_weight", weight_format(controller->config->initial_weight, initial)),
        LOG_TEXT("state_file", controller->store.path));
}

/* The state on disk is no good: puts it aside where that was asked for. */
static bool reset_state(struct controller *controller, bool reset, const struct error *read_error,
                        struct error *error)
{
    if (!reset) {
        return error_set(error,
                         "%.400s. Start again with --reset-state to begin at initial_weight (it "
                         "moves the bad files aside)",
                         read_error->text);
    }
    if (!store_reset(&controller->store, error))
        return false;
    log_event(LOG_WARN, "the state was unreadable and has been put aside",
              LOG_TEXT("error", read_error->text));
    return true;
}

/* The state to start with, or the reason why there is none. */
static bool read_state(struct controller *controller, bool reset, bool *is_first,
                       struct error *error)
{
    struct error read_error;
    enum store_found found =
        store_read(&controller->store, &controller->state, &controller->state_arena, &read_error);

    *is_first = found == STORE_NONE || found == STORE_UNREADABLE;
    if (found == STORE_UNREADABLE && !reset_state(controller, reset, &read_error, error))
        return false;
    if (found != STORE_UNREADABLE && reset) {
        log_message(LOG_WARN, *is_first ? "--reset-state was not needed: there is no state yet"
                                        : "--reset-state was not needed: the state can be read, "
                                          "and is kept");
    }
    if (found == STORE_PREVIOUS) {
        log_event(LOG_WARN, "the state file is not usable: its previous copy is taken",
                  LOG_TEXT("error", read_error.text));
    }
    if (*is_first) {
        memset(&controller->state, 0, sizeof(controller->state));
        controller->state.weight = controller->config->initial_weight;
    }
    log_weight(controller, *is_first ? "no state yet: weight taken from initial_weight"
                                     : "weight taken from the state file");
    return true;
}

/* Without any state on disk the folder must take one; with one, a full disk does not stop us. */
static bool write_first_state(struct controller *controller, bool is_first, struct error *error)
{
    struct draft draft;

    controller->generation = controller->store.sequence + (is_first ? 0 : DRAFT_GENERATION_GAP);
    draft_begin(&draft, controller);
    draft_fit(&draft, controller);
    controller->durable = draft_save(&draft, controller, error);
    if (!controller->durable && is_first) {
        draft_drop(&draft);
        return false;
    }
    draft_apply(&draft, controller);
    return true;
}

/* Under the lock of the state, so that one cutover alone writes it. Without it all works on: what
 * happens is kept in memory until the disk takes it. */
static void open_journal(struct controller *controller, const char *state_file)
{
    struct error error;

    if (!journal_open(&controller->journal, state_file, &controller->events, &error)) {
        log_event(LOG_ERROR, "the audit trail cannot be kept on disk: it is tried again",
                  LOG_TEXT("error", error.text));
    }
}

static bool load_state(struct controller *controller, bool reset, struct error *error)
{
    char *path = str_dup(controller->config->state_file);
    bool is_first, loaded = store_open(&controller->store, path, error);

    if (loaded)
        open_journal(controller, path);
    loaded = loaded && read_state(controller, reset, &is_first, error);
    if (loaded)
        missed_tell(controller);
    loaded = loaded && write_first_state(controller, is_first, error);
    mem_free(path);
    return loaded;
}

/* Everything that owns memory; handles are closed by then, or were never started. */
static void release(struct controller *controller)
{
    journal_close(&controller->journal);
    store_close(&controller->store);
    fleet_release(controller);
    certificates_free(controller->certificates);
    buf_deinit(&controller->reload_notes);
    snapshot_unref(controller->snapshot);
    config_unref(controller->config);
    arena_deinit(&controller->state_arena);
    events_deinit(&controller->events);
    for (unsigned i = 0; i < ROUTE_SLOTS; i++)
        mem_free((void *)controller->slot_names[i].data);
    for (unsigned i = 0; i < PLANS_MAX; i++)
        mem_free((void *)controller->plan_names[i].data);
    mem_free(controller->config_path);
}

bool controller_init(struct controller *controller, const struct controller_options *options,
                     struct error *error)
{
    *controller = (struct controller){
        .loop = options->loop,
        .config = config_ref(options->config),
        .config_path = mem_strdup(options->config_path),
        .store.lock_fd = -1,
        .journal.fd = -1,
        .durable = true,
        .started_ms = clock_mono_ms(),
        .short_of_memory = options->short_of_memory,
        .counters = options->counters,
        .counters_count = options->counters_count,
        .evidence = options->evidence,
        .publish = options->publish,
        .publish_data = options->publish_data,
    };
    arena_init(&controller->state_arena);
    events_init(&controller->events);
    controller->slot_names[0] = str_from(mem_strdup(ROUTE_MAIN), strlen(ROUTE_MAIN));
    controller->plan_names[0] = str_from(mem_strdup(ROUTE_MAIN), strlen(ROUTE_MAIN));
    controller->certificates = certificates_new(controller);
    fleet_adopt(controller);
    if (!certificates_prepare(controller->certificates, controller->config, error)) {
        release(controller);
        return false;
    }
    certificates_adopt(controller->certificates);
    if (!load_state(controller, options->reset_state, error)) {
        release(controller);
        return false;
    }
    uv_timer_init(controller->loop, &controller->persist_timer);
    controller->persist_timer.data = controller;
    if (!controller->durable) {
        struct error ignored; /* it is in the log, and it is tried again */

        state_save(controller, &ignored);
    }
    controller->meter = meter_new(controller);
    controller->pilot = pilot_new(controller);
    controller->prober = prober_new(controller);
    controller->resolver = resolver_new(controller);
    return true;
}

void controller_start(struct controller *controller)
{
    memory_find_limit(&controller->memory);
    certificates_start(controller->certificates);
    resolver_start(controller->resolver);
    prober_start(controller->prober);
    pilot_start(controller->pilot);
    meter_start(controller->meter);
}

void controller_watch_memory(struct controller *controller)
{
    const struct memory *memory = &controller->memory;
    struct event event = {.actor = "cutover", .what = "memory", .result = "ok"};

    if (!memory_watch(&controller->memory))
        return;
    if (controller->short_of_memory != NULL)
        atomic_store_explicit(controller->short_of_memory, memory->is_short, memory_order_relaxed);
    snprintf(event.from, sizeof(event.from), "%s", memory->is_short ? "enough" : "short");
    snprintf(event.to, sizeof(event.to), "%s", memory->is_short ? "short" : "enough");
    snprintf(event.reason, sizeof(event.reason), "%" PRIu64 " of %" PRIu64 " MiB are used: %s",
             memory->used_bytes >> 20, memory->limit_bytes >> 20,
             memory->is_short ? "new connections get 503" : "new connections are taken again");
    events_add(&controller->events, event);
}

/* Stop */

void controller_stop(struct controller *controller)
{
    struct error error;

    if (!controller->durable && state_save(controller, &error))
        log_message(LOG_INFO, "the state is on disk again");
    uv_close((uv_handle_t *)&controller->persist_timer, NULL);
    certificates_stop(controller->certificates);
    meter_stop(controller->meter);
    pilot_stop(controller->pilot);
    prober_stop(controller->prober);
    resolver_stop(controller->resolver);
}

void controller_deinit(struct controller *controller)
{
    meter_free(controller->meter);
    pilot_free(controller->pilot);
    prober_free(controller->prober);
    resolver_free(controller->resolver);
    release(controller);
}

/* Inspect */

void controller_sum_evidence(const struct controller *controller, unsigned index,
                             struct sample sum[SIDES])
{
    memset(sum, 0, SIDES * sizeof(*sum));
    for (unsigned i = 0; i < controller->counters_count; i++)
        evidence_sum(sum, &controller->evidence[i][index]);
}

void controller_sum_counters(const struct controller *controller, struct counters *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (unsigned i = 0; i < controller->counters_count; i++)
        counters_sum(sum, controller->counters[i]);
}
