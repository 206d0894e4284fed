#include "telemetry/evidence.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define BUCKET 427
#define GROUP  sample_group(BUCKET)

static struct evidence evidence;
static struct evidence_attempt attempt;

static void set_up(void)
{
    memset(&evidence, 0, sizeof(evidence));
    attempt = (struct evidence_attempt){
        .side = SIDE_NEW,
        .bucket = BUCKET,
        .outcome = OUTCOME_OK,
        .status = 200,
        .has_latency = true,
        .connect_us = 300,
        .first_byte_us = 2000,
        .total_us = 9000,
    };
}

TestSuite(evidence, .init = set_up);

/* What has been counted for a side. */
static const struct sample *seen(enum side side)
{
    static struct sample sum[SIDES];

    memset(sum, 0, sizeof(sum));
    evidence_sum(sum, &evidence);
    return &sum[side];
}

static bool is_empty(const struct sample *sample)
{
    static const struct sample nothing;

    return memcmp(sample, &nothing, sizeof(nothing)) == 0;
}

Test(evidence, a_good_attempt_is_counted_for_its_side_and_group)
{
    evidence_note(&evidence, &attempt);
    const struct sample *sample = seen(SIDE_NEW);
    cr_assert_eq(sample->requests[GROUP], 1);
    cr_assert_eq(sample->failed[GROUP], 0);
    cr_assert_eq(sample->first_byte[GROUP].bin[sample_bin(2000)], 1);
    cr_assert_eq(sample->connect.bin[sample_bin(300)], 1);
    cr_assert_eq(sample->total.bin[sample_bin(9000)], 1);
    cr_assert(is_empty(seen(SIDE_OLD)));
}

Test(evidence, each_cell_is_the_member_of_that_place)
{
    for (unsigned bucket = 0; bucket < SAMPLE_GROUPS; bucket++) {
        attempt.bucket = bucket;
        attempt.first_byte_us = UINT64_C(1) << (bucket % 20);
        evidence_note(&evidence, &attempt);
    }
    const struct sample *sample = seen(SIDE_NEW);
    uint64_t cells = 0;
    for (unsigned group = 0; group < SAMPLE_GROUPS; group++) {
        cr_assert_eq(sample->requests[group], 1);
        cr_assert_eq(sample->first_byte[group].bin[sample_bin(UINT64_C(1) << (group % 20))], 1);
    }
    for (size_t i = 0; i < SAMPLE_CELLS; i++)
        cells += ((const uint32_t *)(const void *)sample)[i];
    cr_assert_eq(cells, 4 * SAMPLE_GROUPS);
}

Test(evidence, without_a_new_connection_there_is_no_time_to_connect)
{
    attempt.connect_us = 0;
    evidence_note(&evidence, &attempt);
    cr_assert_eq(sample_latency_count(&seen(SIDE_NEW)->connect), 0);
    cr_assert_eq(sample_latency_count(&seen(SIDE_NEW)->total), 1);
}

Test(evidence, what_lasts_has_no_latency)
{
    attempt.has_latency = false;
    attempt.outcome = OUTCOME_TUNNEL;
    attempt.status = 101;
    evidence_note(&evidence, &attempt);
    const struct sample *sample = seen(SIDE_NEW);
    cr_assert_eq(sample->requests[GROUP], 1);
    cr_assert_eq(sample_latency_count(&sample->total) + sample_latency_count(&sample->connect) +
                     sample_latency_count(&sample->first_byte[GROUP]),
                 0);
}

Test(evidence, an_error_is_counted_by_kind_and_without_latency)
{
    attempt.status = 502;
    evidence_note(&evidence, &attempt);
    const struct sample *sample = seen(SIDE_NEW);
    cr_assert_eq(sample->requests[GROUP], 1);
    cr_assert_eq(sample->failed[GROUP], 1);
    cr_assert_eq(sample->errors[SAMPLE_5XX], 1);
    cr_assert_eq(sample_latency_count(&sample->total), 0);
    cr_assert_eq(sample_latency_count(&sample->first_byte[GROUP]), 0);
}

Test(evidence, what_tells_of_a_wrong_setting_is_shown_and_no_error)
{
    static const unsigned shown[] = {401, 403, 404, 413, 429};
    for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
        attempt.status = shown[i];
        evidence_note(&evidence, &attempt);
    }
    attempt.status = 400;
    evidence_note(&evidence, &attempt);
    const struct sample *sample = seen(SIDE_NEW);
    for (unsigned i = 0; i < SAMPLE_SHOWN_COUNT; i++)
        cr_assert_eq(sample->shown[i], 1, "%u", sample_shown_status((enum sample_shown)i));
    cr_assert_eq(sample->requests[GROUP], 6);
    cr_assert_eq(sample->failed[GROUP], 0);
}

Test(evidence, a_404_that_the_other_side_was_asked_about_is_an_answer)
{
    attempt.outcome = OUTCOME_SKEW;
    attempt.status = 404;
    attempt.has_latency = false;
    evidence_note(&evidence, &attempt);
    cr_assert_eq(seen(SIDE_NEW)->shown[SAMPLE_404], 1);
}

Test(evidence, a_failover_is_no_attempt)
{
    evidence_note_failover(&evidence, SIDE_NEW);
    cr_assert_eq(seen(SIDE_NEW)->failovers, 1);
    cr_assert_eq(sample_requests(seen(SIDE_NEW)), 0);
    cr_assert(is_empty(seen(SIDE_OLD)));
}

/* Every outcome there is: what kind of error it is, or that it leaves no trace. */
Test(evidence, every_outcome_is_a_kind_of_error_or_an_answer_or_nothing)
{
    static const struct {
        enum outcome outcome;
        enum sample_error error;
    } errors[] = {
        {OUTCOME_CONNECT_REFUSED, SAMPLE_CONNECT},
        {OUTCOME_CONNECT_FAILED, SAMPLE_CONNECT},
        {OUTCOME_CONNECT_TIMEOUT, SAMPLE_CONNECT},
        {OUTCOME_UNRESOLVED, SAMPLE_CONNECT},
        {OUTCOME_NO_SERVER, SAMPLE_CONNECT},
        {OUTCOME_TLS_FAILED, SAMPLE_TLS},
        {OUTCOME_TLS_UNTRUSTED, SAMPLE_TLS},
        {OUTCOME_TLS_TIMEOUT, SAMPLE_TLS},
        {OUTCOME_RESPONSE_TIMEOUT, SAMPLE_TIMEOUT},
        {OUTCOME_STALLED, SAMPLE_TIMEOUT},
        {OUTCOME_CLOSED, SAMPLE_BROKEN},
        {OUTCOME_BAD_RESPONSE, SAMPLE_BROKEN},
        {OUTCOME_RESPONSE_TOO_LARGE, SAMPLE_BROKEN},
        {OUTCOME_TRUNCATED, SAMPLE_BROKEN},
        {OUTCOME_PLATFORM_404, SAMPLE_PLATFORM},
        {OUTCOME_PLATFORM_502, SAMPLE_PLATFORM},
        {OUTCOME_PLATFORM_503, SAMPLE_PLATFORM},
        {OUTCOME_PLATFORM_504, SAMPLE_PLATFORM},
    };
    for (unsigned outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
        enum sample_error error;
        bool is_answer =
            outcome == OUTCOME_OK || outcome == OUTCOME_TUNNEL || outcome == OUTCOME_SKEW;
        const char *token = outcome_row((enum outcome)outcome)->token;
        size_t i = 0;

        set_up();
        attempt.outcome = (enum outcome)outcome;
        evidence_note(&evidence, &attempt);
        while (i < ARRAY_LEN(errors) && errors[i].outcome != outcome)
            i++;
        bool is_error = i < ARRAY_LEN(errors);
        cr_assert_eq(evidence_is_error((enum outcome)outcome, 200, &error), is_error, "%s", token);
        cr_assert(!is_error || error == errors[i].error, "%s", token);
        cr_assert_eq(sample_requests(seen(SIDE_NEW)), is_error || is_answer, "%s", token);
        cr_assert_eq(sample_failed(seen(SIDE_NEW)), is_error, "%s", token);
        /* All that is blamed on a server is an error of its side. */
        cr_assert(is_error || outcome_row((enum outcome)outcome)->blame != BLAME_SERVER, "%s",
                  token);
    }
}

Test(evidence, an_answer_is_an_error_from_500_on)
{
    enum sample_error error;
    cr_assert_not(evidence_is_error(OUTCOME_OK, 499, &error));
    for (unsigned status = 500; status < 600; status++)
        cr_assert(evidence_is_error(OUTCOME_OK, status, &error) && error == SAMPLE_5XX);
    cr_assert_not(evidence_is_error(OUTCOME_CLIENT_GONE, 500, &error));
}

Test(evidence, sums_add_up)
{
    struct sample sum[SIDES] = {0};
    evidence_note(&evidence, &attempt);
    evidence_sum(sum, &evidence);
    evidence_sum(sum, &evidence);
    cr_assert_eq(sum[SIDE_NEW].requests[GROUP], 2);
}

#define ROUNDS 200000

static void *work(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < ROUNDS; i++)
        evidence_note(&evidence, &attempt);
    return NULL;
}

Test(evidence, sums_are_exact_while_a_worker_counts)
{
    pthread_t thread;
    uint64_t before = 0;
    cr_assert_eq(pthread_create(&thread, NULL, work, NULL), 0);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t now = sample_requests(seen(SIDE_NEW));
        cr_assert_geq(now, before);
        before = now;
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(sample_requests(seen(SIDE_NEW)), ROUNDS);
}
