/* check.c - what all checks do alike: orders, rounds over all subjects, lines. */
#include "doctor/check.h"

#include <limits.h>

#include "base/check.h"
#include "config/host.h"

struct ask check_ask(const struct doctor *doctor, const struct subject *subject, struct str path)
{
    return (struct ask){
        .backend = subject->backend,
        .method = "GET",
        .path = path,
        .host = subject->host,
        .client_host = doctor->options->host,
        .fields = doctor->options->fields,
    };
}

struct call_order check_order(const struct doctor *doctor, const struct subject *subject,
                              struct str host)
{
    return (struct call_order){
        .addr = subject->addr,
        .trust = subject->trust,
        .name = host_tls_name(subject->backend, host, subject->server->host),
        .connect_ms = doctor->config->timeouts.connect,
        .tls_ms = doctor->config->timeouts.tls_handshake,
        .answer_ms = doctor->options->timeout_ms,
    };
}

struct call *check_start_with(struct doctor *doctor, const struct call_order *order,
                              const struct ask *ask)
{
    struct call_order complete = *order;
    struct buf head = BUF_EMPTY;
    struct error error;

    /* doctor.c has written one with the user's header lines before anything began. */
    CHECK(ask_write(ask, &doctor->way, doctor->config, &head, &error));
    complete.request_count = order->request_count == 0 ? 1 : order->request_count;
    for (unsigned i = 0; i < complete.request_count; i++)
        complete.requests[i] = buf_str(&head);
    complete.body_bytes = ask->has_body ? ask->body_bytes : 0;
    struct call *call = call_start(&doctor->caller, &complete);
    buf_deinit(&head);
    return call;
}

struct call *check_start(struct doctor *doctor, const struct subject *subject,
                         const struct ask *ask)
{
    struct call_order order = check_order(doctor, subject, subject->host);

    return check_start_with(doctor, &order, ask);
}

void check_all(struct doctor *doctor, check_start_cb start, void *data, struct call **calls)
{
    for (unsigned i = 0; i < doctor->count; i++) {
        struct subject *subject = &doctor->subjects[i];
        bool is_asked = !subject->is_skipped && !str_is_empty(subject->host);
        calls[i] = is_asked ? start(doctor, subject, data) : NULL;
    }
    (void)caller_wait(&doctor->caller, 0);
}

void check_free_all(struct doctor *doctor, struct call **calls)
{
    for (unsigned i = 0; i < doctor->count; i++)
        call_free(calls[i]);
}

void check_add(struct doctor *doctor, const struct subject *subject, const char *check,
               const struct finding *finding)
{
    report_add(&doctor->report, &subject->place, check, finding);
}

void check_add_both(struct doctor *doctor, const char *check, const struct finding *finding)
{
    const struct report_place both = {.side = "both", .server = STR(""), .order = UINT_MAX};

    report_add(&doctor->report, &both, check, finding);
}
