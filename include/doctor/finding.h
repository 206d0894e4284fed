/*
 * finding.h - what came of one check: a result, what was seen, and what to do about it.
 */
#ifndef DOCTOR_FINDING_H
#define DOCTOR_FINDING_H

#include "base/str.h"

enum result { RESULT_OK = 0, RESULT_WARN, RESULT_FAIL };
#define RESULTS 3

/* "ok", "warn", "fail" */
const char *result_name(enum result result);

#define FINDING_BYTES 512

/* Texts are NUL-terminated and cut at the end when too long. They may hold what a server sent, of
 * any bytes: whoever shows them cleans them. */
struct finding {
    enum result result;
    char detail[FINDING_BYTES]; /* a few words, no full stop: "GET /health answers 404" */
    char todo[FINDING_BYTES];   /* for a person, no full stop; empty: nothing is to be done */
};

/* Sets result and detail, and that nothing is to be done. */
void finding_say(struct finding *finding, enum result result, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Goes on with the detail. */
void finding_add(struct finding *finding, const char *format, ...) PRINTF_LIKE(2, 3);

void finding_advise(struct finding *finding, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
