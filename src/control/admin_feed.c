/*
 * admin_feed.c - second's timer, events -> admin_feed -> admin_stream_push for each that follows.
 *
 * The frames are made by asking the API as a client would: what is followed and what is asked for
 * can never differ. A follower that has not taken the last frame yet misses the next one: the
 * status is a state, and the newest one is all of it.
 */
#include "control/admin_feed.h"

#include <inttypes.h>

#include "base/check.h"
#include "control/admin_stream.h"
#include "control/api.h"

/* Appends the answer of a GET as one frame; nothing when there is no such answer. */
static void append_frame(struct admin *admin, const char *event, struct str path, struct str query,
                         struct buf *out)
{
    struct message message = {.method = STR("GET"), .path = path, .query = query};
    struct admin_request request = {.message = &message,
                                    .peer = STR("cutover"),
                                    .rates = &admin->rates,
                                    .history = &admin->history};
    struct admin_answer answer = {.status = 500};
    api_answer(admin->controller, &request, &answer);
    if (answer.status == 200) {
        buf_printf(out, "event: %s\ndata: ", event);
        buf_append_str(out, buf_str(&answer.body));
        buf_append_str(out, STR("\n\n"));
    }
    buf_deinit(&answer.body);
}

static void append_status(struct admin *admin, struct buf *out)
{
    buf_printf(out, "id: %" PRIu64 "\n", admin->controller->events.next_id - 1);
    append_frame(admin, "status", STR("/v1/status"), STR(""), out);
}

static void append_compare(struct admin *admin, struct buf *out)
{
    const struct config *config = admin->controller->config;
    struct buf query = BUF_EMPTY;
    append_frame(admin, "compare", STR("/v1/compare"), STR(""), out);
    for (unsigned i = 0; i < config->route_plan_count; i++) {
        struct str route = config->routes[config->route_plans[i].route].name;
        buf_clear(&query);
        buf_printf(&query, "route=%.*s", STR_ARG(route));
        append_frame(admin, "compare", STR("/v1/compare"), buf_str(&query), out);
    }
    buf_deinit(&query);
}

static void tell_all(struct admin *admin, bool with_compare)
{
    struct buf frames = BUF_EMPTY;
    if (admin->feed.follower_count == 0)
        return;
    append_status(admin, &frames);
    if (with_compare)
        append_compare(admin, &frames);
    LIST_FOREACH (&admin->conns, node) {
        struct admin_conn *conn = CONTAINER_OF(node, struct admin_conn, node);
        if (conn->state == ADMIN_STREAM && conn->follows_status &&
            stream_pending(&conn->stream) == 0)
            admin_stream_push(conn, buf_str(&frames));
    }
    buf_deinit(&frames);
}

static void on_soon(uv_timer_t *timer)
{
    tell_all(timer->data, false);
}

/* In the middle of a change: told once it is through, together with those that come with it. */
static void on_change(struct event_follower *follower, const struct event *event)
{
    struct admin_feed *feed = CONTAINER_OF(follower, struct admin_feed, changes);
    (void)event;
    if (!uv_is_active((uv_handle_t *)&feed->soon))
        CHECK(uv_timer_start(&feed->soon, on_soon, FEED_SOON_MS, 0) == 0);
}

void admin_feed_init(struct admin *admin, uv_loop_t *loop)
{
    CHECK(uv_timer_init(loop, &admin->feed.soon) == 0);
    admin->feed.soon.data = admin;
    admin->feed.changes.on_event = on_change;
    list_init(&admin->feed.changes.node);
}

void admin_feed_stop(struct admin *admin, uv_close_cb on_closed)
{
    event_follower_stop(&admin->feed.changes);
    uv_close((uv_handle_t *)&admin->feed.soon, on_closed);
}

void admin_feed_tick(struct admin *admin)
{
    admin->feed.second = (admin->feed.second + 1) % FEED_COMPARE_S;
    tell_all(admin, admin->feed.second == 0);
}

void admin_feed_join(struct admin_conn *conn)
{
    struct admin *admin = conn->admin;
    struct buf frames = BUF_EMPTY;
    conn->follows_status = true;
    if (admin->feed.follower_count++ == 0)
        events_follow(&admin->controller->events, &admin->feed.changes);
    append_status(admin, &frames);
    append_compare(admin, &frames);
    admin_stream_push(conn, buf_str(&frames));
    buf_deinit(&frames);
}

void admin_feed_leave(struct admin_conn *conn)
{
    conn->follows_status = false;
    if (--conn->admin->feed.follower_count == 0)
        event_follower_stop(&conn->admin->feed.changes);
}
