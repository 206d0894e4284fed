/*
 * events.c - the ring of what happened: add -> log line -> disk -> followers.
 *
 * Event `id` lies at ring[(id - 1) % EVENTS_MAX] until a newer one takes its place.
 */
#include "control/events.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "control/journal.h"
#include "control/repeats.h"

void events_init(struct events *events)
{
    events->ring = mem_zalloc(EVENTS_MAX, sizeof(*events->ring));
    events->next_id = 1;
    events->heard = 0;
    events->repeats = repeats_new();
    events->journal = NULL;
    events->is_behind = false;
    list_init(&events->followers);
}

/* Followers belong to their owners; they must have stopped, or never be stopped after this. */
void events_deinit(struct events *events)
{
    mem_free(events->ring);
    events->ring = NULL;
    repeats_free(events->repeats);
    events->repeats = NULL;
}

/* What somebody should look at: refusals, failures, servers that went away, memory that ends. */
static enum log_level level_of(const struct event *event)
{
    bool went_well = strcmp(event->result, "ok") == 0;
    bool is_down = strcmp(event->what, "health") == 0 && strcmp(event->to, "down") == 0;
    bool is_out = strcmp(event->what, "eject") == 0 && strcmp(event->to, "out") == 0;
    bool is_short = strcmp(event->what, "memory") == 0 && strcmp(event->to, "short") == 0;

    if (strcmp(event->result, "config_invalid") == 0)
        return LOG_ERROR;
    return went_well && !is_down && !is_out && !is_short ? LOG_INFO : LOG_WARN;
}

static void log_one(const struct event *event, struct str reason)
{
    log_event(level_of(event), "event", LOG_TEXT("what", event->what),
              LOG_TEXT("subject", event->subject), LOG_TEXT("from", event->from),
              LOG_TEXT("to", event->to), LOG_TEXT("actor", event->actor), LOG_STR("reason", reason),
              LOG_TEXT("result", event->result), LOG_U64("id", event->id));
}

/* Tells when the disk does not take it, and when it does again; not each time. */
static void keep(struct events *events)
{
    struct error error;
    bool is_kept;

    if (events->journal == NULL)
        return;
    is_kept = journal_append(events->journal, events, &error);
    if (!is_kept && !events->is_behind) {
        log_event(LOG_ERROR,
                  "the audit is not on disk, events stay in memory and it is tried again",
                  LOG_TEXT("error", error.text));
    } else if (is_kept && events->is_behind) {
        log_message(LOG_INFO, "the audit is on disk again");
    }
    events->is_behind = !is_kept;
}

static void add(struct events *events, struct event event, struct str all)
{
    struct event *kept;

    event.id = events->next_id++;
    event.wall_ms = clock_wall_ms();
    kept = &events->ring[(event.id - 1) % EVENTS_MAX];
    *kept = event;
    log_one(kept, all);
    keep(events);
    LIST_FOREACH (&events->followers, node) {
        struct event_follower *follower = CONTAINER_OF(node, struct event_follower, node);

        follower->on_event(follower, kept);
    }
}

void events_add(struct events *events, struct event event)
{
    events_add_with(events, event, str_of(event.reason));
}

static bool is_refusal(const struct event *event)
{
    return event_is_deed(event) && strcmp(event->result, "ok") != 0 &&
           strcmp(event->result, "not_durable") != 0;
}

void events_add_with(struct events *events, struct event event, struct str all)
{
    events->heard++;
    if (is_refusal(&event) && !repeats_note(events->repeats, &event, clock_mono_ms()))
        log_one(&event, all);
    else
        add(events, event, all);
}

bool events_restore(struct events *events, const struct event *event)
{
    if (event->id < events->next_id)
        return false;
    events->ring[(event->id - 1) % EVENTS_MAX] = *event;
    events->next_id = event->id + 1;
    return true;
}

void events_sync(struct events *events)
{
    struct event event;

    while (repeats_next(events->repeats, clock_mono_ms(), &event))
        add(events, event, str_of(event.reason));
    if (events->is_behind)
        keep(events);
}

void events_follow(struct events *events, struct event_follower *follower)
{
    list_push_back(&events->followers, &follower->node);
}

void event_follower_stop(struct event_follower *follower)
{
    list_remove(&follower->node);
}

const struct event *events_get(const struct events *events, uint64_t id)
{
    if (id == 0 || id >= events->next_id || events->next_id - id > EVENTS_MAX)
        return NULL;
    const struct event *event = &events->ring[(id - 1) % EVENTS_MAX];
    return event->id == id ? event : NULL; /* a line that was lost on disk has left a gap */
}

/* By what it is, not by its actor: that is a text which the caller of the API sends. */
bool event_is_deed(const struct event *event)
{
    static const char *const happenings[] = {"health", "eject", "addresses", "certificate",
                                             "memory"};

    for (size_t i = 0; i < ARRAY_LEN(happenings); i++)
        if (strcmp(event->what, happenings[i]) == 0)
            return false;
    return true;
}

bool event_is_of_weight(const struct event *event)
{
    return strcmp(event->what, "weight") == 0 || strcmp(event->what, "rollback") == 0;
}

/* Weights are numbers, states are words. */
static void write_value(const struct event *event, struct json *json, const char *name,
                        const char *value)
{
    if (event_is_of_weight(event) && value[0] != '\0')
        json_raw(json, name, str_of(value));
    else
        json_text(json, name, value);
}

void event_write(const struct event *event, struct json *json, const char *name)
{
    char at[CLOCK_ISO_BYTES];

    clock_format(event->wall_ms, at);
    json_object_begin(json, name);
    json_u64(json, "id", event->id);
    json_text(json, "at", at);
    json_text(json, "actor", event->actor);
    json_text(json, "what", event->what);
    json_text(json, "subject", event->subject);
    write_value(event, json, "from", event->from);
    write_value(event, json, "to", event->to);
    json_text(json, "reason", event->reason);
    json_text(json, "result", event->result);
    json_object_end(json);
}
