/*
 * calls.h - what the tests of this folder share: calls as if they had been made, and findings in one
 * line.
 */
#ifndef TESTS_DOCTOR_CALLS_H
#define TESTS_DOCTOR_CALLS_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "doctor/judge.h"

/* A call that brought these bytes, and then the end of the connection. */
static inline void call_answered(struct call *call, const char *bytes)
{
    *call = (struct call){.has_connected = true};
    answer_init(&call->answers[0]);
    answer_init(&call->answers[1]);
    answer_feed(&call->answers[0], str_of(bytes));
    answer_end(&call->answers[0]);
    call->answered = call->answers[0].state == ANSWER_DONE;
}

static inline void call_failed(struct call *call, enum call_fault fault, int status,
                               const char *trouble)
{
    call_answered(call, "");
    call->fault = fault;
    call->status = status;
    snprintf(call->trouble, sizeof(call->trouble), "%s", trouble);
}

static inline void call_done(struct call *call)
{
    answer_deinit(&call->answers[0]);
    answer_deinit(&call->answers[1]);
}

static inline struct asked asked_of(const char *side, const struct call *call)
{
    return (struct asked){
        .side = side, .path = STR("/health"), .host = STR("app.test"), .call = call};
}

#define EXPECT_FINDING(finding, expected, words)                                              \
    do {                                                                                      \
        cr_expect_str_eq(result_name((finding).result), result_name(expected), "%s",          \
                         (finding).detail);                                                   \
        cr_expect_not_null(strstr((finding).detail, words), "\"%s\" is not in \"%s\"", words, \
                           (finding).detail);                                                 \
        cr_expect_eq((finding).result != RESULT_OK, (finding).todo[0] != '\0', "%s: %s",      \
                     (finding).detail, (finding).todo);                                       \
    } while (0)

#define EXPECT_TODO(finding, words)                                                     \
    cr_expect_not_null(strstr((finding).todo, words), "\"%s\" is not in \"%s\"", words, \
                       (finding).todo)

#endif
