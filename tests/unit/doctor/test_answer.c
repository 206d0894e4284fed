#include "doctor/answer.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct answer answer;

static void init(void)
{
    answer_init(&answer);
}

static void deinit(void)
{
    answer_deinit(&answer);
}

TestSuite(answer, .init = init, .fini = deinit);

static size_t feed(const char *text)
{
    return answer_feed(&answer, str_of(text));
}

#define HEAD \
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\n\r\n"

Test(answer, in_one_piece_with_something_behind)
{
    cr_expect_eq(feed(HEAD "helloHTTP"), strlen(HEAD "hello"));
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.message.status, 200);
    cr_expect_eq(answer.body_bytes, 5);
    cr_expect_eq(answer.head_bytes, strlen(HEAD));
    cr_expect(str_eq(answer_type(&answer), STR("text/html")));
    cr_expect_eq(feed("more"), 0);
}

Test(answer, byte_by_byte)
{
    const char *all = HEAD "hello";

    for (const char *at = all; *at != '\0'; at++) {
        cr_assert_neq(answer.state, ANSWER_DONE);
        cr_assert_eq(answer_feed(&answer, str_from(at, 1)), 1);
    }
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.body_bytes, 5);
    cr_expect(str_eq(answer_field(&answer, STR("content-length")), STR("5")));
}

Test(answer, interim_answers_are_passed_over)
{
    feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    cr_expect_not(answer_has_head(&answer));
    feed("HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n");
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.message.status, 204);
    cr_expect(str_is_empty(answer_field(&answer, STR("Link"))));
}

Test(answer, an_interim_answer_in_pieces)
{
    const char *all = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" HEAD "hello";

    for (const char *at = all; *at != '\0'; at++)
        answer_feed(&answer, str_from(at, 1));
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.message.status, 200);
}

Test(answer, a_switch_of_protocols_is_final)
{
    const char *head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                       "Connection: upgrade\r\n\r\n";
    char all[256];

    snprintf(all, sizeof(all), "%s\x81\x01x", head);
    cr_expect_eq(feed(all), strlen(head));
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.message.status, 101);
}

Test(answer, chunked)
{
    feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    cr_expect_eq(answer.state, ANSWER_BODY);
    cr_expect_eq(feed("2\r\nde\r\n0\r\n\r\nX"), strlen("2\r\nde\r\n0\r\n\r\n"));
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.body_bytes, 5);
}

Test(answer, until_the_end_of_the_connection)
{
    feed("HTTP/1.1 200 OK\r\n\r\nabc");
    cr_expect_eq(answer.state, ANSWER_BODY);
    answer_end(&answer);
    cr_expect_eq(answer.state, ANSWER_DONE);
    cr_expect_eq(answer.body_bytes, 3);
}

Test(answer, an_end_too_early_completes_nothing)
{
    feed(HEAD "hel");
    answer_end(&answer);
    cr_expect_eq(answer.state, ANSWER_BODY);
    cr_expect(answer_has_head(&answer));
}

Test(answer, what_is_not_http)
{
    feed("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    cr_expect_eq(answer.state, ANSWER_BAD);
    cr_expect_not(answer_has_head(&answer));
    cr_expect_not_null(answer.trouble);
}

Test(answer, two_lengths)
{
    feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
    cr_expect_eq(answer.state, ANSWER_BAD);
    cr_expect_not(answer_has_head(&answer));
}

Test(answer, a_head_without_end)
{
    static char line[1024];

    memset(line, 'x', sizeof(line));
    feed("HTTP/1.1 200 OK\r\nA: ");
    for (int i = 0; i < ANSWER_HEAD_MAX / 1024 + 1 && answer.state == ANSWER_HEAD; i++)
        answer_feed(&answer, str_from(line, sizeof(line)));
    cr_expect_eq(answer.state, ANSWER_BAD);
}

Test(answer, how_long_a_connection_is_kept)
{
    feed("HTTP/1.1 200 OK\r\nKeep-Alive: max=100, timeout=5\r\nContent-Length: 0\r\n\r\n");
    cr_expect_eq(answer_keep_alive_s(&answer), 5);
}

Test(answer, a_date_and_its_age)
{
    feed("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 3\r\n"
         "Content-Length: 0\r\n\r\n");
    cr_expect_eq(answer_date_s(&answer), 784111777 + 3);
}

Test(answer, a_date_that_is_none)
{
    feed("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 CET\r\nContent-Length: 0\r\n\r\n");
    cr_expect_eq(answer_date_s(&answer), 0);
}
