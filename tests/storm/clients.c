/*
 * clients.c - visits: through a door, a few requests of one kind, each answer judged, and out.
 *
 * What counts as wrong: an answer that belongs to another request, or that nobody should give; and,
 * as long as no life ended meanwhile, a door that is shut, a request that was taken and then
 * dropped, half an answer.
 */
#include "clients.h"

#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "certs.h"
#include "http/message.h"
#include "origin.h"
#include "telemetry/outcome.h"
#include "texts.h"
#include "wire.h"

#define CLIENTS_MAX  32
#define UPLOAD_BYTES 200000

struct client {
    pthread_t thread;
    struct dice dice;
    SSL_CTX *tls;         /* owned */
    SSL_SESSION *session; /* owned; of an earlier TLS connection */
    const char *kept_for; /* the name that it was made for */
    const char *name;     /* that this visit asks for */
    struct wire wire;
    unsigned season; /* when this visit began */
    unsigned asked;  /* in this visit */
};

struct ask {
    enum verb verb;
    const char *method;
    uint64_t id, number;
    bool is_chunked, expects, closes;
};

static struct client clients[CLIENTS_MAX];
static unsigned clients_count;
static _Atomic uint64_t ids;
static _Atomic uint64_t outcomes[OUTCOME_COUNT]; /* of the proxy's own answers */

static bool is_calm(const struct client *client)
{
    return doors_are_calm_since(client->season);
}

/* ---- asking ---- */

static struct ask make_ask(struct client *client)
{
    static const enum verb gets[] = {VERB_BODY,   VERB_BODY, VERB_BODY, VERB_CHUNKS, VERB_STATUS,
                                     VERB_STATUS, VERB_SLOW, VERB_CUT,  VERB_MUTE};
    static const enum verb posts[] = {VERB_SUM, VERB_SUM, VERB_SUM, VERB_EARLY, VERB_MUTE};
    static const unsigned statuses[] = {200, 404, 500, 503};
    struct dice *dice = &client->dice;
    bool is_post = dice_is(dice, 25);
    struct ask ask = {
        .method = is_post ? "POST" : "GET",
        .verb = is_post ? posts[dice_below(dice, ARRAY_LEN(posts))]
                        : gets[dice_below(dice, ARRAY_LEN(gets))],
        .id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed),
        .number = dice_below(dice, dice_is(dice, 20) ? UPLOAD_BYTES : 2000),
        .closes = dice_is(dice, 10),
    };

    if (ask.verb == VERB_SLOW)
        ask.number = dice_below(dice, 60);
    if (ask.verb == VERB_STATUS)
        ask.number = statuses[dice_below(dice, ARRAY_LEN(statuses))];
    if (ask.verb == VERB_CUT)
        ask.number += 2;
    if (ask.verb == VERB_BODY && dice_is(dice, 10))
        ask.method = "HEAD";
    ask.is_chunked = is_post && dice_is(dice, 40);
    ask.expects = ask.verb == VERB_SUM && dice_is(dice, 15);
    return ask;
}

static bool has_body(const struct ask *ask)
{
    return strcmp(ask->method, "POST") == 0;
}

static bool send_head(struct client *client, const struct ask *ask)
{
    char framing[64] = "";
    struct dice *dice = &client->dice;

    if (has_body(ask) && ask->is_chunked)
        snprintf(framing, sizeof(framing), "Transfer-Encoding: chunked\r\n");
    else if (has_body(ask))
        snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n",
                 (unsigned long long)ask->number);
    count(&counts.asked);
    client->asked++;
    return wire_say(&client->wire,
                    "%s /%s/%llu/%llu?u=%u HTTP/1.1\r\nHost: %s\r\nX-User: user-%u\r\n"
                    "Cookie: cutover=%04u\r\n%s%s%s\r\n",
                    ask->method, verb_name(ask->verb), (unsigned long long)ask->id,
                    (unsigned long long)ask->number, dice_below(dice, 100), client->name,
                    dice_below(dice, 100), dice_below(dice, 10000), framing,
                    ask->expects ? "Expect: 100-continue\r\n" : "",
                    ask->closes ? "Connection: close\r\n" : "");
}

static bool send_body(struct client *client, const struct ask *ask)
{
    char bytes[8000];
    uint64_t at = 0;

    if (!has_body(ask))
        return true;
    while (at < ask->number) {
        size_t piece = 1 + dice_below(&client->dice, sizeof(bytes));
        if (piece > ask->number - at)
            piece = (size_t)(ask->number - at);
        pattern_fill(ask->id, at, bytes, piece);
        if ((ask->is_chunked && !wire_say(&client->wire, "%zx\r\n", piece)) ||
            !wire_send(&client->wire, bytes, piece) ||
            (ask->is_chunked && !wire_say(&client->wire, "\r\n")))
            return false;
        at += piece;
        if (dice_is(&client->dice, 5))
            storm_sleep_us(500);
    }
    return !ask->is_chunked || wire_say(&client->wire, "0\r\n\r\n");
}

/* ---- judging ---- */

struct body {
    const struct ask *ask;
    uint64_t len;
    bool is_wrong;
    char text[64]; /* its beginning */
};

static void take_body(void *data, const char *bytes, size_t len)
{
    struct body *body = data;
    char wanted[4096];

    CHECK(len <= sizeof(wanted));
    for (size_t i = 0; i < len && body->len + i < sizeof(body->text) - 1; i++)
        body->text[body->len + i] = bytes[i];
    pattern_fill(body->ask->id, body->len, wanted, len);
    body->is_wrong = body->is_wrong || memcmp(wanted, bytes, len) != 0;
    body->len += len;
}

static unsigned status_of(const struct head *head)
{
    return (unsigned)strtoul(head->first + strcspn(head->first, " "), NULL, 10);
}

static void fault(const struct ask *ask, const struct head *head, const char *what)
{
    storm_fault("%s: %s /%s/%llu/%llu got \"%s\", outcome \"%s\", X-Id %llu", what, ask->method,
                verb_name(ask->verb), (unsigned long long)ask->id, (unsigned long long)ask->number,
                head->first, head->outcome, (unsigned long long)head->id);
}

/* What the proxy may say by itself to a request that is well-formed. */
static void judge_own(const struct ask *ask, const struct head *head)
{
    unsigned status = status_of(head);
    bool is_skew = status == 404 && ask->verb == VERB_STATUS && ask->number == 404;
    bool has_waited = status == 408 && ask->expects; /* for a 100 that the server did not send */

    count(&counts.own);
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        if (strcmp(outcome_row((enum outcome)outcome)->token, head->outcome) == 0)
            count(&outcomes[outcome]);
    if (strcmp(head->outcome, "frozen") == 0 && method_is_safe(str_of(ask->method)))
        fault(ask, head, "a freeze that stops what changes nothing");
    if (status != 502 && status != 503 && status != 504 && !is_skew && !has_waited)
        fault(ask, head, "an answer of the proxy's own that nothing calls for");
}

static void judge_sum(const struct ask *ask, const struct head *head, const struct body *body)
{
    char wanted[64], bytes[4096];
    uint64_t hash = ORIGIN_HASH_START;

    for (uint64_t at = 0; at < ask->number; at += sizeof(bytes)) {
        uint64_t left = ask->number - at;
        size_t piece = left < sizeof(bytes) ? (size_t)left : sizeof(bytes);
        pattern_fill(ask->id, at, bytes, piece);
        hash = origin_hash(hash, bytes, piece);
    }
    snprintf(wanted, sizeof(wanted), "%llu %016llx", (unsigned long long)ask->number,
             (unsigned long long)hash);
    if (strcmp(wanted, body->text) != 0) {
        storm_fault("the origin got \"%s\" instead of \"%s\"", body->text, wanted);
        fault(ask, head, "an upload arrived otherwise");
    }
}

static void judge_answer(const struct ask *ask, const struct head *head, const struct body *body)
{
    bool is_head = strcmp(ask->method, "HEAD") == 0;
    unsigned wanted = ask->verb == VERB_STATUS ? (unsigned)ask->number : 200;

    if (!head->has_id || head->id != ask->id)
        fault(ask, head, "an answer of another request");
    if (status_of(head) != wanted)
        fault(ask, head, "a wrong status");
    if (ask->verb == VERB_SUM)
        judge_sum(ask, head, body);
    else if (body->is_wrong)
        fault(ask, head, "a wrong body");
    if ((ask->verb == VERB_BODY || ask->verb == VERB_CHUNKS) && !is_head &&
        body->len != ask->number)
        fault(ask, head, "a body of another length");
    if (ask->verb == VERB_CUT)
        fault(ask, head, "half an answer that looks whole");
}

/* The connection ended before the answer did. */
static void judge_cut(const struct client *client, const struct ask *ask, const struct head *head,
                      enum wire_result result)
{
    bool may_be_cut = ask->verb == VERB_CUT || ask->verb == VERB_EARLY;
    /* A connection that was kept may end at any time between two answers. */
    bool is_taken = result == WIRE_CUT || client->asked == 1;

    count(&counts.cut);
    if (client->wire.is_stuck)
        fault(ask, head, "no answer, and no end of the connection");
    else if (is_taken && !may_be_cut && is_calm(client))
        fault(ask, head, result == WIRE_CUT ? "half an answer" : "a request without an answer");
}

/* False: the connection is not to be used again. */
static bool read_answer(struct client *client, const struct ask *ask)
{
    struct head head;
    struct body body = {.ask = ask};
    enum wire_result result;

    do {
        result = wire_head(&client->wire, &head);
    } while (result == WIRE_WHOLE && status_of(&head) == 100);
    if (result == WIRE_WHOLE) {
        count(&counts.answered);
        if (strcmp(ask->method, "HEAD") != 0)
            result = wire_body(&client->wire, &head, true, take_body, &body);
    }
    if (result != WIRE_WHOLE) {
        judge_cut(client, ask, &head, result);
        return false;
    }
    if (head.outcome[0] != '\0')
        judge_own(ask, &head);
    else
        judge_answer(ask, &head, &body);
    return !head.closes && !ask->closes;
}

/* The body goes out when the proxy asks for it. */
static bool ask_politely(struct client *client, const struct ask *ask)
{
    struct head head;

    if (!send_head(client, ask))
        return read_answer(client, ask);
    enum wire_result result = wire_head(&client->wire, &head);
    if (result != WIRE_WHOLE) {
        judge_cut(client, ask, &head, result);
        return false;
    }
    if (status_of(&head) == 100) {
        send_body(client, ask);
        return read_answer(client, ask);
    }
    /* Without its body the connection is of no more use. */
    count(&counts.answered);
    if (head.outcome[0] != '\0')
        judge_own(ask, &head);
    else
        fault(ask, &head, "an answer to an upload that was not sent");
    return false;
}

/* ---- visits ---- */

static void ask_some(struct client *client)
{
    unsigned times = 1 + dice_below(&client->dice, 8);
    bool goes_on = true;

    for (unsigned i = 0; i < times && goes_on; i++) {
        struct ask ask = make_ask(client);
        if (ask.expects) {
            goes_on = ask_politely(client, &ask);
            continue;
        }
        /* Whoever cannot send may still have been answered. */
        bool sent = send_head(client, &ask) && send_body(client, &ask);
        goes_on = read_answer(client, &ask) && sent;
        if (dice_is(&client->dice, 5))
            storm_sleep_us(dice_below(&client->dice, 150000));
    }
}

static void ask_all_at_once(struct client *client)
{
    struct ask asks[3];
    unsigned n = 0;

    for (; n < ARRAY_LEN(asks); n++) {
        asks[n] = make_ask(client);
        asks[n].expects = asks[n].closes = false;
        if (!send_head(client, &asks[n]) || !send_body(client, &asks[n]))
            break;
    }
    client->asked = 2; /* the later ones may go with the connection that an earlier one ended */
    for (unsigned i = 0; i < n; i++)
        if (!read_answer(client, &asks[i]))
            return;
}

static void talk(struct client *client, uint64_t id)
{
    char said[2000], heard[2000];

    for (unsigned times = dice_below(&client->dice, 6); times > 0; times--) {
        size_t len = 1 + dice_below(&client->dice, sizeof(said));
        pattern_fill(id, times, said, len);
        if (!wire_send(&client->wire, said, len))
            return;
        for (size_t at = 0; at < len;) {
            size_t got = wire_read(&client->wire, heard + at, len - at);
            if (got == 0)
                return;
            at += got;
        }
        if (memcmp(said, heard, len) != 0)
            storm_fault("tunnel %llu said something else", (unsigned long long)id);
        if (dice_is(&client->dice, 30))
            storm_sleep_us(dice_below(&client->dice, 30000));
    }
}

static void open_tunnel(struct client *client)
{
    struct ask ask = {.verb = VERB_TUNNEL,
                      .method = "GET",
                      .id = atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed)};
    struct head head;

    count(&counts.asked);
    client->asked++;
    bool sent = wire_say(&client->wire,
                         "GET /tunnel/%llu/0 HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"
                         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         (unsigned long long)ask.id, client->name);
    enum wire_result result = wire_head(&client->wire, &head);
    if (!sent || result != WIRE_WHOLE) {
        judge_cut(client, &ask, &head, result);
        return;
    }
    count(&counts.answered);
    if (head.outcome[0] != '\0') {
        judge_own(&ask, &head);
    } else if (status_of(&head) != 101 || head.id != ask.id) {
        fault(&ask, &head, "a tunnel that is none");
    } else {
        count(&counts.tunnels);
        talk(client, ask.id);
    }
}

/* Hangs up anywhere: in the head, in the body, in the answer. */
static bool abort_one(struct client *client)
{
    struct ask ask = make_ask(client);
    struct head head;

    count(&counts.aborted);
    switch (dice_below(&client->dice, 4)) {
    case 0:
        wire_say(&client->wire, "GET /body/1/1 HTTP/1.1\r\nHost: app");
        break;
    case 1:
        send_head(client, &ask);
        break;
    case 2:
        if (send_head(client, &ask))
            send_body(client, &ask);
        break;
    default:
        if (send_head(client, &ask) && send_body(client, &ask) &&
            wire_head(&client->wire, &head) == WIRE_WHOLE && status_of(&head) != 100)
            count(&counts.answered);
        break;
    }
    storm_sleep_us(dice_below(&client->dice, 3000));
    return dice_is(&client->dice, 70);
}

static void ask_badly(struct client *client)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: app.test\r\nBad Name: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "nonsense\r\n\r\n",
    };
    struct head head;

    count(&counts.asked);
    count(&counts.bad);
    wire_say(&client->wire, "%s", heads[dice_below(&client->dice, ARRAY_LEN(heads))]);
    if (wire_head(&client->wire, &head) != WIRE_WHOLE)
        return;
    count(&counts.answered);
    if (status_of(&head) != 400 && status_of(&head) != 503)
        storm_fault("a malformed request got \"%s\"", head.first);
}

/* True: the connection is to end with a reset. */
static bool spend(struct client *client)
{
    unsigned kind = dice_below(&client->dice, 100);

    if (kind < 60)
        ask_some(client);
    else if (kind < 72)
        ask_all_at_once(client);
    else if (kind < 82)
        open_tunnel(client);
    else if (kind < 94)
        return abort_one(client);
    else if (kind < 97)
        ask_badly(client);
    else
        storm_sleep_us(dice_below(&client->dice, 20000));
    return dice_is(&client->dice, 20);
}

/* ---- doors ---- */

static bool pass_tls(struct client *client)
{
    const char *name = dice_is(&client->dice, 70) ? NAME_APP : NAME_OTHER;
    bool resumes = client->session != NULL && client->kept_for == name;

    if (!wire_secure(&client->wire, client->tls, name, resumes ? client->session : NULL)) {
        if (client->wire.is_stuck || is_calm(client))
            storm_fault("a TLS handshake failed");
        return false;
    }
    client->name = name;
    count(&counts.tls);
    if (SSL_session_reused(client->wire.ssl))
        count(&counts.resumed);
    X509 *shown = SSL_get0_peer_certificate(client->wire.ssl);
    if (shown == NULL || X509_check_host(shown, name, 0, 0, NULL) != 1)
        storm_fault("asked for %s, and was shown another certificate", name);
    return true;
}

static bool pass_door(struct client *client, enum door door)
{
    if (door == DOOR_TLS)
        return pass_tls(client);
    if (door == DOOR_PROXIED)
        return wire_say(&client->wire, "PROXY TCP4 192.0.2.%u 127.0.0.1 %u 80\r\n",
                        dice_below(&client->dice, 255), 1 + dice_below(&client->dice, 65000));
    return true;
}

static void leave(struct client *client, bool reset)
{
    if (client->wire.ssl != NULL && !client->wire.is_failed && !reset) {
        SSL_SESSION_free(client->session);
        client->session = SSL_get1_session(client->wire.ssl);
        client->kept_for = client->name;
    }
    wire_close(&client->wire, reset);
}

static void visit(struct client *client)
{
    client->season = doors_season();
    enum door door = (enum door)dice_below(&client->dice, TEXT_LISTENERS);
    struct addr addr = storm_addr(PLACE_PROXY, door_port(door));

    client->asked = 0;
    if (addr_port(&addr) == 0) {
        storm_sleep_us(500);
        return;
    }
    if (!wire_connect(&client->wire, &addr)) {
        if (is_calm(client))
            storm_fault("a door is shut");
        return;
    }
    bool reset = true;
    client->name = NAME_APP;
    if (pass_door(client, door))
        reset = spend(client);
    leave(client, reset);
}

static void *run(void *data)
{
    struct client *client = data;

    while (!storm_is_over())
        visit(client);
    return NULL;
}

void clients_start(uint64_t seed, unsigned number)
{
    CHECK(number <= CLIENTS_MAX);
    clients_count = number;
    for (unsigned i = 0; i < number; i++) {
        clients[i].dice = dice_of(seed + i);
        clients[i].tls = certs_client();
        CHECK(pthread_create(&clients[i].thread, NULL, run, &clients[i]) == 0);
    }
}

void clients_join(void)
{
    for (unsigned i = 0; i < clients_count; i++) {
        pthread_join(clients[i].thread, NULL);
        SSL_SESSION_free(clients[i].session);
        SSL_CTX_free(clients[i].tls);
    }
}

void clients_tell(void)
{
    for (int outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        if (counted(&outcomes[outcome]) > 0)
            printf("%10llu   %s\n", (unsigned long long)counted(&outcomes[outcome]),
                   outcome_row((enum outcome)outcome)->token);
}
