/*
 * hook.c - one question to a URL:
 *
 *     START -> [RESOLVE ->] CONNECT [-> SHAKE] -> ANSWER -> CLOSING -> callback, and gone
 *                              ^  |       |                    ^
 *                              |  v       v                    |
 *                              +- NEXT <--+  (next address)    +-- from any state: an end, or cancel
 *
 * The one timer is the end of patience; while it connects, with this address. START is left for the
 * loop: no callback comes from within hook_ask.
 */
#include "control/hook.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/words.h"
#include "control/probe_http.h"
#include "control/trouble.h"
#include "net/lookup.h"
#include "net/stream.h"

/* Connecting to one of several addresses gets its share of the time, but no less than this. */
#define CONNECT_SHARE_MIN_MS 500

enum hook_state {
    HOOK_START = 0,
    HOOK_RESOLVE,
    HOOK_CONNECT,
    HOOK_SHAKE,
    HOOK_ANSWER,
    HOOK_NEXT, /* the stream is closing; then the next address */
    HOOK_CLOSING,
};

/* A URL taken apart; views of it. */
struct place {
    bool is_tls;
    struct str authority, path; /* path: with the query; may be empty */
    struct word_host host;
};

struct hook {
    uv_loop_t *loop;
    char *url; /* owned */
    struct place place;
    struct buf request;
    hook_cb on_answer; /* NULL: cancelled */
    void *data;

    enum hook_state state;
    unsigned open_handles;
    uv_timer_t timer;
    uint64_t timeout_ms, deadline_ms; /* monotonic */
    struct lookups *lookups;          /* owned; NULL: an address needs none */
    struct lookup *lookup;            /* owned; NULL: not asking */
    struct tls_trust *trust;          /* owned: one reference; NULL: plain */
    struct stream stream;
    struct addr addrs[LOOKUP_ADDRS_MAX];
    unsigned addr_count, addr_index;
    struct buf answer;
    size_t searched; /* of `answer` */

    bool yes;
    char detail[HOOK_DETAIL_BYTES];
};

static void on_timer(uv_timer_t *timer);
static void open_connection(struct hook *hook);

static struct hook *of_stream(struct stream *stream)
{
    return CONTAINER_OF(stream, struct hook, stream);
}

/* The URL */

static bool is_visible(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f)
            return false;
    return true;
}

static size_t authority_begin(struct str url)
{
    return str_starts_with(url, STR("https://"))  ? strlen("https://")
           : str_starts_with(url, STR("http://")) ? strlen("http://")
                                                  : 0;
}

/* Up to the path or the query. */
static size_t authority_end(struct str url, size_t from)
{
    while (from < url.len && url.data[from] != '/' && url.data[from] != '?' &&
           url.data[from] != '#')
        from++;
    return from;
}

static bool take_apart(struct str url, struct place *place)
{
    size_t begin = authority_begin(url);
    size_t end = authority_end(url, begin);
    ptrdiff_t hash = str_find_char(url, '#', end);

    place->is_tls = str_starts_with(url, STR("https://"));
    place->authority = str_slice(url, begin, end);
    place->path = str_slice(url, end, hash < 0 ? url.len : (size_t)hash);
    return begin > 0 && is_visible(url) && word_host_split(place->authority, &place->host);
}

struct str hook_place(struct str url)
{
    size_t begin = authority_begin(url);
    size_t end = authority_end(url, begin);
    ptrdiff_t at = str_find_char(str_slice(url, 0, end), '@', begin);

    /* USER:PASSWORD@HOST is refused by the configuration; should one come, it is not told. */
    return at >= 0 ? str_slice(url, 0, begin) : str_slice(url, 0, end);
}

static void write_request(struct hook *hook, struct str body)
{
    const struct place *place = &hook->place;
    bool needs_slash = str_is_empty(place->path) || place->path.data[0] != '/';

    buf_printf(&hook->request,
               "POST %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: cutover/%s (plan hook)\r\n"
               "Accept: */*\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n",
               needs_slash ? "/" : "", STR_ARG(place->path), STR_ARG(place->authority),
               CUTOVER_VERSION, body.len);
    buf_append_str(&hook->request, body);
}

/* The end */

static void free_when_closed(struct hook *hook)
{
    if (--hook->open_handles > 0)
        return;
    if (hook->on_answer != NULL)
        hook->on_answer(hook->data, hook->yes, hook->detail);
    if (hook->lookups != NULL)
        lookups_free(hook->lookups);
    tls_trust_unref(hook->trust);
    buf_deinit(&hook->request);
    buf_deinit(&hook->answer);
    mem_free(hook->url);
    mem_free(hook);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free_when_closed(handle->data);
}

static void on_close(struct stream *stream)
{
    struct hook *hook = of_stream(stream);

    if (hook->state != HOOK_NEXT) {
        free_when_closed(hook);
        return;
    }
    hook->open_handles--;
    open_connection(hook);
}

static bool has_connection(const struct hook *hook)
{
    return hook->state == HOOK_CONNECT || hook->state == HOOK_SHAKE || hook->state == HOOK_ANSWER;
}

static void end(struct hook *hook, bool yes, const char *detail)
{
    bool has_stream = has_connection(hook);

    if (hook->state == HOOK_CLOSING)
        return;
    hook->yes = yes;
    snprintf(hook->detail, sizeof(hook->detail), "%s", detail);
    if (hook->lookup != NULL)
        lookup_cancel(hook->lookup);
    hook->lookup = NULL;
    hook->state = HOOK_CLOSING;
    if (has_stream)
        stream_close(&hook->stream);
    uv_close((uv_handle_t *)&hook->timer, on_timer_closed);
}

void hook_cancel(struct hook *hook)
{
    hook->on_answer = NULL;
    end(hook, false, "");
}

/* Time */

static uint64_t time_left(const struct hook *hook)
{
    uint64_t now_ms = clock_mono_ms();

    return hook->deadline_ms > now_ms ? hook->deadline_ms - now_ms : 0;
}

/* libuv counts from its own idea of now, which a long write to disk leaves behind. */
static void arm(struct hook *hook, uint64_t delay_ms)
{
    uv_update_time(hook->loop);
    uv_timer_start(&hook->timer, on_timer, delay_ms, 0);
}

/* What is not there in time. */
static void time_is_over(struct hook *hook, const char *what)
{
    char detail[HOOK_DETAIL_BYTES];
    bool is_whole = hook->timeout_ms % 1000 == 0;

    snprintf(detail, sizeof(detail), "no %s within %" PRIu64 " %s", what,
             is_whole ? hook->timeout_ms / 1000 : hook->timeout_ms, is_whole ? "s" : "ms");
    end(hook, false, detail);
}

/* The answer */

static void read_answer(struct hook *hook)
{
    char detail[PROBE_DETAIL_BYTES];
    unsigned status = 0;

    switch (probe_answer_read(&hook->answer, &hook->searched, &status, detail)) {
    case PARSE_MORE:
        break;
    case PARSE_DONE:
        end(hook, status >= 200 && status <= 299, detail);
        break;
    case PARSE_BAD:
        end(hook, false, detail);
        break;
    }
}

static void on_read(struct stream *stream, struct str data, int status)
{
    struct hook *hook = of_stream(stream);
    char detail[TROUBLE_BYTES] = "the connection was closed without an answer";

    if (data.len > 0) {
        buf_append_str(&hook->answer, data);
        read_answer(hook);
        return;
    }
    if (status != 0)
        trouble_describe(stream, status, false, detail);
    end(hook, false, detail);
}

/* Connecting */

static void connect_failed(struct hook *hook, const char *detail)
{
    if (hook->addr_index + 1 == hook->addr_count || time_left(hook) == 0) {
        end(hook, false, detail);
        return;
    }
    hook->addr_index++;
    hook->state = HOOK_NEXT;
    uv_timer_stop(&hook->timer);
    stream_close(&hook->stream);
}

static void on_tcp(struct stream *stream)
{
    of_stream(stream)->state = HOOK_SHAKE;
}

/* A write that fails is told by the read, which may also have an answer all the same. */
static void on_connect(struct stream *stream, int status)
{
    struct hook *hook = of_stream(stream);
    struct str bytes = buf_str(&hook->request);
    struct iovec iov = {.iov_base = (char *)bytes.data, .iov_len = bytes.len};
    char detail[TROUBLE_BYTES];

    if (status != 0) {
        trouble_describe(stream, status, hook->state == HOOK_SHAKE, detail);
        connect_failed(hook, detail);
        return;
    }
    hook->state = HOOK_ANSWER;
    arm(hook, time_left(hook));
    stream_start(stream);
    stream_write(stream, &iov, 1);
}

static void on_error(struct stream *stream, int status)
{
    (void)stream;
    (void)status;
}

static void on_drain(struct stream *stream)
{
    (void)stream;
}

static const struct stream_ops hook_ops = {
    .on_tcp = on_tcp,
    .on_connect = on_connect,
    .on_read = on_read,
    .on_drain = on_drain,
    .on_error = on_error,
    .on_close = on_close,
};

/* One dead address must not use up the time that a living one behind it needs. */
static uint64_t connect_share(const struct hook *hook)
{
    uint64_t left = time_left(hook);
    uint64_t share = left / (hook->addr_count - hook->addr_index);
    uint64_t least = left < CONNECT_SHARE_MIN_MS ? left : CONNECT_SHARE_MIN_MS;

    return share < least ? least : share;
}

static void open_connection(struct hook *hook)
{
    int status;

    CHECK(stream_init(&hook->stream, hook->loop, &hook_ops) == 0);
    hook->open_handles++;
    hook->state = HOOK_CONNECT;
    if (hook->trust != NULL)
        stream_use_tls(&hook->stream, hook->trust, hook->place.host.host, NULL);
    arm(hook, connect_share(hook));
    status = stream_connect(&hook->stream, &hook->addrs[hook->addr_index]);
    if (status != 0)
        connect_failed(hook, uv_strerror(status));
}

/* Start */

static void on_lookup(void *data, const struct lookup_answer *answer)
{
    struct hook *hook = data;
    char detail[HOOK_DETAIL_BYTES];
    uint16_t port = hook->place.host.port;

    hook->lookup = NULL;
    if (answer->count == 0) {
        snprintf(detail, sizeof(detail), "its name has no address: %.90s", answer->trouble);
        end(hook, false, detail);
        return;
    }
    hook->addr_count = answer->count;
    for (unsigned i = 0; i < answer->count; i++) {
        hook->addrs[i] = answer->addrs[i];
        addr_set_port(&hook->addrs[i], port);
    }
    open_connection(hook);
}

static void resolve(struct hook *hook)
{
    struct word_host *host = &hook->place.host;

    if (host->port == 0)
        host->port = hook->place.is_tls ? 443 : 80;
    if (!host->is_name) {
        hook->addrs[0] = host->address;
        addr_set_port(&hook->addrs[0], host->port);
        hook->addr_count = 1;
        open_connection(hook);
        return;
    }
    char *name = str_dup(host->host);
    hook->state = HOOK_RESOLVE;
    hook->lookups = lookups_new(hook->loop);
    arm(hook, time_left(hook));
    hook->lookup = lookup_start(hook->lookups, name, on_lookup, hook);
    mem_free(name);
}

static void begin(struct hook *hook)
{
    struct error error;

    if (hook->place.authority.data == NULL) {
        end(hook, false, "it is not a URL that can be asked");
        return;
    }
    if (hook->place.is_tls) {
        hook->trust = tls_trust_new(true, STR(""), NULL, 0, &error);
        if (hook->trust == NULL) {
            end(hook, false, error.text);
            return;
        }
    }
    resolve(hook);
}

static void on_timer(uv_timer_t *timer)
{
    struct hook *hook = timer->data;

    switch (hook->state) {
    case HOOK_START:
        begin(hook);
        break;
    case HOOK_RESOLVE:
        time_is_over(hook, "address for its name");
        break;
    case HOOK_CONNECT:
    case HOOK_SHAKE:
        if (hook->addr_index + 1 < hook->addr_count && time_left(hook) > 0)
            connect_failed(hook, "");
        else
            time_is_over(hook, hook->state == HOOK_SHAKE ? "TLS" : "connection");
        break;
    case HOOK_ANSWER:
        time_is_over(hook, "answer");
        break;
    case HOOK_NEXT:
    case HOOK_CLOSING:
        break;
    }
}

struct hook *hook_ask_within(uv_loop_t *loop, struct str url, struct str body, uint64_t timeout_ms,
                             hook_cb on_answer, void *data)
{
    struct hook *hook = mem_zalloc(1, sizeof(*hook));

    hook->loop = loop;
    hook->url = str_dup(url);
    hook->on_answer = on_answer;
    hook->data = data;
    hook->timeout_ms = timeout_ms;
    hook->deadline_ms = clock_mono_ms() + timeout_ms;
    if (take_apart(str_from(hook->url, url.len), &hook->place))
        write_request(hook, body);
    else
        hook->place.authority.data = NULL;
    CHECK(uv_timer_init(loop, &hook->timer) == 0);
    hook->timer.data = hook;
    hook->open_handles = 1;
    arm(hook, 0);
    return hook;
}

struct hook *hook_ask(uv_loop_t *loop, struct str url, struct str body, hook_cb on_answer,
                      void *data)
{
    return hook_ask_within(loop, url, body, HOOK_TIMEOUT_MS, on_answer, data);
}
