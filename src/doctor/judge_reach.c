/*
 * judge_reach.c - names, addresses, certificates.
 */
#include <inttypes.h>
#include <stdio.h>

#include "doctor/judge.h"

#define DNS_SLOW_MS 1000

#define DAY_S     86400
#define DAYS_WARN 14
#define DAYS_FAIL 3

const char *judge_ms_text(uint64_t ms, char text[JUDGE_MS_BYTES])
{
    if (ms == 0)
        snprintf(text, JUDGE_MS_BYTES, "under 1 ms");
    else if (ms < 1000)
        snprintf(text, JUDGE_MS_BYTES, "%" PRIu64 " ms", ms);
    else if (ms < 10000)
        snprintf(text, JUDGE_MS_BYTES, "%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms % 1000 / 100);
    else
        snprintf(text, JUDGE_MS_BYTES, "%" PRIu64 " s", ms / 1000);
    return text;
}

/* ---- names ---- */

void judge_dns(struct finding *finding, const struct lookup_answer *answer, uint64_t ms,
               const char *side)
{
    char text[JUDGE_MS_BYTES];
    unsigned v6 = 0;

    if (answer->count == 0) {
        finding_say(finding, RESULT_FAIL, "%s", answer->trouble);
        finding_advise(finding,
                       "Correct the name in backends.%s.servers, or see to it that this machine "
                       "can resolve it (getent hosts NAME)",
                       side);
        return;
    }
    for (unsigned i = 0; i < answer->count; i++)
        v6 += answer->addrs[i].any.sa_family == AF_INET6;
    bool is_slow = ms > DNS_SLOW_MS;
    finding_say(finding, is_slow ? RESULT_WARN : RESULT_OK, "%u address%s, ", answer->count,
                answer->count == 1 ? "" : "es");
    if (v6 == 0 || v6 == answer->count)
        finding_add(finding, "IPv%c", v6 == 0 ? '4' : '6');
    else
        finding_add(finding, "%u IPv4 and %u IPv6", answer->count - v6, v6);
    finding_add(finding, ", in %s", judge_ms_text(ms, text));
    if (is_slow) {
        finding_advise(finding, "The name servers are slow from here, so that changed addresses "
                                "are seen late: look at /etc/resolv.conf");
    }
}

/* ---- connections ---- */

static void put_failed_try(struct finding *finding, const struct call *call)
{
    char text[ADDR_TEXT_BYTES];
    struct str addr = addr_format(&call->order.addr, text);

    finding_add(finding, "%.*s: %s", STR_ARG(addr), call->trouble);
}

static const char *advice_of_connect(int status)
{
    switch (status) {
    case UV_ECONNREFUSED:
        return "Nothing listens there: start the application, or correct address and port";
    case UV_ETIMEDOUT:
        return "Something on the way drops it: let this machine's address in (firewall, security "
               "group), or correct the address";
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH:
    case UV_EADDRNOTAVAIL:
        return "There is no way there from this machine: look at its network, or give an address "
               "that it can reach";
    default:
        return "Look at the network between here and there";
    }
}

/* One family has no way out at all, which shows at once: the other is used, and nothing is lost. */
static bool costs_nothing(const struct call *failed)
{
    return failed->status == UV_ENETUNREACH || failed->status == UV_EADDRNOTAVAIL;
}

struct tries {
    unsigned good, bad, harmless; /* harmless: of the bad ones */
    uint64_t fastest_ms, slowest_ms;
    const struct call *failed; /* the first that is not harmless, or else the first */
};

static void count_tries(struct tries *tries, struct call *const *calls, unsigned count)
{
    *tries = (struct tries){.fastest_ms = UINT64_MAX};
    for (unsigned i = 0; i < count; i++) {
        const struct call *call = calls[i];
        if (!call->has_connected) {
            if (tries->bad == tries->harmless && (tries->bad == 0 || !costs_nothing(call)))
                tries->failed = call;
            tries->harmless += costs_nothing(call);
            tries->bad++;
            continue;
        }
        tries->good++;
        if (call->connect_ms < tries->fastest_ms)
            tries->fastest_ms = call->connect_ms;
        if (call->connect_ms > tries->slowest_ms)
            tries->slowest_ms = call->connect_ms;
    }
}

static void judge_some(struct finding *finding, const struct tries *tries)
{
    bool is_harmless = tries->bad == tries->harmless;

    finding_say(finding, is_harmless ? RESULT_OK : RESULT_WARN, "%u of %u addresses connect; ",
                tries->good, tries->good + tries->bad);
    put_failed_try(finding, tries->failed);
    if (is_harmless)
        return;
    finding_advise(finding, "The proxy goes on to the next address, but may lose up to "
                            "timeouts.connect each time: mend it, or name the server by an "
                            "address that works");
}

void judge_connect(struct finding *finding, struct call *const *calls, unsigned count)
{
    char low[JUDGE_MS_BYTES], high[JUDGE_MS_BYTES], addr[ADDR_TEXT_BYTES];
    struct tries tries;

    count_tries(&tries, calls, count);
    if (tries.good == 0 && tries.failed != NULL) {
        finding_say(finding, RESULT_FAIL, "%s", count == 1 ? "" : "no address connects; ");
        put_failed_try(finding, tries.failed);
        finding_advise(finding, "%s", advice_of_connect(tries.failed->status));
    } else if (tries.bad > 0) {
        judge_some(finding, &tries);
    } else if (count == 1) {
        struct str text = addr_format(&calls[0]->order.addr, addr);
        finding_say(finding, RESULT_OK, "%.*s in %s", STR_ARG(text),
                    judge_ms_text(tries.slowest_ms, high));
    } else {
        finding_say(finding, RESULT_OK, "all %u addresses, the fastest in %s, the slowest in %s",
                    count, judge_ms_text(tries.fastest_ms, low),
                    judge_ms_text(tries.slowest_ms, high));
    }
}

/* ---- certificates ---- */

/* "TLSv1.3" -> "1.3" */
static const char *version_of(const struct tls_link_info *tls)
{
    const char *version = tls->version == NULL ? "" : tls->version;

    return strncmp(version, "TLSv", 4) == 0 ? version + 4 : version;
}

static int64_t days_left(const struct tls_link_info *tls, int64_t now_s)
{
    return (tls->not_after_s - now_s) / DAY_S;
}

static void put_certificate(struct finding *finding, const struct tls_link_info *tls, int64_t now_s)
{
    int64_t days = days_left(tls, now_s);

    finding_add(finding, "%s by %s, ", tls->subject, tls->issuer[0] == '\0' ? "?" : tls->issuer);
    if (tls->not_after_s < now_s)
        finding_add(finding, "expired");
    else if (days == 0)
        finding_add(finding, "less than a day left");
    else
        finding_add(finding, "%" PRId64 " day%s left", days, days == 1 ? "" : "s");
}

static void judge_accepted(struct finding *finding, const struct tls_question *question)
{
    const struct tls_link_info *tls = &question->call->tls;
    int64_t days = days_left(tls, question->now_s);
    bool is_short = question->verify && days < DAYS_WARN;
    enum result result = !is_short ? RESULT_OK : days < DAYS_FAIL ? RESULT_FAIL : RESULT_WARN;

    finding_say(finding, result, "TLS %s, ", version_of(tls));
    put_certificate(finding, tls, question->now_s);
    if (question->needs_names) {
        finding_add(finding, "; not for %.*s: accepted by backends.%s.tls.names",
                    STR_ARG(question->name), question->side);
    }
    if (is_short) {
        finding_advise(finding, "Renew it, and see why that did not happen by itself");
    } else if (!question->verify) {
        finding->result = RESULT_WARN;
        finding_advise(finding,
                       "It is not checked at all (backends.%s.tls.verify: false), so anybody on "
                       "the way can read and change everything: set ca_file instead",
                       question->side);
    }
}

static bool has_words(const char *text, const char *words)
{
    return strstr(text, words) != NULL;
}

static void advise_untrusted(struct finding *finding, const struct tls_question *question,
                             const struct tls_link_info *tls)
{
    const char *error = question->call->trouble;

    if (has_words(error, "another name")) {
        finding_advise(finding,
                       "Send a name that it is for (backends.%s.host, or sni), or accept it as it "
                       "is: backends.%s.tls.names: [\"%s\"]",
                       question->side, question->side, tls == NULL ? "its name" : tls->subject);
    } else if (has_words(error, "expired")) {
        finding_advise(finding, "Renew it; until then the proxy answers 502");
    } else if (has_words(error, "not yet valid")) {
        finding_advise(finding, "Look at the clock of this machine, and at when it was issued");
    } else {
        finding_advise(finding,
                       "If its authority is your own, name it in backends.%s.tls.ca_file; if it is "
                       "a public one, the server must send the whole chain (fullchain.pem)",
                       question->side);
    }
}

static void judge_untrusted(struct finding *finding, const struct tls_question *question)
{
    const struct call *call = question->call, *other = question->unbelieving;
    const struct tls_link_info *tls =
        other != NULL && other->tls.has_certificate ? &other->tls : NULL;

    finding_say(finding, RESULT_FAIL, "%s", call->trouble);
    if (has_words(call->trouble, "another name"))
        finding_add(finding, " than %.*s", STR_ARG(question->name));
    if (tls != NULL) {
        finding_add(finding, ": ");
        put_certificate(finding, tls, question->now_s);
    }
    advise_untrusted(finding, question, tls);
}

static void judge_no_tls(struct finding *finding, const struct tls_question *question)
{
    const struct call *call = question->call;

    finding_say(finding, RESULT_FAIL, "no TLS: %s", call->trouble);
    if (has_words(call->trouble, "is not TLS") || has_words(call->trouble, "http request")) {
        finding_advise(finding,
                       "This port does not speak TLS: use http:// in "
                       "backends.%s.servers, or correct the port",
                       question->side);
    } else if (call->status == UV_ETIMEDOUT) {
        finding_advise(finding, "It accepts connections and then says nothing: look at the server, "
                                "and at what stands in front of it");
    } else {
        finding_advise(finding,
                       "The server may not know the name %.*s (set backends.%s.sni, or attach the "
                       "name there), or has no version or cipher that is still safe",
                       STR_ARG(question->name), question->side);
    }
}

void judge_tls(struct finding *finding, const struct tls_question *question)
{
    if (question->call->fault == CALL_UNTRUSTED)
        judge_untrusted(finding, question);
    else if (!question->call->has_tls)
        judge_no_tls(finding, question);
    else
        judge_accepted(finding, question);
}
