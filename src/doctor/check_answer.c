/*
 * check_answer.c - first questions to each server, all on its health path:
 *
 *     probe   as the proxy's health checks ask                 -> health, clock
 *     right   as users' requests will be sent, twice over one
 *             connection                                       -> host, reuse, loop, client-address
 *     wrong   the same with a Host that is nobody's            -> host
 *     public  the same with the name that users type, if that
 *             is not the Host that is sent                     -> public-name
 */
#include "base/check.h"
#include "config/host.h"
#include "doctor/check.h"
#include "http/rewrite.h"

#define WRONG_HOST "cutover-doctor.invalid"

struct first_calls {
    struct call *probe, *right, *wrong, *public;
};

/* ---- asking ---- */

static struct call *start_probe(struct doctor *doctor, const struct subject *subject)
{
    struct str host = host_of_check(subject->backend, subject->server->authority);
    struct call_order order = check_order(doctor, subject, host);
    struct buf head = BUF_EMPTY;

    ask_write_health(subject->backend, host, &head);
    order.requests[0] = buf_str(&head);
    order.request_count = 1;
    struct call *call = call_start(&doctor->caller, &order);
    buf_deinit(&head);
    return call;
}

static struct call *start_right(struct doctor *doctor, const struct subject *subject)
{
    struct ask ask = check_ask(doctor, subject, subject->backend->health.path);
    struct call_order order = check_order(doctor, subject, subject->host);

    order.request_count = 2;
    return check_start_with(doctor, &order, &ask);
}

/* TLS stays that of the right Host: the question is what the edge makes of the other. */
static struct call *start_wrong(struct doctor *doctor, const struct subject *subject)
{
    struct ask ask = check_ask(doctor, subject, subject->backend->health.path);

    ask.host = STR(WRONG_HOST);
    ask.is_for_nobody = true;
    return check_start(doctor, subject, &ask);
}

/* TLS is for the name as well: that is what browsers will do. */
static struct call *start_public(struct doctor *doctor, const struct subject *subject)
{
    struct ask ask = check_ask(doctor, subject, subject->backend->health.path);
    struct call_order order = check_order(doctor, subject, subject->host);

    ask.host = doctor->options->host;
    order.name = rewrite_bare_host(doctor->options->host);
    return check_start_with(doctor, &order, &ask);
}

static void start_calls(struct doctor *doctor, const struct subject *subject,
                        struct first_calls *calls)
{
    struct str public = doctor->options->host;

    calls->probe = start_probe(doctor, subject);
    if (str_is_empty(subject->host))
        return;
    calls->right = start_right(doctor, subject);
    calls->wrong = start_wrong(doctor, subject);
    if (!str_is_empty(public) && !str_eq_nocase(public, subject->host))
        calls->public = start_public(doctor, subject);
}

/* ---- judging ---- */

static bool note_health(struct doctor *doctor, struct subject *subject, const struct call *call)
{
    const struct health_policy *policy = &subject->backend->health;
    struct asked asked = check_asked(subject, policy->path, call);
    struct finding finding;

    asked.host = host_of_check(subject->backend, subject->server->authority);
    judge_health(&finding, &asked, policy);
    check_add(doctor, subject, "health", &finding);
    return finding.result == RESULT_OK;
}

static void note_clock(struct doctor *doctor, struct subject *subject, const struct call *call)
{
    int64_t server_s = answer_date_s(&call->answers[0]);
    int64_t here_s = (int64_t)(call->answered_at_ms / 1000);
    struct finding finding;

    if (!call_has_answer(call))
        return;
    judge_clock(&finding, server_s, here_s);
    check_add(doctor, subject, "clock", &finding);
    subject->has_clock = server_s != 0;
    subject->ahead_s = server_s - here_s;
}

static void note_unknown_host(struct doctor *doctor, const struct subject *subject)
{
    struct finding finding;

    finding_say(&finding, RESULT_WARN,
                "users' requests were not tried: with host: client they "
                "carry the name that users type");
    finding_advise(&finding, "Give that name: --host www.example.org");
    check_add(doctor, subject, "host", &finding);
}

static void note_right(struct doctor *doctor, const struct subject *subject,
                       const struct first_calls *calls, bool is_healthy)
{
    struct asked asked = check_asked(subject, subject->backend->health.path, calls->right);
    struct finding finding;

    if (judge_host(&finding, &asked, calls->wrong, is_healthy))
        check_add(doctor, subject, "host", &finding);
    unsigned status = calls->right->answers[0].message.status;
    if (calls->public != NULL && status != 0 && status < 500) {
        struct asked public = check_asked(subject, asked.path, calls->public);
        public.host = doctor->options->host;
        judge_public_name(&finding, &public);
        check_add(doctor, subject, "public-name", &finding);
    }
    if (judge_loop(&finding, &asked))
        check_add(doctor, subject, "loop", &finding);
    if (judge_client_address(&finding, &asked, doctor->config->forwarded.client_ip_header))
        check_add(doctor, subject, "client-address", &finding);
    if (judge_reuse(&finding, &asked))
        check_add(doctor, subject, "reuse", &finding);
}

static void note_calls(struct doctor *doctor, struct subject *subject, struct first_calls *calls)
{
    bool is_healthy = note_health(doctor, subject, calls->probe);

    if (calls->right == NULL)
        note_unknown_host(doctor, subject);
    else
        note_right(doctor, subject, calls, is_healthy);
    note_clock(doctor, subject, calls->probe);
    if (calls->right != NULL) {
        subject->status = calls->right->answers[0].message.status;
        subject->is_skipped = subject->status == 0;
    }
}

static void free_calls(struct first_calls *calls)
{
    call_free(calls->probe);
    call_free(calls->right);
    call_free(calls->wrong);
    call_free(calls->public);
}

/* Of the first server of each side that says its time. */
static void compare_clocks(struct doctor *doctor)
{
    const struct subject *first[SIDES] = {NULL};
    struct finding finding;

    for (unsigned i = doctor->count; i-- > 0;)
        if (doctor->subjects[i].has_clock)
            first[doctor->subjects[i].side] = &doctor->subjects[i];
    if (first[SIDE_OLD] == NULL || first[SIDE_NEW] == NULL)
        return;
    judge_clocks(&finding, first[SIDE_OLD]->ahead_s, first[SIDE_NEW]->ahead_s);
    check_add_both(doctor, "clock", &finding);
}

void check_answers(struct doctor *doctor)
{
    struct first_calls *calls = mem_zalloc(doctor->count, sizeof(*calls));

    for (unsigned i = 0; i < doctor->count; i++)
        if (!doctor->subjects[i].is_skipped)
            start_calls(doctor, &doctor->subjects[i], &calls[i]);
    (void)caller_wait(&doctor->caller, 0);
    for (unsigned i = 0; i < doctor->count; i++) {
        if (calls[i].probe != NULL)
            note_calls(doctor, &doctor->subjects[i], &calls[i]);
        free_calls(&calls[i]);
    }
    compare_clocks(doctor);
    mem_free(calls);
}
