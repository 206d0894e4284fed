#include <criterion/criterion.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/check.h"
#include "http/forward.h"
#include "http/parser.h"

static struct message message;

static void set_up(void)
{
    message_init(&message, 64);
}

static void tear_down(void)
{
    message_deinit(&message);
}

TestSuite(forward_way, .init = set_up, .fini = tear_down);

/* The message's views point into the head: it must stay. */
static void read_fields(struct buf *head, const char *fields)
{
    struct parser parser;

    buf_clear(head);
    buf_printf(head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", fields);
    parser_init(&parser, PARSER_REQUEST);
    cr_assert_eq(parser_head(&parser, buf_str(head), &message, false), PARSE_DONE, "%s", fields);
}

static void expect_text(const char *row, struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "%s: \"%.*s\", not \"%s\"", row, STR_ARG(got), wanted);
}

Test(forward_way, ports_are_cut_off_entries)
{
    static const char *const ROWS[][2] = {
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.7:5678", "192.0.2.7"},
        {"192.0.2.7:", "192.0.2.7"},
        {"2001:db8::7", "2001:db8::7"},
        {"::", "::"},
        {"[2001:db8::7]", "[2001:db8::7]"},
        {"[2001:db8::7]:5678", "[2001:db8::7]"},
        {"[2001:db8::7", "[2001:db8::7"},
        {"unknown", "unknown"},
        {":", ""},
    };
    struct buf head = BUF_EMPTY;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        char fields[128];
        snprintf(fields, sizeof(fields), "X-Forwarded-For: 1.1.1.1:1, %s\r\n", ROWS[i][0]);
        read_fields(&head, fields);
        expect_text(fields, forward_client_entry(&message, 0), ROWS[i][1]);
        expect_text(fields, forward_client_entry(&message, 1), "1.1.1.1");
        expect_text(fields, forward_client_entry(&message, 2), "");
    }
    buf_deinit(&head);
}

#define LIST "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n"

Test(forward_way, each_edge_names_the_client_in_its_own_way)
{
    static const struct {
        const char *fields;
        const char *proxy; /* and an ALB */
        const char *cloudflare;
        const char *railway;
    } ROWS[] = {
        {"", "", "", ""},
        {LIST, "2.2.2.2", "", ""},
        {"X-Real-IP: 6.6.6.6\r\n", "", "", "6.6.6.6"},
        {"CF-Connecting-IP: 7.7.7.7\r\n", "", "7.7.7.7", ""},
        {LIST "x-real-ip: 2001:db8::6\r\ncf-connecting-ip: 2001:db8::7\r\n", "2.2.2.2",
         "2001:db8::7", "2001:db8::6"},
        /* An edge replaces what was there: two of them, and one is a client's. */
        {LIST "X-Real-IP: 6.6.6.6\r\nX-Real-IP: 6.6.6.7\r\n", "2.2.2.2", "", ""},
        {LIST "CF-Connecting-IP: 7.7.7.7\r\nA: b\r\nCF-Connecting-IP: 7.7.7.7\r\n", "2.2.2.2", "",
         ""},
        {"X-Real-IP:\r\nCF-Connecting-IP:\r\nX-Forwarded-For: ,\r\n", "", "", ""},
    };
    struct buf head = BUF_EMPTY;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const char *row = ROWS[i].fields;
        read_fields(&head, row);
        expect_text(row, forward_client_named(&message, FORWARD_EDGE_PROXY, 0), ROWS[i].proxy);
        expect_text(row, forward_client_named(&message, FORWARD_EDGE_ALB, 0), ROWS[i].proxy);
        expect_text(row, forward_client_named(&message, FORWARD_EDGE_CLOUDFLARE, 0),
                    ROWS[i].cloudflare);
        expect_text(row, forward_client_named(&message, FORWARD_EDGE_RAILWAY, 0), ROWS[i].railway);
    }
    buf_deinit(&head);
}

Test(forward_way, those_with_a_field_of_their_own_name_it_however_far_they_are)
{
    struct buf head = BUF_EMPTY;

    read_fields(&head, LIST "X-Real-IP: 6.6.6.6\r\nCF-Connecting-IP: 7.7.7.7\r\n");
    expect_text("proxy", forward_client_named(&message, FORWARD_EDGE_PROXY, 1), "1.1.1.1");
    expect_text("alb", forward_client_named(&message, FORWARD_EDGE_ALB, 2), "");
    expect_text("cloudflare", forward_client_named(&message, FORWARD_EDGE_CLOUDFLARE, 1),
                "7.7.7.7");
    expect_text("railway", forward_client_named(&message, FORWARD_EDGE_RAILWAY, 1), "6.6.6.6");
    buf_deinit(&head);
    cr_expect(forward_edge_is_last(FORWARD_EDGE_CLOUDFLARE));
    cr_expect(forward_edge_is_last(FORWARD_EDGE_RAILWAY));
    cr_expect_not(forward_edge_is_last(FORWARD_EDGE_PROXY));
    cr_expect_not(forward_edge_is_last(FORWARD_EDGE_ALB));
}

Test(forward_way, a_request_that_names_us_in_via_has_passed)
{
    static const char *const ROWS[] = {
        "Via: 1.1 cutover-1a2b3c4d\r\n",
        "Via: HTTP/1.1 cutover-1a2b3c4d\r\n",
        "via: 2 CUTOVER-1A2B3C4D\r\n",
        "Via: 1.1\tcutover-1a2b3c4d:8080\r\n",
        "Via:1.0 \t cutover-1a2b3c4d \t (a proxy)\r\n",
        "Via: 1.1 cutover-1a2b3c4d(a proxy)\r\n",
        "Via: 1.1 a, 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a,1.1 cutover-1a2b3c4d,1.1 b\r\n",
        "Via: ,,, 1.1 cutover-1a2b3c4d ,,\r\n",
        "Via: 1.1 a\r\nHost2: b\r\nVia: 1.1 cutover-1a2b3c4d\r\n",
        /* comments: with commas, with comments, with quoted pairs */
        "Via: 1.1 a (b, c), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (b (c) (d, e (f))), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (\\)), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (\\(), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (\\\\), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (), 1.1 cutover-1a2b3c4d\r\n",
        /* What a client opens and does not close must not hide what stands behind it. */
        "Via: 1.1 a (, 1.1 cutover-1a2b3c4d\r\n",
        "Via: (, 1.1 cutover-1a2b3c4d\r\n",
        "Via: ((((, 1.1 cutover-1a2b3c4d, 1.1 nginx (Debian)\r\n",
        "Via: 1.1 a (\\, 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a \\, 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 a ), 1.1 cutover-1a2b3c4d\r\n",
        "Via: 1.1 \"a, 1.1 cutover-1a2b3c4d\r\n",
    };
    struct buf head = BUF_EMPTY;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        read_fields(&head, ROWS[i]);
        cr_expect(forward_has_passed(&message, STR("cutover-1a2b3c4d")), "%s", ROWS[i]);
        cr_expect(forward_has_passed(&message, STR("Cutover-1A2b3c4d")), "%s", ROWS[i]);
        cr_expect_not(forward_has_passed(&message, STR("cutover-1a2b3c4e")), "%s", ROWS[i]);
    }
    buf_deinit(&head);
}

Test(forward_way, others_in_via_are_not_us)
{
    static const char *const ROWS[] = {
        "",
        "X-Via: 1.1 cutover-1a2b3c4d\r\n",
        "Via:\r\n",
        "Via: cutover-1a2b3c4d\r\n",
        "Via: cutover-1a2b3c4d 1.1\r\n",
        "Via: 1.1 cutover-1a2b3c4\r\n",
        "Via: 1.1 cutover-1a2b3c4dd\r\n",
        "Via: 1.1 cutover-1a2b3c4d.example\r\n",
        "Via: 1.1 a cutover-1a2b3c4d\r\n",
        "Via: 1.1, cutover-1a2b3c4d\r\n",
        "Via: 1.1 a (1.1 cutover-1a2b3c4d)\r\n",
        "Via: 1.1 a (b, 1.1 cutover-1a2b3c4d)\r\n",
        "Via: 1.1 a (b (c), 1.1 cutover-1a2b3c4d), 1.1 d\r\n",
        "Via: 1.1 a (\\), 1.1 cutover-1a2b3c4d )\r\n",
        "Via: 1.1 a (\\\\\\), 1.1 cutover-1a2b3c4d), 1.1 d\r\n",
        "Via: 1.1 a:8080, 1.1 cutover-1a2b3c4:8080\r\n",
    };
    struct buf head = BUF_EMPTY;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        read_fields(&head, ROWS[i]);
        cr_expect_not(forward_has_passed(&message, STR("cutover-1a2b3c4d")), "%s", ROWS[i]);
    }
    buf_deinit(&head);
}

/* Were each opening bracket searched for its end, this would take minutes. */
Test(forward_way, a_via_of_brackets_is_read_in_one_go, .timeout = 20)
{
    static const char *const PARTS[] = {"(", "()", "(a", "a(b ", "\\(", "(()"};

    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++) {
        struct buf value = BUF_EMPTY;
        while (buf_len(&value) < 1 << 20)
            buf_append_str(&value, str_of(PARTS[i]));
        /* And a backslash that nothing follows. */
        buf_append_str(&value, STR("\\"));
        struct field field = {STR("Via"), buf_str(&value), FIELD_VIA};
        struct message one = {.fields = &field, .count = 1};
        cr_expect_not(forward_has_passed(&one, STR("cutover")));
        buf_deinit(&value);
    }
}
