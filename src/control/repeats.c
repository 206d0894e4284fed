/*
 * repeats.c - events_add -> repeats_note -> its own event, or counted -> repeats_next, once a second.
 */
#include "control/repeats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "control/events.h"

struct repeat {
    struct event event; /* the first of its kind; `what` is empty: this place is free */
    uint64_t count;     /* not told yet */
    uint64_t span_ms;   /* from one telling to the next */
    uint64_t told_ms;
    uint64_t seen_ms; /* the last one */
};

struct repeats {
    struct repeat kinds[REPEATS_KINDS];
    struct repeat others;
};

struct repeats *repeats_new(void)
{
    struct repeats *repeats = mem_zalloc(1, sizeof(*repeats));
    struct event *others = &repeats->others.event;

    snprintf(others->actor, sizeof(others->actor), "several");
    snprintf(others->what, sizeof(others->what), "refused");
    snprintf(others->result, sizeof(others->result), "refused");
    snprintf(others->reason, sizeof(others->reason),
             "too many different calls were refused to tell them apart, the log has each");
    repeats->others.span_ms = REPEATS_FIRST_MS;
    return repeats;
}

void repeats_free(struct repeats *repeats)
{
    mem_free(repeats);
}

static bool is_alike(const struct event *a, const struct event *b)
{
    return strcmp(a->actor, b->actor) == 0 && strcmp(a->what, b->what) == 0 &&
           strcmp(a->subject, b->subject) == 0 && strcmp(a->from, b->from) == 0 &&
           strcmp(a->to, b->to) == 0 && strcmp(a->reason, b->reason) == 0 &&
           strcmp(a->result, b->result) == 0;
}

static bool is_free(const struct repeat *repeat, uint64_t now_ms)
{
    return repeat->event.what[0] == '\0' ||
           (repeat->count == 0 && now_ms - repeat->seen_ms >= REPEATS_QUIET_MS);
}

/* The place of this kind, else a free one, else NULL. */
static struct repeat *find(struct repeats *repeats, const struct event *event, uint64_t now_ms)
{
    struct repeat *unused = NULL;

    for (unsigned i = 0; i < REPEATS_KINDS; i++) {
        struct repeat *repeat = &repeats->kinds[i];

        if (is_free(repeat, now_ms)) {
            repeat->event.what[0] = '\0';
            unused = unused == NULL ? repeat : unused;
        } else if (is_alike(&repeat->event, event)) {
            return repeat;
        }
    }
    return unused;
}

bool repeats_note(struct repeats *repeats, const struct event *event, uint64_t now_ms)
{
    struct repeat *repeat = find(repeats, event, now_ms);
    bool is_new = repeat != NULL && repeat->event.what[0] == '\0';

    repeat = repeat == NULL ? &repeats->others : repeat;
    repeat->seen_ms = now_ms;
    if (is_new) {
        *repeat = (struct repeat){
            .event = *event, .span_ms = REPEATS_FIRST_MS, .told_ms = now_ms, .seen_ms = now_ms};
        return true;
    }
    /* Nothing came since it was told last: this one begins a new span. */
    if (repeat->count == 0 && now_ms - repeat->told_ms >= repeat->span_ms) {
        repeat->span_ms = REPEATS_FIRST_MS;
        repeat->told_ms = now_ms;
        if (repeat != &repeats->others)
            return true;
    }
    repeat->count++;
    return false;
}

static void tell(struct repeat *repeat, uint64_t now_ms, struct event *event)
{
    uint64_t after_s = (now_ms - repeat->told_ms) / 1000;

    *event = repeat->event;
    snprintf(event->reason, sizeof(event->reason),
             "(%" PRIu64 " more time%s in %" PRIu64 " s) %.170s", repeat->count,
             repeat->count == 1 ? "" : "s", after_s, repeat->event.reason);
    repeat->count = 0;
    repeat->told_ms = now_ms;
    repeat->span_ms =
        repeat->span_ms >= REPEATS_LAST_MS / 10 ? REPEATS_LAST_MS : repeat->span_ms * 10;
}

bool repeats_next(struct repeats *repeats, uint64_t now_ms, struct event *event)
{
    for (unsigned i = 0; i <= REPEATS_KINDS; i++) {
        struct repeat *repeat = i < REPEATS_KINDS ? &repeats->kinds[i] : &repeats->others;

        if (repeat->count > 0 && now_ms - repeat->told_ms >= repeat->span_ms) {
            tell(repeat, now_ms, event);
            return true;
        }
    }
    return false;
}
