#include "http/pen.h"

#include <criterion/criterion.h>
#include <signal.h>

#include "http/parser.h"

static struct message message;

static void set_up(void)
{
    struct parser parser;

    message_init(&message, 16);
    parser_init(&parser, PARSER_REQUEST);
    cr_assert_eq(
        parser_head(
            &parser,
            STR("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB:2\r\nC: 3 \r\nD:\r\nE:  5\r\nF: 6\r\n"
                "Connection: A, close,, keep-alive ,x-hop\r\nG: 7\r\n\r\n"),
            &message, false),
        PARSE_DONE);
}

static void tear_down(void)
{
    message_deinit(&message);
}

TestSuite(pen, .init = set_up, .fini = tear_down);

Test(pen, kept_lines_come_out_in_the_usual_form)
{
    struct buf out = BUF_EMPTY;
    struct pen pen;

    buf_append_str(&out, STR("before"));
    pen_open(&pen, &out, 256);
    for (unsigned i = 0; i < message.count; i++)
        if (message.fields[i].id != FIELD_CONNECTION)
            pen_keep(&pen, &message.fields[i]);
    pen_flush(&pen);
    pen_content_length(&pen, UINT64_MAX);
    pen_content_length(&pen, 0);
    pen_line(&pen, STR("X"), (struct str){NULL, 0});
    pen_close(&pen);
    struct str wanted =
        STR("beforeHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: \r\nE: 5\r\nF: 6\r\nG: 7\r\n"
            "Content-Length: 18446744073709551615\r\nContent-Length: 0\r\nX: \r\n");
    cr_expect(str_eq(buf_str(&out), wanted), "%.*s", STR_ARG(buf_str(&out)));
    buf_deinit(&out);
}

Test(pen, named_fields_are_those_that_are_no_options)
{
    struct named named;

    named_collect(&named, &message);
    cr_expect_eq(named.count, 2);
    cr_expect(named_has(&named, STR("a")));
    cr_expect(named_has(&named, STR("X-Hop")));
    cr_expect_not(named_has(&named, STR("close")));
    cr_expect_not(named_has(&named, STR("")));
}

Test(pen, received_bytes_reach_to_the_last_field)
{
    cr_expect_eq(pen_received_bytes(&message),
                 (size_t)(message.fields[8].value.data + 1 - message.base));
}

Test(pen, more_than_the_bound_is_our_mistake, .signal = SIGABRT)
{
    struct buf out = BUF_EMPTY;
    struct pen pen;

    pen_open(&pen, &out, 4);
    pen_line(&pen, STR("Five"), STR("5"));
    pen_close(&pen);
}
