/*
 * judge_limits.c - how long, and how much.
 */
#include <inttypes.h>
#include <stdio.h>

#include "config/values.h"
#include "doctor/judge.h"

/* A close that is on its way while a request is sent the other way. */
#define RACE_MS 500

/* Shorter than this is no keeping at all. */
#define AT_ONCE_MS 200

/* Socket.IO's servers ping every 25 s. */
#define WEBSOCKET_SHORT_MS 30000

#define HEAD_SMALL_BYTES 8192

static unsigned status_of(const struct call *call)
{
    return call->answers[0].message.status;
}

/* ---- idle connections ---- */

/* How long the proxy uses an idle connection: its own limit, or a second less than what the server
 * says. */
static uint64_t proxy_idle_ms(const struct call *call, uint64_t upstream_idle_ms)
{
    uint64_t said_s = answer_keep_alive_s(&call->answers[0]);
    uint64_t said_ms = said_s > 1 ? (said_s - 1) * 1000 : 1;

    return said_s > 0 && said_ms < upstream_idle_ms ? said_ms : upstream_idle_ms;
}

/* Safely below what the server keeps. */
static uint64_t idle_to_set_ms(uint64_t lived_ms)
{
    if (lived_ms >= 30000)
        return lived_ms / 1000 * 1000 - 10000;
    if (lived_ms >= 2000)
        return lived_ms / 1000 * 1000 - 1000;
    return lived_ms / 200 * 100;
}

/* Until time was over, or the other end closed. */
static const char *lived_text(const struct call *call, char text[JUDGE_MS_BYTES])
{
    return judge_ms_text(call->has_ended ? call->lived_ms : call->order.watch_ms, text);
}

static void advise_keep_alive(struct finding *finding, const struct call *call, uint64_t used_ms)
{
    char set[VALUE_TEXT_BYTES];

    if (!call->has_ended) {
        value_duration_text(used_ms, set);
        finding_advise(finding,
                       "It was not watched for long enough: try again with --idle %s or more", set);
    } else if (call->lived_ms < AT_ONCE_MS) {
        finding_advise(finding, "It claims to keep connections and does not: let it say "
                                "Connection: close, or keep them");
    } else {
        value_duration_text(idle_to_set_ms(call->lived_ms), set);
        finding_advise(finding,
                       "Requests will fail now and then, when it closes just as one arrives: set "
                       "timeouts.upstream_idle to %s",
                       set);
    }
}

bool judge_keep_alive(struct finding *finding, const struct call *call, uint64_t upstream_idle_ms)
{
    uint64_t used_ms = proxy_idle_ms(call, upstream_idle_ms);
    uint64_t said_s = answer_keep_alive_s(&call->answers[0]);
    char lived[JUDGE_MS_BYTES], used[VALUE_TEXT_BYTES];
    enum result result = RESULT_OK;

    if (!call->was_watched)
        return false;
    if (call->has_ended && call->lived_ms < used_ms)
        result = RESULT_FAIL;
    else if (call->has_ended ? call->lived_ms < used_ms + RACE_MS : call->order.watch_ms < used_ms)
        result = RESULT_WARN;
    value_duration_text(used_ms, used);
    finding_say(finding, result, "%s an idle connection %s %s",
                call->has_ended ? "closes" : "keeps", call->has_ended ? "after" : "for more than",
                lived_text(call, lived));
    if (said_s > 0)
        finding_add(finding, " (and says %" PRIu64 " s)", said_s);
    finding_add(finding, "; the proxy uses it for %s", used);
    if (result != RESULT_OK)
        advise_keep_alive(finding, call, used_ms);
    return true;
}

/* ---- request heads ---- */

static void put_size(struct finding *finding, size_t bytes)
{
    if (bytes >= 1024 && bytes % 1024 == 0)
        finding_add(finding, "%zu KB", bytes / 1024);
    else
        finding_add(finding, "%zu bytes", bytes);
}

void judge_request_head(struct finding *finding, size_t tried, size_t accepted,
                        const struct call *refusal)
{
    if (accepted >= tried) {
        finding_say(finding, RESULT_OK, "takes a head of ");
        put_size(finding, tried);
        return;
    }
    finding_say(finding, accepted < HEAD_SMALL_BYTES ? RESULT_FAIL : RESULT_WARN,
                "takes a head of ");
    put_size(finding, accepted);
    finding_add(finding, ", a larger one");
    judge_describe(finding, refusal);
    finding_advise(finding, "Users with many cookies would see that: raise the limit there (nginx: "
                            "large_client_header_buffers 4 32k)");
}

void judge_request_heads(struct finding *finding, size_t old_accepted, size_t new_accepted)
{
    if (new_accepted >= old_accepted) {
        finding_say(finding, RESULT_OK, "new takes as large a head as old");
        return;
    }
    finding_say(finding, RESULT_FAIL, "new takes a head of ");
    put_size(finding, new_accepted);
    finding_add(finding, ", old of ");
    put_size(finding, old_accepted);
    finding_advise(finding, "What works on old would fail on new: raise the limit there");
}

/* ---- uploads ---- */

static void advise_upload(struct finding *finding, const struct asked *asked)
{
    unsigned status = status_of(asked->call);

    if (status == 413) {
        finding_advise(finding, "A limit is in the way: nginx has 1 MB unless client_max_body_size "
                                "is set; else look at the application's own");
    } else if (status == 408 || status == 504 || asked->call->status == UV_ETIMEDOUT) {
        finding_advise(finding, "It takes too long for what stands in front: raise its timeout for "
                                "bodies, or try with a longer --timeout");
    } else if (status == 0) {
        finding_advise(finding, "Something cuts large bodies off: look at the limits of what "
                                "stands in front, and of the application");
    } else if (status >= 500) {
        finding_advise(finding, "Look at the application's log");
    } else {
        finding_advise(finding, "Whether it takes uploads shows only where it does: name such a "
                                "path with --upload-path");
    }
}

void judge_upload(struct finding *finding, const struct asked *asked, uint64_t bytes)
{
    const struct call *call = asked->call;
    unsigned status = status_of(call);
    char size[VALUE_TEXT_BYTES], time[JUDGE_MS_BYTES];
    bool is_taken = status >= 200 && status < 400;
    bool is_refused =
        status == 0 || status == 408 || status == 413 || status >= 500 || call->fault != CALL_FINE;

    value_size_text(bytes, size);
    finding_say(finding,
                is_refused ? RESULT_FAIL
                : is_taken ? RESULT_OK
                           : RESULT_WARN,
                "POST of %s to %.*s", size, STR_ARG(asked->path));
    judge_describe(finding, call);
    if (is_taken && !is_refused)
        finding_add(finding, " in %s", judge_ms_text(call->answer_ms[0], time));
    else
        advise_upload(finding, asked);
}

/* ---- WebSockets ---- */

static bool is_upgraded(const struct call *call)
{
    const struct answer *answer = &call->answers[0];

    return status_of(call) == 101 &&
           str_eq(answer_field(answer, STR("Sec-WebSocket-Accept")), STR(FRAME_ACCEPT));
}

static void advise_websocket(struct finding *finding, const struct asked *asked)
{
    switch (status_of(asked->call)) {
    case 101:
        finding_advise(finding, "Something on the way answers in the application's place: look at "
                                "what stands in front");
        break;
    case 403:
        finding_advise(finding, "The application may not accept the Origin: give yours with "
                                "--origin, and add it to its allowed origins");
        break;
    case 404:
        finding_advise(finding, "Correct the path given with --websocket; if it is right, "
                                "something on the way does not pass Upgrade (nginx: see "
                                "docs/platforms.md)");
        break;
    default:
        finding_advise(finding, "Something on the way does not pass Upgrade (nginx: "
                                "proxy_http_version 1.1, and Upgrade and Connection set as in "
                                "docs/platforms.md), or the application refuses it: see its log");
    }
}

void judge_websocket(struct finding *finding, const struct asked *asked)
{
    const struct call *call = asked->call;
    char text[JUDGE_MS_BYTES];

    finding_say(finding, is_upgraded(call) ? RESULT_OK : RESULT_FAIL, "upgrade at %.*s",
                STR_ARG(asked->path));
    judge_describe(finding, call);
    if (is_upgraded(call)) {
        finding_add(finding, " in %s", judge_ms_text(call->first_byte_ms[0], text));
        return;
    }
    if (status_of(call) == 101)
        finding_add(finding, " with a wrong Sec-WebSocket-Accept");
    advise_websocket(finding, asked);
}

void judge_websocket_idle(struct finding *finding, const struct call *call)
{
    char lived[JUDGE_MS_BYTES];

    (void)lived_text(call, lived);
    if (!call->has_ended) {
        finding_say(finding, RESULT_OK, "lives for more than %s", lived);
        if (call->pings > 0)
            finding_add(finding, ", with %u ping%s of the server", call->pings,
                        call->pings == 1 ? "" : "s");
        return;
    }
    finding_say(finding, call->lived_ms < WEBSOCKET_SHORT_MS ? RESULT_FAIL : RESULT_WARN,
                "is closed after %s", lived);
    if (call->close_code > 0) {
        finding_add(finding, " by the application (code %u)", call->close_code);
        finding_advise(finding, "It may want a login or a message first: then this says nothing "
                                "about idle ones");
    } else if (call->pings > 0) {
        finding_add(finding, ", in spite of %u ping%s", call->pings, call->pings == 1 ? "" : "s");
        finding_advise(finding, "Something on the way limits how long it may live: clients must "
                                "connect again");
    } else {
        finding_advise(finding, "Let the application ping more often than that, or raise the limit "
                                "of what stands in front (nginx: proxy_read_timeout, ALB: idle "
                                "timeout)");
    }
}
