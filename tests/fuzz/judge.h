/*
 * judge.h - what must be true of the bytes that went in and came out, once all is over.
 *
 *     client->sent      read as the proxy should have read it: the requests that are good, up to
 *                       the first that is not
 *     link->received    whole heads that can be read again, and only of good requests; of one that
 *                       must not arrive twice no more than were asked for
 *     client->received  at most one final answer for each, in order, and one more for a bad one
 */
#ifndef TESTS_FUZZ_JUDGE_H
#define TESTS_FUZZ_JUDGE_H

#include "ends.h"

void judge(const struct ends *ends);

/* Whole requests that the link has got: for who answers them. */
unsigned judge_count_requests(const struct end *link);

#endif
