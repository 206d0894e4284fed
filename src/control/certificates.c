/*
 * certificates.c - one set of keys and trust in use, and perhaps the next one, prepared.
 *
 *     stamp of the files the same as before?  -> what was made of them is shared by both sets
 *     changed, and good                       -> new keys, new snapshot, told
 *     changed, and bad twice in a row         -> told; what is in use stays
 *
 * Twice, since a certificate and its key are two files, and whoever renews them writes one after the
 * other.
 */
#include "control/certificates.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/controller.h"
#include "control/stamp.h"

#define DAY_S 86400

/* What was told of a certificate's end. */
enum end_told { END_FAR = 0, END_NEAR, END_OVER };

/* The keys of one listener, and the files that they came from. */
struct shown {
    struct str listen;              /* borrowed: from the configuration */
    const struct tls_pair *pairs;   /* borrowed: from the configuration */
    unsigned count;                 /* 0: plain */
    struct tls_keys *keys;          /* owned: one reference */
    struct tls_pair_info *info;     /* owned; of each pair */
    uint64_t stamp;                 /* of the files when they were read */
    uint64_t bad_stamp;             /* of files that could not be used; 0: none */
    char trouble[ERROR_TEXT_BYTES]; /* why not, once it was told */
    enum end_told told[TLS_PAIRS_MAX];
};

struct trusted {
    const struct config_backend_tls *tls; /* borrowed: from the configuration */
    struct tls_trust *trust;              /* owned: one reference; NULL: no TLS on the side */
    uint64_t stamp;                       /* of ca_file */
};

/* All that belongs to one configuration. */
struct set {
    struct config *config;              /* owned: one reference */
    struct shown shown[LISTEN_MAX + 1]; /* the listeners, and behind them the admin port */
    unsigned count;
    struct trusted trusted[SIDES];
};

struct certificates {
    struct controller *controller; /* borrowed: owner */
    struct set *now, *next;        /* owned */
    struct tls_tickets tickets;
    uint64_t tickets_made_ms;
    uv_timer_t timer;
    bool is_started;
};

static uint64_t stamp_pairs(const struct shown *shown)
{
    uint64_t stamp = 1;

    for (unsigned i = 0; i < shown->count; i++) {
        stamp = stamp_file(stamp, shown->pairs[i].certificate);
        stamp = stamp_file(stamp, shown->pairs[i].key);
    }
    return stamp;
}

/* Sets */

static void set_free(struct set *set)
{
    if (set == NULL)
        return;
    for (unsigned i = 0; i < set->count; i++) {
        tls_keys_unref(set->shown[i].keys);
        mem_free(set->shown[i].info);
    }
    for (int side = 0; side < SIDES; side++)
        tls_trust_unref(set->trusted[side].trust);
    config_unref(set->config);
    mem_free(set);
}

static bool same_files(const struct shown *a, const struct shown *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!str_eq(a->pairs[i].certificate, b->pairs[i].certificate) ||
            !str_eq(a->pairs[i].key, b->pairs[i].key))
            return false;
    return true;
}

/* What is in use of the same files, or NULL. */
static const struct shown *find_used(const struct set *now, const struct shown *shown)
{
    for (unsigned i = 0; now != NULL && i < now->count; i++)
        if (now->shown[i].count > 0 && same_files(&now->shown[i], shown))
            return &now->shown[i];
    return NULL;
}

static bool is_expired(const struct tls_pair_info *info)
{
    return info->not_after_s < (int64_t)(clock_wall_ms() / 1000);
}

/* Better an expired certificate than none; but none that is good is given up for it. */
static bool is_no_worse(const struct certificates *certificates, const struct shown *shown,
                        const struct tls_pair_info *info, struct error *error)
{
    const struct shown *used = find_used(certificates->now, shown);

    for (unsigned i = 0; used != NULL && i < shown->count; i++) {
        if (is_expired(&info[i]) && !is_expired(&used->info[i])) {
            return error_set(error, "the certificate in %.*s has expired",
                             STR_ARG(shown->pairs[i].certificate));
        }
    }
    return true;
}

/* New keys from the files as they are now; `shown` stays what it was when they are no good. */
static bool read_shown(struct certificates *certificates, struct shown *shown, struct error *error)
{
    uint64_t stamp = stamp_pairs(shown);
    struct tls_pair_info *info = mem_zalloc(shown->count, sizeof(*info));
    struct tls_keys *keys = tls_keys_new(shown->pairs, shown->count, &certificates->tickets, error);
    bool good = keys != NULL;

    for (unsigned i = 0; i < shown->count && good; i++)
        good = tls_pair_read(&shown->pairs[i], &info[i], error);
    good = good && is_no_worse(certificates, shown, info, error);
    if (!good) {
        tls_keys_unref(keys);
        mem_free(info);
        return false;
    }
    tls_keys_unref(shown->keys);
    mem_free(shown->info);
    shown->keys = keys;
    shown->info = info;
    shown->stamp = stamp;
    shown->bad_stamp = 0;
    shown->trouble[0] = '\0';
    memset(shown->told, 0, sizeof(shown->told));
    return true;
}

/* Keys that are in use and came from the same files, unchanged. */
static bool share_shown(const struct set *now, struct shown *shown)
{
    const struct shown *used = find_used(now, shown);

    if (used == NULL || used->stamp != stamp_pairs(shown))
        return false;
    shown->keys = tls_keys_ref(used->keys);
    shown->info = mem_alloc(shown->count * sizeof(*shown->info));
    memcpy(shown->info, used->info, shown->count * sizeof(*shown->info));
    shown->stamp = used->stamp;
    memcpy(shown->told, used->told, sizeof(shown->told));
    return true;
}

static bool add_shown(struct certificates *certificates, struct set *set, struct str listen,
                      const struct tls_pair *pairs, unsigned count, struct error *error)
{
    struct shown *shown = &set->shown[set->count++];

    *shown = (struct shown){.listen = listen, .pairs = pairs, .count = count};
    return count == 0 || share_shown(certificates->now, shown) ||
           read_shown(certificates, shown, error);
}

static bool wants_tls(const struct config_backend *backend)
{
    for (unsigned i = 0; i < backend->server_count; i++)
        if (backend->servers[i].is_tls)
            return true;
    return false;
}

static bool same_trust(const struct config_backend_tls *a, const struct config_backend_tls *b)
{
    if (a->verify != b->verify || !str_eq(a->ca_file, b->ca_file) || a->name_count != b->name_count)
        return false;
    for (unsigned i = 0; i < a->name_count; i++)
        if (!str_eq(a->names[i], b->names[i]))
            return false;
    return true;
}

static uint64_t stamp_trust(const struct config_backend_tls *tls)
{
    return str_is_empty(tls->ca_file) ? 0 : stamp_file(1, tls->ca_file);
}

/* The trust that is in use for the side, when nothing about it has changed: connections that were
 * made under it may then be kept. */
static bool share_trusted(const struct set *now, enum side side, struct trusted *trusted)
{
    const struct trusted *used = now == NULL ? NULL : &now->trusted[side];

    if (used == NULL || used->trust == NULL || !same_trust(used->tls, trusted->tls) ||
        used->stamp != trusted->stamp)
        return false;
    trusted->trust = tls_trust_ref(used->trust);
    return true;
}

static bool add_trusted(struct certificates *certificates, struct set *set, enum side side,
                        struct error *error)
{
    const struct config_backend *backend = &set->config->backends[side];
    struct trusted *trusted = &set->trusted[side];

    if (!wants_tls(backend))
        return true;
    trusted->tls = &backend->tls;
    trusted->stamp = stamp_trust(trusted->tls);
    if (share_trusted(certificates->now, side, trusted))
        return true;
    trusted->trust = tls_trust_new(backend->tls.verify, backend->tls.ca_file, backend->tls.names,
                                   backend->tls.name_count, error);
    return trusted->trust != NULL;
}

bool certificates_prepare(struct certificates *certificates, const struct config *config,
                          struct error *error)
{
    struct set *set = mem_zalloc(1, sizeof(*set));
    bool good = true;

    set->config = config_ref((struct config *)config);
    for (unsigned i = 0; i < config->listen_count && good; i++) {
        const struct config_listen *listen = &config->listen[i];
        good = add_shown(certificates, set, listen->text, listen->pairs, listen->pair_count, error);
    }
    good = good && add_shown(certificates, set, STR("admin"), config->admin.pairs,
                             config->admin.pair_count, error);
    for (int side = 0; side < SIDES && good; side++)
        good = add_trusted(certificates, set, (enum side)side, error);
    set_free(good ? certificates->next : set);
    if (good)
        certificates->next = set;
    return good;
}

/* A private key that everybody on the machine can read is not private. */
static void tell_exposed(const struct shown *shown)
{
    for (unsigned i = 0; i < shown->count; i++)
        if (shown->info[i].key_is_exposed) {
            log_event(LOG_WARN, "everybody on this machine may read a private key: chmod o-r",
                      LOG_STR("file", shown->pairs[i].key));
        }
}

static void tell_unverified(const struct set *now, const struct set *next)
{
    for (int side = 0; side < SIDES; side++) {
        const struct trusted *trusted = &next->trusted[side];
        if (trusted->trust != NULL && !trusted->tls->verify &&
            (now == NULL || now->trusted[side].trust != trusted->trust))
            log_event(LOG_WARN,
                      "certificates of a backend are not verified: anybody on the way "
                      "could be it",
                      LOG_TEXT("backend", side_name((enum side)side)));
    }
}

void certificates_adopt(struct certificates *certificates)
{
    CHECK(certificates->next != NULL);
    tell_unverified(certificates->now, certificates->next);
    set_free(certificates->now);
    certificates->now = certificates->next;
    certificates->next = NULL;
    for (unsigned i = 0; i < certificates->now->count; i++)
        tell_exposed(&certificates->now->shown[i]);
}

/* Looking at the files */

static void tell(struct certificates *certificates, struct str subject, const char *to,
                 const char *reason, const char *result)
{
    struct event event = {.actor = "cutover", .what = "certificate"};

    snprintf(event.subject, sizeof(event.subject), "%.*s", STR_ARG(subject));
    snprintf(event.to, sizeof(event.to), "%s", to);
    snprintf(event.reason, sizeof(event.reason), "%s", reason);
    snprintf(event.result, sizeof(event.result), "%s", result);
    events_add(&certificates->controller->events, event);
}

/* The name and the last day, as people read them. */
static void describe(const struct tls_pair_info *info, char *text, size_t size)
{
    char end[CLOCK_ISO_BYTES];

    clock_format((uint64_t)info->not_after_s * 1000, end);
    snprintf(text, size, "%.200s until %.10s", info->name, end);
}

/* Whether the keys are new ones. */
static bool look_at_shown(struct certificates *certificates, struct shown *shown)
{
    uint64_t stamp = stamp_pairs(shown);
    char text[EVENT_TEXT_BYTES];
    struct error error;

    if (stamp == shown->stamp) {
        /* Put back as they were. */
        shown->bad_stamp = 0;
        shown->trouble[0] = '\0';
        return false;
    }
    if (stamp == shown->bad_stamp && shown->trouble[0] != '\0')
        return false;
    if (read_shown(certificates, shown, &error)) {
        describe(&shown->info[0], text, sizeof(text));
        tell_exposed(shown);
        tell(certificates, shown->listen, "renewed", text, "ok");
        return true;
    }
    if (stamp == shown->bad_stamp) {
        snprintf(shown->trouble, sizeof(shown->trouble), "%s", error.text);
        tell(certificates, shown->listen, "kept", error.text, "refused");
    }
    /* Bad in another way than before: told anew when it stays so. */
    if (stamp != shown->bad_stamp)
        shown->trouble[0] = '\0';
    shown->bad_stamp = stamp;
    return false;
}

static bool look_at_trusted(struct certificates *certificates, enum side side)
{
    struct trusted *trusted = &certificates->now->trusted[side];
    struct error error;

    if (trusted->trust == NULL || stamp_trust(trusted->tls) == trusted->stamp)
        return false;
    trusted->stamp = stamp_trust(trusted->tls);
    struct tls_trust *next = tls_trust_new(trusted->tls->verify, trusted->tls->ca_file,
                                           trusted->tls->names, trusted->tls->name_count, &error);
    tell(certificates, trusted->tls->ca_file, next == NULL ? "kept" : "renewed",
         next == NULL ? error.text : "", next == NULL ? "refused" : "ok");
    if (next == NULL)
        return false;
    tls_trust_unref(trusted->trust);
    trusted->trust = next;
    return true;
}

static bool renew_tickets(struct certificates *certificates)
{
    uint64_t now_ms = clock_mono_ms();
    struct error error;
    bool changed = false;

    if (now_ms - certificates->tickets_made_ms < CERTIFICATES_TICKET_MS)
        return false;
    certificates->tickets_made_ms = now_ms;
    tls_tickets_rotate(&certificates->tickets);
    for (unsigned i = 0; i < certificates->now->count; i++) {
        struct shown *shown = &certificates->now->shown[i];
        /* With files that are no good now the keys go on with their old ticket keys. */
        if (shown->count > 0 && stamp_pairs(shown) == shown->stamp)
            changed = read_shown(certificates, shown, &error) || changed;
    }
    return changed;
}

/* Each certificate twice: when it is about to end, and when it has ended. */
static void look_at_end(struct certificates *certificates, struct shown *shown)
{
    int64_t now_s = (int64_t)(clock_wall_ms() / 1000);
    char text[EVENT_TEXT_BYTES];

    for (unsigned i = 0; i < shown->count; i++) {
        int64_t left_s = shown->info[i].not_after_s - now_s;
        enum end_told end = left_s >= (int64_t)CERTIFICATES_WARN_DAYS * DAY_S ? END_FAR
                            : left_s > 0                                      ? END_NEAR
                                                                              : END_OVER;
        if (end <= shown->told[i])
            continue;
        shown->told[i] = end;
        describe(&shown->info[i], text, sizeof(text));
        tell(certificates, shown->listen, end == END_NEAR ? "expiring" : "expired", text, "ok");
        log_event(LOG_WARN, end == END_NEAR ? "a certificate ends soon" : "a certificate has ended",
                  LOG_STR("listen", shown->listen), LOG_TEXT("certificate", text));
    }
}

static void look(struct certificates *certificates)
{
    bool changed = renew_tickets(certificates);

    for (unsigned i = 0; i < certificates->now->count; i++) {
        struct shown *shown = &certificates->now->shown[i];
        if (shown->count == 0)
            continue;
        changed = look_at_shown(certificates, shown) || changed;
        look_at_end(certificates, shown);
    }
    for (int side = 0; side < SIDES; side++)
        changed = look_at_trusted(certificates, (enum side)side) || changed;
    if (changed)
        controller_publish(certificates->controller);
}

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

/* Life cycle */

struct certificates *certificates_new(struct controller *controller)
{
    struct certificates *certificates = mem_zalloc(1, sizeof(*certificates));

    certificates->controller = controller;
    certificates->tickets_made_ms = clock_mono_ms();
    tls_tickets_init(&certificates->tickets);
    return certificates;
}

void certificates_start(struct certificates *certificates)
{
    certificates->is_started = true;
    uv_timer_init(certificates->controller->loop, &certificates->timer);
    certificates->timer.data = certificates;
    uv_timer_start(&certificates->timer, on_timer, 0, CERTIFICATES_EVERY_MS);
}

void certificates_stop(struct certificates *certificates)
{
    if (certificates->is_started)
        uv_close((uv_handle_t *)&certificates->timer, NULL);
    certificates->is_started = false;
}

void certificates_free(struct certificates *certificates)
{
    if (certificates == NULL)
        return;
    set_free(certificates->now);
    set_free(certificates->next);
    mem_free(certificates);
}

/* Inspecting */

struct tls_keys *certificates_listener(const struct certificates *certificates, unsigned listener)
{
    CHECK(listener + 1 < certificates->now->count);
    return certificates->now->shown[listener].keys;
}

struct tls_keys *certificates_admin(const struct certificates *certificates)
{
    return certificates->now->shown[certificates->now->count - 1].keys;
}

struct tls_trust *certificates_trust(const struct certificates *certificates, enum side side)
{
    return certificates->now->trusted[side].trust;
}

unsigned certificates_count(const struct certificates *certificates)
{
    unsigned count = 0;

    for (unsigned i = 0; i < certificates->now->count; i++)
        count += certificates->now->shown[i].count;
    return count;
}

struct certificate_facts certificates_facts(const struct certificates *certificates, unsigned index)
{
    const struct shown *shown = certificates->now->shown;

    for (; index >= shown->count; shown++)
        index -= shown->count;
    return (struct certificate_facts){
        .listen = shown->listen,
        .name = shown->info[index].name,
        .not_after_s = shown->info[index].not_after_s,
        .trouble = shown->trouble,
    };
}
