/*
 * call.h - one connection to a server and what came of it: how long connecting took, TLS, up to two
 * answers, and where wanted how long it lives when nothing is said.
 *
 * A call runs on its caller's loop (caller.h), and has a deadline in each of its phases, so that it
 * always ends.
 */
#ifndef DOCTOR_CALL_H
#define DOCTOR_CALL_H

#include "doctor/answer.h"
#include "doctor/caller.h"
#include "doctor/frame.h"

#define CALL_ANSWERS_MAX 2

struct call_order {
    struct addr addr;
    struct tls_trust *trust;                /* borrowed; NULL: without TLS */
    struct str name;                        /* whom TLS is for */
    struct str requests[CALL_ANSWERS_MAX];  /* copied */
    unsigned request_count;                 /* 0: connect only */
    uint64_t body_bytes;                    /* zeros, behind the first request */
    uint64_t connect_ms, tls_ms, answer_ms; /* deadlines; the last one for each answer */
    uint64_t watch_ms; /* how long to stay when all is answered; 0: close at once */
    bool is_patient;
};

/* Where it ended. */
enum call_fault {
    CALL_FINE = 0,
    CALL_CONNECT,    /* no connection */
    CALL_TLS,        /* no TLS */
    CALL_UNTRUSTED,  /* TLS, but with a certificate that is not accepted */
    CALL_SILENT,     /* no byte of an answer in time */
    CALL_CLOSED,     /* closed before the head of an answer was there */
    CALL_MALFORMED,  /* answered something that is not HTTP, or not rightly */
    CALL_UNFINISHED, /* the head is there, the body broke off or took too long */
};

#define CALL_TROUBLE_BYTES 160

enum call_phase { PHASE_CONNECT = 0, PHASE_SHAKE, PHASE_ANSWER, PHASE_WATCH, PHASE_OVER };

struct call {
    enum call_fault fault;
    int status; /* UV_E*, where there is one; UV_ETIMEDOUT: a deadline of ours */
    char trouble[CALL_TROUBLE_BYTES]; /* in words: "no answer within 10s" */
    uint64_t connect_ms, tls_ms;
    struct tls_link_info tls;
    struct answer answers[CALL_ANSWERS_MAX];
    uint64_t first_byte_ms[CALL_ANSWERS_MAX]; /* from the request on */
    uint64_t answer_ms[CALL_ANSWERS_MAX];     /* until it was complete */
    uint64_t answered_at_ms;                  /* wall clock, at the first answer's head */
    unsigned answered;                        /* answers that are complete */
    bool has_connected;
    bool has_tls;

    /* With watch_ms, once it is over: */
    bool was_watched;    /* it came to that */
    bool has_ended;      /* the other end closed, after lived_ms */
    uint64_t lived_ms;   /* how long it was watched */
    unsigned pings;      /* of a WebSocket's server; answered */
    unsigned close_code; /* 0: there was no close frame */

    /* Its own business. */
    struct call_order order;
    struct buf requests[CALL_ANSWERS_MAX];
    struct caller *caller;
    struct stream stream;
    uv_timer_t timer;
    enum call_phase phase;
    unsigned open_handles;
    uint64_t phase_ns; /* when the phase began */
    uint64_t body_left;
    struct frame_reader frames;
    bool is_engine_io;
    bool is_over;
};

struct call *call_start(struct caller *caller, const struct call_order *order);

/* It must be over, that is, waited for. NULL is allowed. */
void call_free(struct call *call);

/* Whether the head of the first answer is there; of a call that is over. */
static inline bool call_has_answer(const struct call *call)
{
    return answer_has_head(&call->answers[0]);
}

#endif
