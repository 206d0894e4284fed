/*
 * check.h - the checks, by theme. For doctor.c, and for the check_*.c among themselves.
 *
 * Each function asks all subjects at the same time, waits, and adds its lines. A subject that
 * cannot be reached is passed over by all but check_reach, one that answers nothing by all behind
 * check_answers.
 */
#ifndef DOCTOR_CHECK_H
#define DOCTOR_CHECK_H

#include "doctor/ask.h"
#include "doctor/call.h"
#include "doctor/doctor.h"
#include "doctor/judge.h"
#include "doctor/report.h"

/* A server of a side, and what is known of it. */
struct subject {
    enum side side;
    const struct config_backend *backend; /* borrowed, as all below: from the config */
    const struct config_server *server;
    struct report_place place;
    struct tls_trust *trust; /* borrowed: of the doctor; NULL: plain HTTP */
    struct str host;         /* that requests carry; empty: the client's, which is not known */
    bool is_skipped;         /* nothing more can be asked */
    unsigned status;         /* of a plain request to the health path; check_answers */

    struct addr addrs[LOOKUP_ADDRS_MAX]; /* check_reach */
    unsigned addr_count;
    struct addr addr; /* the one that is used: it connects, with TLS where it must */

    int64_t ahead_s; /* its clock before ours; check_answers */
    bool has_clock;

    size_t head_accepted; /* check_heads; 0: not tried */

    struct call *idle, *socket; /* owned: patient calls, from check_idle_begin to check_idle_end */
};

struct doctor {
    const struct config *config;          /* borrowed */
    const struct doctor_options *options; /* borrowed */
    struct caller caller;
    struct report report;
    struct ask_way way;
    struct tls_trust *trust[SIDES]; /* owned; NULL: the side has no https server */
    struct subject *subjects;       /* owned; old's first */
    unsigned count;
    struct str paths[DOCTOR_PATHS_MAX]; /* asked on both sides; borrowed */
    unsigned path_count;
};

/* dns, connect, tls */
void check_reach(struct doctor *doctor);

/* health, host, public-name, loop, client-address, reuse, clock */
void check_answers(struct doctor *doctor);

/* websocket; then everything that lies idle begins: keep-alive, websocket-idle */
void check_idle_begin(struct doctor *doctor);
void check_idle_end(struct doctor *doctor);

/* answer-head, redirects, cookies, compare, cors */
void check_pages(struct doctor *doctor);

/* request-head, upload */
void check_limits(struct doctor *doctor);

/* ---- for the checks ---- */

/* What a user's GET of `path` becomes for this subject. */
struct ask check_ask(const struct doctor *doctor, const struct subject *subject, struct str path);

/* An order for the subject's address, with TLS for the Host that is sent, and without requests. */
struct call_order check_order(const struct doctor *doctor, const struct subject *subject,
                              struct str host);

/* Starts a call that asks once; check_start_with: as `order` says, with this request. */
struct call *check_start(struct doctor *doctor, const struct subject *subject,
                         const struct ask *ask);
struct call *check_start_with(struct doctor *doctor, const struct call_order *order,
                              const struct ask *ask);

/* One call for each subject into `calls`, indexed as they are; NULL for those that are skipped, or
 * whose Host is not known. check_free_all frees the calls and not the array. */
typedef struct call *(*check_start_cb)(struct doctor *doctor, struct subject *subject, void *data);
void check_all(struct doctor *doctor, check_start_cb start, void *data, struct call **calls);
void check_free_all(struct doctor *doctor, struct call **calls);

void check_add(struct doctor *doctor, const struct subject *subject, const char *check,
               const struct finding *finding);
void check_add_both(struct doctor *doctor, const char *check, const struct finding *finding);

static inline struct asked check_asked(const struct subject *subject, struct str path,
                                       const struct call *call)
{
    return (struct asked){
        .side = side_name(subject->side), .path = path, .host = subject->host, .call = call};
}

#endif
