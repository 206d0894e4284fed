/*
 * course.h - where a plan stands, in words: for status, watch and `cutover plan`. Reads what
 * GET /v1/status says of one plan.
 *
 * What is missing or of another type is taken for nothing: a poorer text, never a wrong command.
 */
#ifndef CLI_COURSE_H
#define CLI_COURSE_H

#include <jansson.h>

#include "cli/page.h"

/* A plan of an answer; all borrowed from it. */
struct course {
    const json_t *plan; /* NULL: the answer has none */
    const char *route;  /* "main", or the route's name */
    const char *state;
    unsigned step, steps;
    double weight; /* of the route, at present: percent of users on new */
};

/* Of `route` ("main" or NULL: the main plan). False: there is no such plan in the answer; one of the
 * main weight that is not configured counts as there, with no steps. */
bool course_find(struct course *course, const json_t *status, const char *route);

/* How many plans there are, and the one at `index`: the main one first, without steps or with. */
unsigned course_count(const json_t *status);
void course_at(struct course *course, const json_t *status, unsigned index);

/* One step by its number from 1; NULL: none. Its weight; 0: none. */
const json_t *course_step(const struct course *course, unsigned step);
double course_weight_of(const struct course *course, unsigned step);

bool course_is(const struct course *course, const char *state);
bool course_is_under_way(const struct course *course);
bool course_is_running(const struct course *course); /* its clock */
bool course_is_last(const struct course *course);    /* in its last step */
bool course_is_auto(const struct course *course);

/* Seconds; 0: over, or none. */
double course_hold_left(const struct course *course);

/* Whether somebody has to do something: it waits, is paused, or was rolled back. */
bool course_needs_someone(const struct course *course);

/* "step 2 of 4: holding, 4d 3h left" */
void course_brief(struct page *page, const struct course *course);

/* "10 % done -> 30 % NOW, 4d 3h of 7d left -> 70 % next, for 7d -> 100 % for 14d" */
void course_track(struct page *page, const struct course *course);

/* Who has to act, and the command to type. */
void course_act(struct page *page, const struct course *course);

/* A command that can be pasted: "cutover plan advance --step 2 --route products". `more`: options
 * that go with it, or "". */
void course_command(struct page *page, const struct course *course, const char *verb,
                    const char *more);

/* What an order has led to: "step 2 of 4: 30 % of users are on new now; held for 7d; next: ..." */
void course_outcome(struct page *page, const struct course *course);

/* "pass: new has ...": the verdict of an object that has `verdict` or of a plan, its reason, and what
 * is needed for a better one. */
void course_verdict(struct page *page, const json_t *compared);

/* The guard's strikes, latch and warm-up, where there is something to say. */
void course_guard(struct page *page, const struct course *course);

#endif
