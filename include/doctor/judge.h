/*
 * judge.h - from what came of a call to a finding: what is right, what is not, and what to do. Pure
 * functions; what they say is for a tired person.
 */
#ifndef DOCTOR_JUDGE_H
#define DOCTOR_JUDGE_H

#include "config/config.h"
#include "doctor/call.h"
#include "doctor/finding.h"

/* A request, and the call that brought the answer. */
struct asked {
    const char *side; /* "old": where the keys in the configuration are */
    struct str path;  /* with query */
    struct str host;  /* that was sent */
    const struct call *call;
};

/* ---- reaching a server: judge_reach.c ---- */

void judge_dns(struct finding *finding, const struct lookup_answer *answer, uint64_t ms,
               const char *side);

/* One call for each address, at least one. */
void judge_connect(struct finding *finding, struct call *const *calls, unsigned count);

/* A call that connected to an https server. `now_s` is Unix time. */
struct tls_question {
    const char *side;
    struct str name; /* that was asked for */
    bool verify;
    bool needs_names; /* accepted only because of tls.names */
    const struct call *call;
    const struct call *unbelieving; /* the same without verifying, after UNTRUSTED; or NULL */
    int64_t now_s;
};
void judge_tls(struct finding *finding, const struct tls_question *question);

/* ---- answers: judge_answer.c ---- */

/* Appends " answers 404", with whose answer it is if not the application's, or ": no answer within
 * 10s". */
void judge_describe(struct finding *finding, const struct call *call);

void judge_health(struct finding *finding, const struct asked *asked,
                  const struct health_policy *policy);

/* `wrong`: the same with a Host that is nobody's. False: what is wrong has nothing to do with Host,
 * and was told of as the server's health, when `is_healthy` is false. */
bool judge_host(struct finding *finding, const struct asked *asked, const struct call *wrong,
                bool is_healthy);

/* Whether that Host is not accepted, by the platform or by the application. */
bool judge_host_is_refused(const struct call *call);

void judge_public_name(struct finding *finding, const struct asked *asked);

/* False: the answer is not a cutover's. */
bool judge_loop(struct finding *finding, const struct asked *asked);

/* False: not Railway's edge. */
bool judge_client_address(struct finding *finding, const struct asked *asked,
                          struct str client_ip_header);

/* A call with two requests. False: not even the first was answered. */
bool judge_reuse(struct finding *finding, const struct asked *asked);

void judge_answer_head(struct finding *finding, size_t head_bytes, unsigned fields,
                       const struct config_limits *limits);

/* `server_s` against `here_s`, Unix time; 0: the server does not say. */
void judge_clock(struct finding *finding, int64_t server_s, int64_t here_s);

/* ---- where answers lead: judge_names.c ---- */

/* Who is who: the authorities that may stand in an answer. */
struct judge_names {
    const struct config *config;
    const char *side;
    struct str written; /* the one that the proxy takes for the server's own, and rewrites */
    struct str client;  /* the name that users type; empty: not known */
    struct str scheme;  /* that users come by */
    bool is_tls;        /* the server's URL has https:// */
};

/* `location` is what GET `path` answered. */
void judge_location(struct finding *finding, const struct judge_names *names, struct str path,
                    struct str location);

/* False: there is nothing to tell of it. */
bool judge_cookie(struct finding *finding, const struct judge_names *names, struct str set_cookie);

/* ---- limits and idle connections: judge_limits.c ---- */

/* A call with watch_ms. False: it was not watched. */
bool judge_keep_alive(struct finding *finding, const struct call *call, uint64_t upstream_idle_ms);

/* `accepted`: the largest head that was, of `tried`; `refusal`: what the next larger one got. */
void judge_request_head(struct finding *finding, size_t tried, size_t accepted,
                        const struct call *refusal);
void judge_request_heads(struct finding *finding, size_t old_accepted, size_t new_accepted);

void judge_upload(struct finding *finding, const struct asked *asked, uint64_t bytes);

void judge_websocket(struct finding *finding, const struct asked *asked);
void judge_websocket_idle(struct finding *finding, const struct call *call);

/* ---- one side against the other: judge_both.c ---- */

/* Of the same path on two servers. `a` is old's. */
void judge_compare(struct finding *finding, const struct asked *a, const struct asked *b);
void judge_preflight(struct finding *finding, const struct asked *a, const struct asked *b,
                     struct str origin);
void judge_clocks(struct finding *finding, int64_t old_ahead_s, int64_t new_ahead_s);

/* ---- for all ---- */

/* "under 1 ms", "12 ms", "3.2 s", "60 s" */
#define JUDGE_MS_BYTES 24
const char *judge_ms_text(uint64_t ms, char text[JUDGE_MS_BYTES]);

#endif
