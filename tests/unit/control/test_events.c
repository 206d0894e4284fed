/* test_events.c - the audit ring: order, what is kept, who is told. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "control/events.h"

static struct events events;

static void setup(void)
{
    /* Each event is a log line, and before log_start those go to stderr. */
    int nowhere = open("/dev/null", O_WRONLY);

    cr_assert_geq(dup2(nowhere, STDERR_FILENO), 0);
    events_init(&events);
}

static void teardown(void)
{
    events_deinit(&events);
}

TestSuite(events, .init = setup, .fini = teardown);

static struct event numbered(unsigned number)
{
    struct event event = {.actor = "10.0.0.1", .what = "weight", .result = "ok"};

    snprintf(event.to, sizeof(event.to), "%u", number);
    return event;
}

static void add(unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        events_add(&events, numbered(i));
}

Test(events, none_is_there_at_first)
{
    cr_assert_null(events_get(&events, 0));
    cr_assert_null(events_get(&events, 1));
    cr_assert_null(events_get(&events, UINT64_MAX));
}

Test(events, ids_grow_by_one_and_time_is_filled_in)
{
    add(3);
    for (uint64_t id = 1; id <= 3; id++) {
        const struct event *event = events_get(&events, id);

        cr_assert_not_null(event);
        cr_assert_eq(event->id, id);
        cr_assert_eq(event->to[0], (char)('0' + id));
        cr_assert_gt(event->wall_ms, 0);
    }
    cr_assert_null(events_get(&events, 4));
}

Test(events, the_newest_are_kept)
{
    add(EVENTS_MAX);
    cr_assert_not_null(events_get(&events, 1));
    add(2);
    cr_assert_null(events_get(&events, 2));
    cr_assert_eq(events_get(&events, 3)->id, 3);
    cr_assert_eq(events_get(&events, EVENTS_MAX + 2)->id, EVENTS_MAX + 2);
    cr_assert_str_eq(events_get(&events, EVENTS_MAX + 2)->to, "2");
    cr_assert_null(events_get(&events, EVENTS_MAX + 3));
}

struct listener {
    struct event_follower follower;
    uint64_t last;
    unsigned told;
    unsigned stops_after; /* 0: never */
};

static void on_event(struct event_follower *follower, const struct event *event)
{
    struct listener *listener = CONTAINER_OF(follower, struct listener, follower);

    listener->last = event->id;
    if (++listener->told == listener->stops_after)
        event_follower_stop(follower);
}

Test(events, followers_hear_of_each_until_they_stop)
{
    struct listener all = {.follower.on_event = on_event};
    struct listener two = {.follower.on_event = on_event, .stops_after = 2};
    struct listener late = {.follower.on_event = on_event};

    events_follow(&events, &two.follower);
    events_follow(&events, &all.follower);
    add(3);
    events_follow(&events, &late.follower);
    add(1);
    cr_assert_eq(all.told, 4);
    cr_assert_eq(all.last, 4);
    cr_assert_eq(two.told, 2);
    cr_assert_eq(late.told, 1);
    event_follower_stop(&all.follower);
    event_follower_stop(&all.follower);
    add(1);
    cr_assert_eq(all.told, 4);
    cr_assert_eq(late.told, 2);
}

Test(events, an_event_is_written_as_one_json_object)
{
    struct event event = numbered(30);
    struct buf out = BUF_EMPTY;
    struct json json;

    snprintf(event.reason, sizeof(event.reason), "said \"go\"\n");
    events_add(&events, event);
    json_init(&json, &out);
    event_write(events_get(&events, 1), &json, NULL);

    buf_append_char(&out, '\0');
    const char *text = buf_str(&out).data;
    cr_assert_eq(strncmp(text, "{\"id\":1,\"at\":\"20", 16), 0, "%s", text);
    cr_assert_not_null(
        strstr(text, "\"actor\":\"10.0.0.1\",\"what\":\"weight\",\"subject\":\"\","));
    cr_assert_not_null(strstr(text, "\"from\":\"\",\"to\":30,"));
    cr_assert_not_null(strstr(text, "\"reason\":\"said \\\"go\\\"\\n\",\"result\":\"ok\"}"), "%s",
                       text);
    buf_deinit(&out);
}
