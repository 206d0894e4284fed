/*
 * check_idle.c - what lies idle: kept connections and WebSockets, of all servers at the same time,
 * beside everything else that is checked.
 */
#include "base/check.h"
#include "config/values.h"
#include "doctor/check.h"

/* Load balancers of this kind keep at least this; below it there is nothing to gain. */
#define WORTH_KEEPING_MS 15000

/* ---- WebSockets ---- */

/* As a browser would: with the Origin of the page. */
static void put_origin(const struct doctor *doctor, const struct ask *ask, struct buf *fields)
{
    buf_append_str(fields, doctor->options->fields);
    if (!str_is_empty(doctor->options->origin)) {
        buf_printf(fields, "Origin: %.*s\r\n", STR_ARG(doctor->options->origin));
    } else {
        struct str host = str_is_empty(ask->client_host) ? ask->host : ask->client_host;
        buf_printf(fields, "Origin: %.*s://%.*s\r\n", STR_ARG(doctor->way.scheme), STR_ARG(host));
    }
}

static struct call *start_socket(struct doctor *doctor, struct subject *subject, void *data)
{
    const uint64_t *watch_ms = data;
    struct ask ask = check_ask(doctor, subject, doctor->options->websocket);
    struct call_order order = check_order(doctor, subject, subject->host);
    struct buf fields = BUF_EMPTY;

    put_origin(doctor, &ask, &fields);
    ask.fields = buf_str(&fields);
    ask.is_websocket = true;
    order.watch_ms = *watch_ms;
    order.is_patient = *watch_ms > 0;
    struct call *call = check_start_with(doctor, &order, &ask);
    buf_deinit(&fields);
    return call;
}

/* Whether the upgrade is answered shows at once, so it is asked apart. */
static void check_sockets(struct doctor *doctor)
{
    uint64_t at_once = 0, idle_ms = doctor->options->idle_ms;
    struct call **calls = mem_zalloc(doctor->count, sizeof(struct call *));
    struct finding finding;

    check_all(doctor, start_socket, &at_once, calls);
    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        if (calls[i] == NULL)
            continue;
        struct asked asked = check_asked(subject, doctor->options->websocket, calls[i]);
        judge_websocket(&finding, &asked);
        check_add(doctor, subject, "websocket", &finding);
        if (finding.result == RESULT_OK && idle_ms > 0)
            subject->socket = start_socket(doctor, subject, &idle_ms);
    }
    check_free_all(doctor, calls);
    mem_free(calls);
}

/* ---- kept connections ---- */

static struct call *start_idle(struct doctor *doctor, const struct subject *subject)
{
    struct ask ask = check_ask(doctor, subject, subject->backend->health.path);
    struct call_order order = check_order(doctor, subject, subject->host);

    order.watch_ms = doctor->options->idle_ms;
    order.is_patient = true;
    return check_start_with(doctor, &order, &ask);
}

void check_idle_begin(struct doctor *doctor)
{
    if (!str_is_empty(doctor->options->websocket))
        check_sockets(doctor);
    if (doctor->options->idle_ms == 0)
        return;
    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        if (!subject->is_skipped && !str_is_empty(subject->host))
            subject->idle = start_idle(doctor, subject);
    }
}

/* ---- the end ---- */

static void note_idle(struct doctor *doctor, const struct subject *subject)
{
    struct finding finding;

    if (subject->idle != NULL &&
        judge_keep_alive(&finding, subject->idle, doctor->config->timeouts.upstream_idle))
        check_add(doctor, subject, "keep-alive", &finding);
    if (subject->socket != NULL && subject->socket->was_watched) {
        judge_websocket_idle(&finding, subject->socket);
        check_add(doctor, subject, "websocket-idle", &finding);
    }
}

/* A handshake that need not be is worth a hint, when all https servers would keep connections much
 * longer than they are used. */
static void hint_longer(struct doctor *doctor)
{
    uint64_t used_ms = doctor->config->timeouts.upstream_idle, least_ms = UINT64_MAX;
    char used[VALUE_TEXT_BYTES], could[VALUE_TEXT_BYTES];
    struct finding finding;
    bool has_tls = false;

    for (unsigned i = 0; i < doctor->count; i++) {
        const struct call *call = doctor->subjects[i].idle;
        if (call == NULL || !call->was_watched)
            return;
        has_tls |= call->has_tls;
        least_ms = call->lived_ms < least_ms ? call->lived_ms : least_ms;
    }
    uint64_t could_ms = least_ms < WORTH_KEEPING_MS ? 0 : least_ms / 1000 * 1000 - 10000;
    if (!has_tls || could_ms <= used_ms)
        return;
    value_duration_text(used_ms, used);
    value_duration_text(could_ms, could);
    finding_say(&finding, RESULT_OK,
                "timeouts.upstream_idle could be %s instead of %s, which saves TLS handshakes",
                could, used);
    check_add_both(doctor, "keep-alive", &finding);
}

void check_idle_end(struct doctor *doctor)
{
    caller_wait_all(&doctor->caller);
    for (unsigned i = 0; i < doctor->count; i++)
        note_idle(doctor, &doctor->subjects[i]);
    hint_longer(doctor);
    for (unsigned i = 0; i < doctor->count; i++) {
        call_free(doctor->subjects[i].idle);
        call_free(doctor->subjects[i].socket);
        doctor->subjects[i].idle = doctor->subjects[i].socket = NULL;
    }
}
