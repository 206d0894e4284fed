#include "http/strict.h"

#include <criterion/criterion.h>

#include "base/check.h"

#define MAX_FIELDS 8

struct row {
    struct str head;
    enum strict_fault fault;
};

#define ROW(fault, head)      \
    {                         \
        STR_INIT(head), fault \
    }

/* A request with one more line, or with another start line. */
#define LINE(fault, line)  ROW(fault, "GET / HTTP/1.1\r\nHost: a\r\n" line "\r\n\r\n")
#define START(fault, line) ROW(fault, line "\r\nHost: a\r\n\r\n")
#define HOST(fault, value) ROW(fault, "GET / HTTP/1.1\r\nHost: " value "\r\n\r\n")

static void expect_faults(enum strict_fault (*strict)(struct str, unsigned), const struct row *rows,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* A copy of exactly this size, so that reading beyond it is seen. */
        char *copy = str_dup(rows[i].head);
        struct str head = str_from(copy, rows[i].head.len);
        enum strict_fault fault = strict(head, MAX_FIELDS);
        cr_expect_eq(fault, rows[i].fault, "\"%.*s\": got \"%s\", wanted \"%s\"", STR_ARG(head),
                     strict_fault_text(fault), strict_fault_text(rows[i].fault));
        mem_free(copy);
    }
}

#define EXPECT_REQUESTS(rows)  expect_faults(strict_request, rows, ARRAY_LEN(rows))
#define EXPECT_RESPONSES(rows) expect_faults(strict_response, rows, ARRAY_LEN(rows))

Test(strict, legal_requests_are_accepted)
{
    static const struct row ROWS[] = {
        START(STRICT_OK, "GET / HTTP/1.1"),
        START(STRICT_OK, "GET /a%20b/?q=1&r=[2]{3}|\"<>^` HTTP/1.1"),
        START(STRICT_OK, "GET //two HTTP/1.1"),
        START(STRICT_OK, "HEAD /? HTTP/1.1"),
        START(STRICT_OK, "OPTIONS * HTTP/1.1"),
        START(STRICT_OK, "M-SEARCH /x HTTP/1.1"),
        START(STRICT_OK, "PROPFIND /dav HTTP/1.1"),
        START(STRICT_OK, "GET http://a/path?q HTTP/1.1"),
        START(STRICT_OK, "GET HTTPS://A/ HTTP/1.1"),
        START(STRICT_OK, "GET / HTTP/1.0"),
        ROW(STRICT_OK, "GET / HTTP/1.0\r\n\r\n"),
        ROW(STRICT_OK, "GET http://a:80/ HTTP/1.1\r\nHost: A\r\n\r\n"),
        ROW(STRICT_OK, "GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n"),
        ROW(STRICT_OK, "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        HOST(STRICT_OK, "shop.example.com:8080"),
        HOST(STRICT_OK, "[2001:db8::1]:443"),
        HOST(STRICT_OK, "[::ffff:192.0.2.1]"),
        HOST(STRICT_OK, "my_host-1.internal~"),
        HOST(STRICT_OK, "a:65535"),
        HOST(STRICT_OK, "a.b."),
        ROW(STRICT_OK, "GET / HTTP/1.1\r\nhOST:a\r\n\r\n"),
        ROW(STRICT_OK, "GET / HTTP/1.1\r\nHost:\t a \t\r\n\r\n"),
        LINE(STRICT_OK, "Content-Length: 5"),
        LINE(STRICT_OK, "Content-Length: 005"),
        LINE(STRICT_OK, "Content-Length: 0"),
        LINE(STRICT_OK, "Content-Length:  7  "),
        LINE(STRICT_OK, "Content-Length: 123456789012345678"),
        LINE(STRICT_OK, "Transfer-Encoding: chunked"),
        LINE(STRICT_OK, "TRANSFER-ENCODING: Chunked"),
        LINE(STRICT_OK, "X-Empty:"),
        LINE(STRICT_OK, "X-Blank:  \t "),
        LINE(STRICT_OK, "X-Eight: \x80\xff caf\xc3\xa9"),
        LINE(STRICT_OK, "X-Tab: a\tb"),
        LINE(STRICT_OK, "!#$%&'*+-.^_`|~9: token"),
        LINE(STRICT_OK, "X-Colons: a:b:c\r\nA: 1\r\nA: 2"),
        LINE(STRICT_OK, "Transfer-Encodinh: chunked"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, every_line_ends_in_crlf)
{
    static const struct row ROWS[] = {
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\nHost: a\n\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\r\n\rX"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\r\n\rX: b\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\nHost: a\r\n\r\nX: b\r\n\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\n"),
        LINE(STRICT_LINE_END, "X-Abc:\rxTransfer-Encoding: chunked"),
        LINE(STRICT_LINE_END, "X: a\rb"),
        LINE(STRICT_LINE_END, "X: a\r\r\nY: b"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, values_hold_no_control_bytes)
{
    static const struct row ROWS[] = {
        LINE(STRICT_CONTROL, "X: a\0b"),
        LINE(STRICT_CONTROL, "X: \x01"),
        LINE(STRICT_CONTROL, "X: a\x0b"),
        LINE(STRICT_CONTROL, "X: a\x7f"),
        LINE(STRICT_CONTROL, "Transfer-Encoding: \x0b"
                             "chunked"),
        LINE(STRICT_CONTROL, "Transfer-Encoding: chunked\0"),
        HOST(STRICT_CONTROL, "a\x01"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, no_line_is_folded)
{
    static const struct row ROWS[] = {
        LINE(STRICT_FOLD, "X: a\r\n b"),
        LINE(STRICT_FOLD, "X: a\r\n\tb"),
        LINE(STRICT_FOLD, "X:\r\n b"),
        LINE(STRICT_LENGTH, "Content-Length:\r\n 5"),
        LINE(STRICT_CODING, "Transfer-Encoding:\r\n chunked"),
        LINE(STRICT_FOLD, "\tTransfer-Encoding: chunked"),
        ROW(STRICT_FOLD, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, names_are_tokens)
{
    static const struct row ROWS[] = {
        LINE(STRICT_NAME, ": x"),
        LINE(STRICT_NAME, ":"),
        LINE(STRICT_NAME, "no colon"),
        LINE(STRICT_NAME, "nocolon"),
        LINE(STRICT_NAME, "X : a"),
        LINE(STRICT_NAME, "X\t: a"),
        LINE(STRICT_NAME, "[X]: a"),
        LINE(STRICT_NAME, "\"X\": a"),
        LINE(STRICT_NAME, "X\x80: a"),
        LINE(STRICT_NAME, "X\0: a"),
        LINE(STRICT_NAME, "X(comment): a"),
        LINE(STRICT_NAME, "Transfer-Encoding : chunked"),
        LINE(STRICT_NAME, "Tran\xc5\xbf"
                          "fer-Encoding: chunked"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, the_request_line_has_three_words)
{
    static const struct row ROWS[] = {
        START(STRICT_REQUEST_LINE, "GET /"),
        START(STRICT_REQUEST_LINE, "GET"),
        START(STRICT_REQUEST_LINE, "GET  / HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "GET /  HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "GET / HTTP/1.1 "),
        START(STRICT_REQUEST_LINE, " GET / HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "GET\t/ HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "G@T / HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "GET / http/1.1"),
        START(STRICT_REQUEST_LINE, "GET / RTSP/1.0"),
        START(STRICT_REQUEST_LINE, "GET / ICE/1.0"),
        START(STRICT_REQUEST_LINE, "GET / x HTTP/1.1"),
        START(STRICT_REQUEST_LINE, "GET / HTTP/1.11"),
        ROW(STRICT_REQUEST_LINE, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(STRICT_REQUEST_LINE, "\r\n\r\n"),
        ROW(STRICT_REQUEST_LINE, ""),
        ROW(STRICT_REQUEST_LINE, "\x16\x03\x01\x02\x00\x01"),
        ROW(STRICT_REQUEST_LINE, "GET / \r\n\r\n"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, versions_are_1_0_and_1_1)
{
    static const struct row ROWS[] = {
        START(STRICT_VERSION, "GET / HTTP/0.9"),
        START(STRICT_VERSION, "GET / HTTP/1.2"),
        START(STRICT_VERSION, "GET / HTTP/2.0"),
        START(STRICT_VERSION, "GET / HTTP/3.0"),
        START(STRICT_VERSION, "GET / HTTP/01.1"),
        START(STRICT_REQUEST_LINE, "GET / HTTP/1.01"),
        ROW(STRICT_VERSION, "PRI * HTTP/2.0\r\n\r\n"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, methods_are_known)
{
    static const struct row ROWS[] = {
        START(STRICT_METHOD, "FOO / HTTP/1.1"),         START(STRICT_METHOD, "QUERY / HTTP/1.1"),
        START(STRICT_METHOD, "get / HTTP/1.1"),         START(STRICT_METHOD, "GETX / HTTP/1.1"),
        START(STRICT_METHOD, "CONNECT a:443 HTTP/1.1"), START(STRICT_METHOD, "TRACE / HTTP/1.1"),
        START(STRICT_METHOD, "PRI * HTTP/1.1"),         START(STRICT_METHOD, "SOURCE / HTTP/1.1"),
        START(STRICT_METHOD, "DESCRIBE / HTTP/1.1"),    START(STRICT_METHOD, "FLUSH / HTTP/1.1"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, targets_are_in_origin_or_absolute_form)
{
    static const struct row ROWS[] = {
        START(STRICT_TARGET, "GET http://a HTTP/1.1"),
        START(STRICT_TARGET, "OPTIONS http://a HTTP/1.1"),
        START(STRICT_TARGET, "GET * HTTP/1.1"),
        START(STRICT_TARGET, "GET a:443 HTTP/1.1"),
        START(STRICT_TARGET, "GET path HTTP/1.1"),
        START(STRICT_TARGET, "GET ?q HTTP/1.1"),
        START(STRICT_TARGET, "GET /a#b HTTP/1.1"),
        START(STRICT_TARGET, "GET /a\\b HTTP/1.1"),
        START(STRICT_TARGET, "GET /\x80 HTTP/1.1"),
        START(STRICT_TARGET, "GET /\x01 HTTP/1.1"),
        START(STRICT_TARGET, "GET /a\tb HTTP/1.1"),
        START(STRICT_TARGET, "GET /a\x0b HTTP/1.1"),
        START(STRICT_TARGET, "GET /\0 HTTP/1.1"),
        START(STRICT_TARGET, "GET http://u@a/ HTTP/1.1"),
        START(STRICT_TARGET, "GET http://u:p@a/ HTTP/1.1"),
        START(STRICT_TARGET, "GET ftp://a/ HTTP/1.1"),
        START(STRICT_TARGET, "GET http:/// HTTP/1.1"),
        START(STRICT_TARGET, "GET http:// HTTP/1.1"),
        START(STRICT_TARGET, "GET http:a HTTP/1.1"),
        START(STRICT_TARGET, "GET http://a?y HTTP/1.1"),
        START(STRICT_TARGET, "OPTIONS ** HTTP/1.1"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, there_is_one_valid_host)
{
    static const struct row ROWS[] = {
        ROW(STRICT_HOST, "GET / HTTP/1.1\r\n\r\n"),
        ROW(STRICT_HOST, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        ROW(STRICT_HOST, "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        ROW(STRICT_HOST, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(STRICT_HOST, "GET http://a:443/ HTTP/1.1\r\nHost: a\r\n\r\n"),
        ROW(STRICT_HOST, "GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"),
        ROW(STRICT_HOST, "GET http://a/ HTTP/1.1\r\n\r\n"),
        HOST(STRICT_HOST, ".a"),
        HOST(STRICT_HOST, "a..b"),
        HOST(STRICT_HOST, "."),
        HOST(STRICT_HOST, ""),
        HOST(STRICT_HOST, "a@b"),
        HOST(STRICT_HOST, "a/b"),
        HOST(STRICT_HOST, "a b"),
        HOST(STRICT_HOST, "a, b"),
        HOST(STRICT_HOST, "a,b"),
        HOST(STRICT_HOST, "a:1:2"),
        HOST(STRICT_HOST, "a:99999"),
        HOST(STRICT_HOST, "a:65536"),
        HOST(STRICT_HOST, "a:4294967376"),
        HOST(STRICT_HOST, "a:"),
        HOST(STRICT_HOST, "a:x"),
        HOST(STRICT_HOST, ":80"),
        HOST(STRICT_HOST, "[::1"),
        HOST(STRICT_HOST, "[]"),
        HOST(STRICT_HOST, "[abc]"),
        HOST(STRICT_HOST, "[::1]x"),
        HOST(STRICT_HOST, "[::g]"),
        HOST(STRICT_HOST, "caf\xc3\xa9"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, content_length_is_one_plain_number)
{
    static const struct row ROWS[] = {
        LINE(STRICT_LENGTH, "Content-Length: +5"),
        LINE(STRICT_LENGTH, "Content-Length: -5"),
        LINE(STRICT_LENGTH, "Content-Length: 0x5"),
        LINE(STRICT_LENGTH, "Content-Length: 5_0"),
        LINE(STRICT_LENGTH, "Content-Length: 5.0"),
        LINE(STRICT_LENGTH, "Content-Length: \"5\""),
        LINE(STRICT_LENGTH, "Content-Length: 5,"),
        LINE(STRICT_LENGTH, "Content-Length: 5, 5"),
        LINE(STRICT_LENGTH, "Content-Length: 5 5"),
        LINE(STRICT_LENGTH, "Content-Length:"),
        LINE(STRICT_LENGTH, "Content-Length: \xa0"
                            "5"),
        LINE(STRICT_LENGTH, "Content-Length: 5\t"),
        LINE(STRICT_LENGTH, "Content-Length: 5\r\nContent-Length: 5"),
        LINE(STRICT_LENGTH, "Content-Length: 5\r\ncontent-length: 6"),
        LINE(STRICT_LENGTH, "Content-Length: 1234567890123456789"),
        LINE(STRICT_LENGTH, "Content-Length: 9223372036854775808"),
        LINE(STRICT_LENGTH, "Content-Length: 18446744073709551615"),
        LINE(STRICT_LENGTH, "Content-Length: 18446744073709551616"),
        LINE(STRICT_LENGTH, "Content_Length: 5"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, transfer_encoding_is_chunked_once)
{
    static const struct row ROWS[] = {
        LINE(STRICT_CODING, "Transfer-Encoding: xchunked"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked;q=1"),
        LINE(STRICT_CODING, "Transfer-Encoding: \"chunked\""),
        LINE(STRICT_CODING, "Transfer-Encoding: gzip"),
        LINE(STRICT_CODING, "Transfer-Encoding: identity"),
        LINE(STRICT_CODING, "Transfer-Encoding: gzip, chunked"),
        LINE(STRICT_CODING, "Transfer-Encoding: ,chunked"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked,"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked, chunked"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        LINE(STRICT_CODING, "Transfer-Encoding:"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked\t"),
        LINE(STRICT_CODING, "Transfer-Encoding: chunked\xff"),
        LINE(STRICT_CODING, "Transfer_Encoding: chunked"),
        LINE(STRICT_CODING, "Content-Length: 5\r\nTransfer-Encoding: identity"),
        ROW(STRICT_CODING, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, there_is_only_one_framing)
{
    static const struct row ROWS[] = {
        LINE(STRICT_FRAMING, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        LINE(STRICT_FRAMING, "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 5"),
        LINE(STRICT_FRAMING, "Transfer-Encoding: chunked\r\nContent-Length: 0"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, fields_are_counted)
{
    static const struct row ROWS[] = {
        LINE(STRICT_OK, "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7"),
        LINE(STRICT_FIELDS, "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\nA: 8"),
    };
    EXPECT_REQUESTS(ROWS);
}

Test(strict, mutated_framing_names_are_never_taken_for_framing)
{
    static const char HEAD[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n";
    char copy[sizeof(HEAD)];
    size_t from = (size_t)(strstr(HEAD, "Transfer") - HEAD);
    size_t to = (size_t)(strstr(HEAD, ": chunked") - HEAD);

    for (size_t at = from; at < to; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(copy, HEAD, sizeof(HEAD));
            copy[at] = (char)byte;
            bool is_token =
                byte > 0x20 && byte < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", (int)byte) == NULL;
            bool is_same = ascii_lower((char)byte) == ascii_lower(HEAD[at]);
            enum strict_fault fault = strict_request(str_from(copy, sizeof(HEAD) - 1), MAX_FIELDS);
            bool wanted = is_token && !is_same && !(HEAD[at] == '-' && byte == '_');
            /* "Transfe: ..." is another name with another value. */
            wanted |= byte == ':' && at > from;
            cr_expect_eq(fault == STRICT_OK, wanted, "byte %u at %zu: %s", byte, at - from,
                         strict_fault_text(fault));
        }
    }
}

#define REPLY(fault, line) ROW(fault, "HTTP/1.1 200 OK\r\n" line "\r\n\r\n")

Test(strict, legal_responses_are_accepted)
{
    static const struct row ROWS[] = {
        ROW(STRICT_OK, "HTTP/1.1 200 OK\r\n\r\n"),
        ROW(STRICT_OK, "HTTP/1.1 200 \r\n\r\n"),
        ROW(STRICT_OK, "HTTP/1.1 200\r\n\r\n"),
        ROW(STRICT_OK, "HTTP/1.0 404 Not\tfound \xe4\r\nServer: x\r\n\r\n"),
        ROW(STRICT_OK, "HTTP/1.1 100 Continue\r\n\r\n"),
        ROW(STRICT_OK, "HTTP/1.1 999 x\r\n\r\n"),
        REPLY(STRICT_OK, "Content-Length: 5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2"),
        REPLY(STRICT_OK, "Transfer-Encoding: chunked"),
    };
    EXPECT_RESPONSES(ROWS);
}

Test(strict, bad_responses_are_refused)
{
    static const struct row ROWS[] = {
        ROW(STRICT_STATUS_LINE, "HTTP/1.1 20 OK\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1 2000 OK\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1  200 OK\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1 000 x\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1 099 x\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1 2x0 x\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "HTTP/1.1\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "ICY 200 OK\r\n\r\n"),
        ROW(STRICT_STATUS_LINE, "<html>\r\n\r\n"),
        ROW(STRICT_VERSION, "HTTP/2.0 200 OK\r\n\r\n"),
        ROW(STRICT_VERSION, "HTTP/1.2 200 OK\r\n\r\n"),
        ROW(STRICT_LINE_END, "HTTP/1.1 200 OK\n\r\n"),
        ROW(STRICT_LINE_END, "HTTP/1.1 200\nA: b\r\n\r\n"),
        ROW(STRICT_LINE_END, "HTTP/1.1 200 a\rb\r\n\r\n"),
        ROW(STRICT_LINE_END, "HTTP/1.1 200 OK\r\n\n"),
        ROW(STRICT_CONTROL, "HTTP/1.1 200 a\0b\r\n\r\n"),
        REPLY(STRICT_LINE_END, "X: a\rSet-Cookie: b=c"),
        REPLY(STRICT_CONTROL, "X: a\0"),
        REPLY(STRICT_FOLD, "X: a\r\n b"),
        REPLY(STRICT_NAME, "X : a"),
        REPLY(STRICT_NAME, "(X): a"),
        REPLY(STRICT_LENGTH, "Content-Length: 5\r\nContent-Length: 5"),
        REPLY(STRICT_LENGTH, "Content-Length: 5, 5"),
        REPLY(STRICT_FRAMING, "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        REPLY(STRICT_CODING, "Transfer-Encoding: chunked, chunked"),
        REPLY(STRICT_CODING, "Transfer-Encoding: gzip"),
        ROW(STRICT_CODING, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    };
    EXPECT_RESPONSES(ROWS);
}

Test(strict, every_fault_has_a_text)
{
    for (int fault = STRICT_OK; fault <= STRICT_DISAGREE; fault++)
        cr_expect_gt(strlen(strict_fault_text((enum strict_fault)fault)), 1);
}

Test(strict, a_first_line_is_judged_alone)
{
    static const struct row ROWS[] = {
        ROW(STRICT_OK, ""),
        ROW(STRICT_OK, "GET / HT"),
        ROW(STRICT_OK, "SSH-2.0-x"),
        ROW(STRICT_OK, "\r\n"),
        ROW(STRICT_OK, "GET / HTTP/1.1\r\n"),
        ROW(STRICT_OK, "\r\nGET / HTTP/1.1\r\nX : y\r\n"),
        ROW(STRICT_REQUEST_LINE, "GET /\r\n"),
        ROW(STRICT_REQUEST_LINE, "GET /\n"),
        ROW(STRICT_REQUEST_LINE, "SSH-2.0-x\r\n"),
        ROW(STRICT_REQUEST_LINE, "\n"),
        ROW(STRICT_REQUEST_LINE, "\r\n\r\n"),
        ROW(STRICT_METHOD, "FOO / HTTP/1.1\r\nHost"),
        ROW(STRICT_VERSION, "GET / HTTP/9.9\r\n"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\nHost"),
        ROW(STRICT_LINE_END, "GET / HTTP/1.1\r\r\n"),
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        enum strict_fault fault = strict_request_line(ROWS[i].head);
        cr_expect_eq(fault, ROWS[i].fault, "row %zu: %s", i, strict_fault_text(fault));
    }
}
