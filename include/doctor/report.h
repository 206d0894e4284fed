/*
 * report.h - all findings, as lines for people or as JSON.
 *
 *     ok    old   https://app.up.railway.app  tls     TLS 1.3, *.up.railway.app, 63 days left
 *     fail  new   http://10.0.0.5:3000        health  GET /health answers 404. Set health.path ...
 *
 * Lines are shown in the order of the servers, whatever order they were added in, as far as they
 * are there when report_lines is called. Everything that is not printable ASCII is shown as '?', so
 * that no text from the network can drive a terminal.
 */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include "base/arena.h"
#include "base/buf.h"
#include "doctor/finding.h"

/* What a line is about. */
struct report_place {
    const char *side;  /* "old", "new", "both" */
    struct str server; /* its URL; empty: none in particular */
    unsigned order;    /* lines of a lower one come first */
};

struct report_line {
    struct report_line *next;
    struct report_place place;
    const char *check;
    enum result result;
    struct str detail, todo;
    bool is_shown;
};

struct report {
    struct arena arena;
    struct report_line *first; /* owned: by the arena; in the order they were added */
    struct report_line **end;
    unsigned count[RESULTS];
    int server_width;
};

/* `server_width`: of the longest URL. */
void report_init(struct report *report, size_t server_width);
void report_deinit(struct report *report);

/* Copies the texts; `place` and `check` outlive the report. */
void report_add(struct report *report, const struct report_place *place, const char *check,
                const struct finding *finding);

/* Appends the lines that were not shown yet. */
void report_lines(struct report *report, struct buf *out);

/* "31 ok, 2 warnings, 1 failure\n" */
void report_summary(const struct report *report, struct buf *out);

/* {"checks":[...],"ok":31,"warn":2,"fail":1} and a newline */
void report_json(const struct report *report, struct buf *out);

#endif
