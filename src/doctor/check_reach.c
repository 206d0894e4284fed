/*
 * check_reach.c - can each server be reached, as the proxy would?
 *
 *     dns: name -> addresses
 *     connect: each address, with TLS where the URL says so
 *     tls: of the first address that connects; again without verifying when it is not believed,
 *          to see what it shows; again without tls.names, to see whether they made the difference
 */
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "doctor/check.h"

/* ---- dns ---- */

struct question {
    struct caller *caller;
    struct lookup *lookup; /* owned; NULL: there is none, or it is over */
    struct lookup_answer answer;
    uint64_t started_ms, took_ms;
};

static void on_answer(void *data, const struct lookup_answer *answer)
{
    struct question *question = data;

    question->lookup = NULL;
    question->answer = *answer;
    question->took_ms = clock_mono_ms() - question->started_ms;
    question->caller->awaited--;
}

static void start_lookup(struct doctor *doctor, const struct subject *subject,
                         struct question *question)
{
    question->caller = &doctor->caller;
    question->started_ms = clock_mono_ms();
    question->lookup =
        lookup_start(doctor->caller.lookups, subject->server->host.data, on_answer, question);
    doctor->caller.awaited++;
}

static void give_up(struct question *question)
{
    static const char TROUBLE[] = "the name servers do not answer";

    lookup_cancel(question->lookup);
    question->caller->awaited--;
    memcpy(question->answer.trouble, TROUBLE, sizeof(TROUBLE));
}

static void take_addrs(struct doctor *doctor, struct subject *subject,
                       const struct question *question)
{
    struct finding finding;

    judge_dns(&finding, &question->answer, question->took_ms, side_name(subject->side));
    check_add(doctor, subject, "dns", &finding);
    for (unsigned i = 0; i < question->answer.count; i++) {
        subject->addrs[i] = question->answer.addrs[i];
        addr_set_port(&subject->addrs[i], subject->server->port);
    }
    subject->addr_count = question->answer.count;
    subject->is_skipped = subject->addr_count == 0;
}

static void check_names(struct doctor *doctor)
{
    struct question *questions = mem_zalloc(doctor->count, sizeof(*questions));

    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        if (subject->server->is_name) {
            start_lookup(doctor, subject, &questions[i]);
        } else {
            subject->addrs[0] = subject->server->address;
            subject->addr_count = 1;
        }
    }
    (void)caller_wait(&doctor->caller, doctor->options->timeout_ms);
    for (unsigned i = 0; i < doctor->count; i++) {
        if (!doctor->subjects[i].server->is_name)
            continue;
        if (questions[i].lookup != NULL)
            give_up(&questions[i]);
        take_addrs(doctor, &doctor->subjects[i], &questions[i]);
    }
    mem_free(questions);
}

/* ---- connect ---- */

/* To connect to one address and no more; `trust` NULL: the subject's. */
static struct call *try_addr(struct doctor *doctor, const struct subject *subject,
                             const struct addr *addr, struct tls_trust *trust)
{
    struct call_order order = check_order(doctor, subject, subject->host);

    order.addr = *addr;
    order.trust = trust == NULL ? subject->trust : trust;
    return call_start(&doctor->caller, &order);
}

/* The one that got furthest: through TLS, or connected at least. */
static struct call *best_try(struct call *const *tries, unsigned count)
{
    struct call *best = NULL;

    for (unsigned i = 0; i < count; i++) {
        if (tries[i]->fault == CALL_FINE)
            return tries[i];
        if (best == NULL && tries[i]->has_connected)
            best = tries[i];
    }
    return best;
}

/* TLS that does not come about at one of several addresses is told of, whatever the others do. */
static const struct call *tls_try(struct call *const *tries, unsigned count,
                                  const struct call *best)
{
    for (unsigned i = 0; i < count; i++)
        if (tries[i]->fault == CALL_TLS || tries[i]->fault == CALL_UNTRUSTED)
            return tries[i];
    return best;
}

/* ---- tls ---- */

static struct tls_trust *trust_of(const struct subject *subject, bool verify)
{
    const struct config_backend_tls *tls = &subject->backend->tls;
    struct error error;

    return tls_trust_new(verify, verify ? tls->ca_file : STR(""), NULL, 0, &error);
}

/* The same once more with another trust; NULL when that cannot be had. */
static struct call *try_with(struct doctor *doctor, const struct subject *subject,
                             const struct call *call, struct tls_trust *trust)
{
    if (trust == NULL)
        return NULL;
    struct call *other = try_addr(doctor, subject, &call->order.addr, trust);
    (void)caller_wait(&doctor->caller, 0);
    tls_trust_unref(trust);
    return other;
}

static void check_tls(struct doctor *doctor, struct subject *subject, const struct call *call)
{
    const struct config_backend_tls *tls = &subject->backend->tls;
    struct tls_question question = {
        .side = side_name(subject->side),
        .name = call->order.name,
        .verify = tls->verify,
        .call = call,
        .now_s = (int64_t)(clock_wall_ms() / 1000),
    };
    struct call *strict = NULL, *unbelieving = NULL;
    struct finding finding;

    if (call->fault == CALL_UNTRUSTED) {
        unbelieving = try_with(doctor, subject, call, trust_of(subject, false));
    } else if (call->fault == CALL_FINE && tls->verify && tls->name_count > 0) {
        strict = try_with(doctor, subject, call, trust_of(subject, true));
        question.needs_names = strict != NULL && strict->fault == CALL_UNTRUSTED;
    }
    question.unbelieving = unbelieving;
    judge_tls(&finding, &question);
    check_add(doctor, subject, "tls", &finding);
    call_free(unbelieving);
    call_free(strict);
}

static void check_connections(struct doctor *doctor, struct subject *subject,
                              struct call *const *tries)
{
    struct call *best = best_try(tries, subject->addr_count);
    struct finding finding;

    judge_connect(&finding, tries, subject->addr_count);
    check_add(doctor, subject, "connect", &finding);
    subject->is_skipped = best == NULL || best->fault != CALL_FINE;
    if (best == NULL)
        return;
    subject->addr = best->order.addr;
    if (subject->trust != NULL)
        check_tls(doctor, subject, tls_try(tries, subject->addr_count, best));
}

void check_reach(struct doctor *doctor)
{
    struct call *(*tries)[LOOKUP_ADDRS_MAX] = mem_zalloc(doctor->count, sizeof(*tries));

    check_names(doctor);
    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        for (unsigned j = 0; j < subject->addr_count; j++)
            tries[i][j] = try_addr(doctor, subject, &subject->addrs[j], NULL);
    }
    (void)caller_wait(&doctor->caller, 0);
    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        if (subject->addr_count > 0)
            check_connections(doctor, subject, tries[i]);
        for (unsigned j = 0; j < subject->addr_count; j++)
            call_free(tries[i][j]);
    }
    mem_free(tries);
}
