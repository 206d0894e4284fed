/*
 * judge_answer.c - answers to single requests: whose they are, and what they mean.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/values.h"
#include "doctor/judge.h"
#include "http/platform.h"

#define CLOCK_WARN_S 5
#define CLOCK_FAIL_S 60

static const struct message *message_of(const struct call *call)
{
    return &call->answers[0].message;
}

static bool is_railway(const struct call *call)
{
    return answer_field(&call->answers[0], STR("x-railway-fallback")).len > 0;
}

void judge_describe(struct finding *finding, const struct call *call)
{
    if (!call_has_answer(call)) {
        finding_add(finding, ": %s", call->trouble);
        return;
    }
    finding_add(finding, " answers %u", message_of(call)->status);
    if (platform_fault(message_of(call)) == PLATFORM_NONE)
        return;
    if (is_railway(call))
        finding_add(finding, " from Railway's edge, not from the application (x-railway-fallback)");
    else
        finding_add(finding, " from a load balancer or nginx, not from the application");
}

/* What to do about an error of the platform. */
static void advise_platform(struct finding *finding, const struct asked *asked)
{
    if (platform_fault(message_of(asked->call)) == PLATFORM_404) {
        finding_advise(finding,
                       "The service is paused or asleep, or %.*s is none of its names: start it, "
                       "attach the name (with its TXT record _railway-verify), or set "
                       "backends.%s.host",
                       STR_ARG(asked->host), asked->side);
    } else if (is_railway(asked->call)) {
        finding_advise(finding, "The application does not run, or does not listen on 0.0.0.0 at "
                                "$PORT: look at its log; if it was asleep, ask once more");
    } else {
        finding_advise(finding, "What stands in front cannot reach the application: look whether "
                                "it runs, and at which port");
    }
}

/* What to do about an answer, or none. */
static void advise_status(struct finding *finding, const struct asked *asked)
{
    unsigned status = message_of(asked->call)->status;

    if (status != 0 && platform_fault(message_of(asked->call)) != PLATFORM_NONE)
        advise_platform(finding, asked);
    else if (status == 0)
        finding_advise(finding, "Look at the application's log, and at what stands in front of it");
    else if (status == 400)
        finding_advise(finding,
                       "The application may not accept the Host %.*s: add it to its allowed hosts "
                       "(Django: ALLOWED_HOSTS)",
                       STR_ARG(asked->host));
    else if (status == 401 || status == 403)
        finding_advise(finding, "Let it be asked without a login, or name another path");
    else if (status == 404)
        finding_advise(finding, "Name a path that exists, or add this one to the application");
    else if (status == 421)
        finding_advise(finding, "The server is not meant for %.*s: set backends.%s.host or sni",
                       STR_ARG(asked->host), asked->side);
    else if (status >= 500)
        finding_advise(finding, "Look at the application's log");
    else
        finding_advise(finding, "Name a path that answers 200");
}

/* ---- health ---- */

static void judge_health_time(struct finding *finding, const struct asked *asked,
                              const struct health_policy *policy)
{
    uint64_t ms = asked->call->first_byte_ms[0];
    char limit[VALUE_TEXT_BYTES];

    value_duration_text(policy->timeout_ms, limit);
    if (ms > policy->timeout_ms) {
        finding->result = RESULT_FAIL;
        finding_add(finding, ", longer than health.timeout (%s)", limit);
        finding_advise(finding, "Make it quicker, or raise health.timeout");
    } else if (ms > policy->timeout_ms / 2) {
        finding->result = RESULT_WARN;
        finding_add(finding, ", more than half of health.timeout (%s)", limit);
        finding_advise(finding, "Make it quicker, or raise health.timeout: under load it would "
                                "take the server out");
    }
}

void judge_health(struct finding *finding, const struct asked *asked,
                  const struct health_policy *policy)
{
    unsigned status = message_of(asked->call)->status;
    /* An answer of the platform's is no good, whatever its status. */
    bool is_good = status >= policy->success_min && status <= policy->success_max &&
                   platform_fault(message_of(asked->call)) == PLATFORM_NONE;
    char text[JUDGE_MS_BYTES];

    finding_say(finding, is_good ? RESULT_OK : RESULT_FAIL, "GET %.*s", STR_ARG(asked->path));
    judge_describe(finding, asked->call);
    if (is_good) {
        finding_add(finding, " in %s", judge_ms_text(asked->call->first_byte_ms[0], text));
        judge_health_time(finding, asked, policy);
        return;
    }
    if (status != 0 && platform_fault(message_of(asked->call)) == PLATFORM_NONE) {
        finding_add(finding, ", and success_codes is %u-%u", policy->success_min,
                    policy->success_max);
    }
    advise_status(finding, asked);
}

/* ---- Host ---- */

bool judge_host_is_refused(const struct call *call)
{
    unsigned status = message_of(call)->status;

    return status == 0 || status == 400 || status == 421 ||
           platform_fault(message_of(call)) == PLATFORM_404;
}

bool judge_host(struct finding *finding, const struct asked *asked, const struct call *wrong,
                bool is_healthy)
{
    unsigned status = message_of(asked->call)->status;
    unsigned wrong_status = message_of(wrong)->status;
    bool is_refused = judge_host_is_refused(asked->call);
    bool is_broken = status == 0 || status >= 500;

    if (is_broken && !is_healthy)
        return false;
    finding_say(finding, is_refused || is_broken ? RESULT_FAIL : RESULT_OK, "%.*s",
                STR_ARG(asked->host));
    judge_describe(finding, asked->call);
    if (is_refused || is_broken)
        advise_status(finding, asked);
    else if (status == wrong_status)
        finding_add(finding, ", as any other Host does");
    else if (wrong_status != 0)
        finding_add(finding, ", another Host %u", wrong_status);
    if (status == 404 && wrong_status == 404 && !is_refused) {
        finding->result = RESULT_WARN;
        finding_advise(finding, "Whether the name is accepted shows only at a path that exists: "
                                "set health.path to one");
    }
    return true;
}

void judge_public_name(struct finding *finding, const struct asked *asked)
{
    const struct call *call = asked->call;
    bool is_new = strcmp(asked->side, "new") == 0;

    if (!judge_host_is_refused(call)) {
        finding_say(finding, RESULT_OK, "%.*s", STR_ARG(asked->host));
        judge_describe(finding, call);
        finding_add(finding, ", so host: %.*s would work as well", STR_ARG(asked->host));
        return;
    }
    finding_say(finding, is_new ? RESULT_WARN : RESULT_OK, "%.*s", STR_ARG(asked->host));
    judge_describe(finding, call);
    if (is_new) {
        finding_advise(finding, "Attach the name there, with a certificate, before DNS moves to "
                                "it at the end");
    } else {
        finding_add(finding, ", which does not matter here");
    }
}

/* ---- who answers ---- */

bool judge_loop(struct finding *finding, const struct asked *asked)
{
    const struct answer *answer = &asked->call->answers[0];
    struct str rest = answer_field(answer, STR("Via"));
    bool found = answer_field(answer, STR("X-Cutover-Outcome")).len > 0;
    struct str entry;

    while (!found && str_next_part(&rest, ',', &entry))
        found = memmem(entry.data, entry.len, " cutover-", strlen(" cutover-")) != NULL;
    if (!found)
        return false;
    finding_say(finding, RESULT_FAIL, "the answer comes from a cutover");
    finding_advise(finding,
                   "backends.%s.servers must name the platform's own name: the public one leads "
                   "back to the proxy",
                   asked->side);
    return true;
}

bool judge_client_address(struct finding *finding, const struct asked *asked,
                          struct str client_ip_header)
{
    const struct answer *answer = &asked->call->answers[0];
    struct str server = answer_field(answer, STR("Server"));

    if (answer_field(answer, STR("x-railway-edge")).len == 0 &&
        answer_field(answer, STR("x-railway-request-id")).len == 0 &&
        !str_starts_with_nocase(server, STR("railway")))
        return false;
    if (client_ip_header.len > 0) {
        finding_say(finding, RESULT_OK, "Railway's edge hides the client's address; %.*s has it",
                    STR_ARG(client_ip_header));
        return true;
    }
    finding_say(finding, RESULT_WARN,
                "Railway's edge replaces the client's address by the "
                "proxy's: all users share one address, and one rate limit");
    finding_advise(finding, "Set forwarded.client_ip_header, and let the application read it");
    return true;
}

/* ---- connections ---- */

bool judge_reuse(struct finding *finding, const struct asked *asked)
{
    const struct call *call = asked->call;
    const struct message *message = message_of(call);
    char first[JUDGE_MS_BYTES], second[JUDGE_MS_BYTES];

    if (!call_has_answer(call))
        return false;
    if (call->answered == 0) {
        finding_say(finding, RESULT_FAIL, "%s", call->trouble);
        finding_advise(finding, "Look at the application's log");
    } else if (!message->keep_alive) {
        finding_say(finding, RESULT_WARN, "closes after each answer (%s)",
                    message->body == BODY_UNTIL_EOF ? "they have no length"
                    : message->minor == 0           ? "it speaks HTTP/1.0"
                                                    : "Connection: close");
        finding_advise(finding, "Let it keep connections: now each request costs a new one, and "
                                "with https a TLS handshake");
    } else if (call->answered < 2) {
        finding_say(finding, RESULT_FAIL, "a second request over the same connection: %s",
                    call->trouble);
        finding_advise(finding, "The proxy would send requests over such connections: let the "
                                "server keep them, or say Connection: close");
    } else {
        uint64_t connect_ms = call->connect_ms + call->tls_ms;
        finding_say(finding, RESULT_OK,
                    "a second request over the same connection takes %s; a new connection %s",
                    judge_ms_text(call->answer_ms[1], second), judge_ms_text(connect_ms, first));
    }
    return true;
}

void judge_answer_head(struct finding *finding, size_t head_bytes, unsigned fields,
                       const struct config_limits *limits)
{
    bool is_large = head_bytes > limits->head_bytes, is_long = fields > limits->headers;
    bool is_near = head_bytes > limits->head_bytes / 4 * 3;

    finding_say(finding,
                is_large || is_long ? RESULT_FAIL
                : is_near           ? RESULT_WARN
                                    : RESULT_OK,
                "%zu bytes in %u fields, of %zu in %u", head_bytes, fields, limits->head_bytes,
                limits->headers);
    if (is_large || is_long) {
        finding_advise(finding, "The proxy answers 502 instead: raise limits.%s, or send less",
                       is_large ? "head_bytes" : "headers");
    } else if (is_near) {
        finding_advise(finding, "Raise limits.head_bytes before an answer with one more cookie "
                                "becomes a 502");
    }
}

void judge_clock(struct finding *finding, int64_t server_s, int64_t here_s)
{
    int64_t ahead = server_s - here_s;
    int64_t apart = llabs(ahead);

    if (server_s == 0) {
        finding_say(finding, RESULT_OK, "answers carry no Date, so it cannot be told");
        return;
    }
    enum result result = apart > CLOCK_FAIL_S   ? RESULT_FAIL
                         : apart > CLOCK_WARN_S ? RESULT_WARN
                                                : RESULT_OK;
    /* Date has whole seconds. */
    if (apart <= 1)
        finding_say(finding, result, "as here");
    else
        finding_say(finding, result, "%" PRId64 " s %s of this machine", apart,
                    ahead > 0 ? "ahead" : "behind");
    if (result != RESULT_OK)
        finding_advise(finding, "Set both clocks by NTP: tokens and cookies carry times");
}
