/* test_lookup.c - look-ups on a real loop and real threads, of names that the test makes up. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <unistd.h>

#include "../names.h"
#include "net/lookup.h"

static uv_loop_t loop;
static struct lookups *lookups;

/* One who asks. */
struct asker {
    struct lookup *lookup;
    unsigned answers;
    struct lookup_answer answer; /* the last one */
    struct lookup **cancels;     /* by the answer; may be NULL */
    const char *asks_again;      /* by the answer; may be NULL */
};

static void on_answer(void *data, const struct lookup_answer *answer)
{
    struct asker *asker = data;

    asker->lookup = NULL;
    asker->answers++;
    asker->answer = *answer;
    if (asker->cancels != NULL)
        lookup_cancel(*asker->cancels);
    if (asker->asks_again != NULL)
        asker->lookup = lookup_start(lookups, asker->asks_again, on_answer, asker);
    asker->asks_again = NULL;
}

static void ask(struct asker *asker, const char *host)
{
    *asker = (struct asker){.lookup = lookup_start(lookups, host, on_answer, asker)};
}

static void run_for(uint64_t at_most_ms, const unsigned *count, unsigned wanted)
{
    uint64_t end_ms = clock_mono_ms() + at_most_ms;

    while (clock_mono_ms() < end_ms && (count == NULL || *count < wanted)) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void wait_answer(struct asker *asker)
{
    run_for(5000, &asker->answers, 1);
    cr_assert_eq(asker->answers, 1);
}

static void wait_running(const char *host, unsigned wanted)
{
    for (unsigned i = 0; i < 5000 && name_running(host) != wanted; i++)
        usleep(1000);
    cr_assert_eq(name_running(host), wanted);
}

/* "10.0.0.1 ::1" */
static const char *text_of(const struct lookup_answer *answer)
{
    static char text[LOOKUP_ADDRS_MAX * ADDR_TEXT_BYTES];
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < answer->count; i++) {
        char ip[ADDR_TEXT_BYTES];
        struct str formatted = addr_format_ip(&answer->addrs[i], ip);
        cr_assert_eq(addr_port(&answer->addrs[i]), 0);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", i == 0 ? "" : " ",
                                 STR_ARG(formatted));
    }
    return text;
}

static const struct lookup_answer *answer_of(const char *host)
{
    static struct asker asker;

    ask(&asker, host);
    wait_answer(&asker);
    return &asker.answer;
}

static void setup(void)
{
    cr_assert_eq(uv_loop_init(&loop), 0);
    lookups = lookups_new(&loop);
}

/* The loop must end by itself, whatever is still under way. */
static void teardown(void)
{
    uint64_t start_ms = clock_mono_ms();

    if (lookups != NULL)
        lookups_free(lookups);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_lt(clock_mono_ms() - start_ms, 1000);
    cr_assert_eq(uv_loop_close(&loop), 0);
}

TestSuite(lookup, .init = setup, .fini = teardown, .timeout = 30);

/* Answers */

Test(lookup, addresses_come_in_the_order_of_the_system_and_once_each)
{
    name_is("app.fake", "10.0.0.2 2001:db8::1 10.0.0.1 10.0.0.2 ::ffff:10.0.0.1");
    const struct lookup_answer *answer = answer_of("app.fake");
    cr_assert_str_eq(text_of(answer), "10.0.0.2 2001:db8::1 10.0.0.1");
    cr_assert_str_eq(answer->trouble, "");
}

Test(lookup, what_is_no_servers_address_is_left_out)
{
    name_is("app.fake", "0.0.0.0 :: 224.0.0.1 239.255.255.255 ff02::1 169.254.169.254 "
                        "255.255.255.255 fe80::1 fe80::1%lo 127.0.0.1 ::1 169.253.0.1 10.0.0.1");
    cr_assert_str_eq(text_of(answer_of("app.fake")), "fe80::1 127.0.0.1 ::1 169.253.0.1 10.0.0.1");
}

Test(lookup, nothing_but_mistakes_is_trouble)
{
    name_is("app.fake", "0.0.0.0");
    const struct lookup_answer *answer = answer_of("app.fake");
    cr_assert_eq(answer->count, 0);
    cr_assert_str_eq(answer->trouble, "the name leads to 0.0.0.0, which is no server's address");
}

Test(lookup, trouble_is_told_in_words)
{
    name_fails("app.fake", EAI_NONAME);
    cr_assert_str_eq(answer_of("app.fake")->trouble, "there is no such name");
    name_fails("app.fake", EAI_NODATA);
    cr_assert_str_eq(answer_of("app.fake")->trouble, "the name has no address");
    name_fails("app.fake", EAI_AGAIN);
    cr_assert_str_eq(answer_of("app.fake")->trouble, "the name servers do not answer, or fail");
    name_fails("app.fake", EAI_FAIL);
    cr_assert_str_eq(answer_of("app.fake")->trouble, "the name servers refuse to answer");
    name_fails("app.fake", EAI_MEMORY);
    cr_assert_str_eq(answer_of("app.fake")->trouble, gai_strerror(EAI_MEMORY));
    cr_assert_eq(answer_of("app.fake")->count, 0);
}

Test(lookup, a_very_long_answer_is_cut)
{
    char text[4096] = "10.1.0.0";

    for (unsigned i = 1; i < 2 * LOOKUP_ADDRS_MAX; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " 10.1.0.%u", i);
    name_is("app.fake", text);
    const struct lookup_answer *answer = answer_of("app.fake");
    cr_assert_eq(answer->count, LOOKUP_ADDRS_MAX);
    text_of(answer);
}

Test(lookup, the_real_system_is_asked)
{
    cr_assert_str_eq(text_of(answer_of("127.0.0.5")), "127.0.0.5");
}

/* Who asks */

Test(lookup, the_answer_comes_later_and_once)
{
    struct asker asker;

    name_is("app.fake", "10.0.0.1");
    ask(&asker, "app.fake");
    usleep(50 * 1000);
    cr_assert_eq(asker.answers, 0, "only the loop delivers");
    wait_answer(&asker);
    run_for(50, NULL, 0);
    cr_assert_eq(asker.answers, 1);
}

Test(lookup, all_who_ask_for_a_name_share_one_question)
{
    struct asker askers[3], other;

    name_hangs("app.fake");
    name_is("other.fake", "10.0.0.9");
    for (unsigned i = 0; i < ARRAY_LEN(askers); i++)
        ask(&askers[i], "app.fake");
    ask(&other, "other.fake");
    wait_answer(&other);
    wait_running("app.fake", 1);
    name_is("app.fake", "10.0.0.1");
    for (unsigned i = 0; i < ARRAY_LEN(askers); i++) {
        wait_answer(&askers[i]);
        cr_assert_str_eq(text_of(&askers[i].answer), "10.0.0.1");
    }
    cr_assert_eq(name_asked("app.fake"), 1);
    name_is("app.fake", "10.0.0.2");
    cr_assert_str_eq(text_of(answer_of("app.fake")), "10.0.0.2", "later ones ask anew");
    cr_assert_eq(name_asked("app.fake"), 2);
}

Test(lookup, who_cancelled_is_not_told)
{
    struct asker gone, there;

    name_hangs("app.fake");
    ask(&gone, "app.fake");
    ask(&there, "app.fake");
    lookup_cancel(gone.lookup);
    name_is("app.fake", "10.0.0.1");
    wait_answer(&there);
    cr_assert_eq(gone.answers, 0);
}

Test(lookup, a_question_that_all_have_left_is_not_asked_twice)
{
    struct asker asker;

    name_hangs("app.fake");
    for (unsigned i = 0; i < 5; i++) {
        ask(&asker, "app.fake");
        wait_running("app.fake", 1);
        lookup_cancel(asker.lookup);
    }
    ask(&asker, "app.fake");
    name_is("app.fake", "10.0.0.1");
    wait_answer(&asker);
    cr_assert_eq(name_asked("app.fake"), 1);
}

Test(lookup, an_answer_may_cancel_those_that_wait_for_the_same)
{
    struct asker askers[3];

    name_hangs("app.fake");
    for (unsigned i = 0; i < ARRAY_LEN(askers); i++)
        ask(&askers[i], "app.fake");
    askers[0].cancels = &askers[1].lookup;
    name_is("app.fake", "10.0.0.1");
    wait_answer(&askers[2]);
    cr_assert_eq(askers[0].answers, 1);
    cr_assert_eq(askers[1].answers, 0);
}

Test(lookup, an_answer_may_ask_again)
{
    struct asker asker;

    name_is("app.fake", "10.0.0.1");
    ask(&asker, "app.fake");
    asker.asks_again = "app.fake";
    run_for(5000, &asker.answers, 2);
    cr_assert_eq(asker.answers, 2);
    cr_assert_eq(name_asked("app.fake"), 2);
}

/* Hung ones */

Test(lookup, hung_questions_hold_up_no_other_name)
{
    struct asker hung[20], other;
    char host[32];

    for (unsigned i = 0; i < ARRAY_LEN(hung); i++) {
        snprintf(host, sizeof(host), "hang%u.fake", i);
        name_hangs(host);
        ask(&hung[i], host);
        wait_running(host, 1);
    }
    name_is("other.fake", "10.0.0.9");
    ask(&other, "other.fake");
    wait_answer(&other);
    for (unsigned i = 0; i < ARRAY_LEN(hung); i++) {
        cr_assert_eq(hung[i].answers, 0);
        lookup_cancel(hung[i].lookup);
    }
}

Test(lookup, a_late_answer_touches_nothing_that_is_gone)
{
    struct asker asker;

    name_hangs("app.fake");
    ask(&asker, "app.fake");
    wait_running("app.fake", 1);
    lookup_cancel(asker.lookup);
    teardown();
    memset(&loop, 0xff, sizeof(loop));
    name_is("app.fake", "10.0.0.1");
    wait_running("app.fake", 0);
    usleep(50 * 1000); /* what the thread does with the answer; the sanitizer looks on */
    cr_assert_eq(asker.answers, 0);
    setup();
}

Test(lookup, an_answer_that_is_on_its_way_is_dropped_by_the_end)
{
    struct asker asker;

    name_is("app.fake", "10.0.0.1");
    ask(&asker, "app.fake");
    usleep(50 * 1000);
    lookup_cancel(asker.lookup);
    lookups_free(lookups);
    lookups = NULL;
    run_for(50, NULL, 0);
    cr_assert_eq(asker.answers, 0);
}

Test(lookup, there_is_an_end_to_what_may_be_under_way)
{
    static struct asker hung[LOOKUPS_MAX];
    struct asker other;
    char host[32];

    for (unsigned i = 0; i < ARRAY_LEN(hung); i++) {
        snprintf(host, sizeof(host), "hang%u.fake", i);
        name_hangs(host);
        ask(&hung[i], host);
    }
    name_is("other.fake", "10.0.0.9");
    ask(&other, "other.fake");
    cr_assert_eq(other.answers, 0);
    wait_answer(&other);
    cr_assert_str_eq(other.answer.trouble, "too many look-ups are under way");
    cr_assert_eq(name_asked("other.fake"), 0);
    name_is("hang0.fake", "10.0.0.1");
    wait_answer(&hung[0]);
    cr_assert_str_eq(text_of(answer_of("other.fake")), "10.0.0.9", "one more is possible again");
    for (unsigned i = 1; i < ARRAY_LEN(hung); i++) {
        snprintf(host, sizeof(host), "hang%u.fake", i);
        name_is(host, "10.0.0.1");
        wait_answer(&hung[i]);
    }
}
