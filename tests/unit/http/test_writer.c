#include "http/writer.h"

#include <criterion/criterion.h>

static void expect_str(struct str got, const char *wanted)
{
    cr_expect(str_eq(got, str_of(wanted)), "got \"%.*s\", wanted \"%s\"", STR_ARG(got), wanted);
}

static void expect_body(enum body_kind body, const struct slices *slices, bool last,
                        const char *wanted)
{
    struct buf out = BUF_EMPTY;
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX];
    unsigned count = writer_body(body, slices, last, chunk, iov);

    for (unsigned i = 0; i < count; i++)
        buf_append(&out, iov[i].iov_base, iov[i].iov_len);
    expect_str(buf_str(&out), wanted);
    buf_deinit(&out);
}

Test(writer, a_batch_of_slices_is_one_chunk)
{
    struct slices slices = {.item = {STR("hello"), STR(", "), STR("world!!!!")}, .count = 3};
    slices.bytes = 16;

    expect_body(BODY_CHUNKED, &slices, false, "10\r\nhello, world!!!!\r\n");
    expect_body(BODY_CHUNKED, &slices, true, "10\r\nhello, world!!!!\r\n0\r\n\r\n");
    expect_body(BODY_LENGTH, &slices, true, "hello, world!!!!");
    expect_body(BODY_UNTIL_EOF, &slices, false, "hello, world!!!!");
}

Test(writer, no_bytes_make_no_chunk)
{
    struct slices slices = {.count = 0};

    expect_body(BODY_CHUNKED, &slices, false, "");
    expect_body(BODY_CHUNKED, &slices, true, "0\r\n\r\n");
    expect_body(BODY_LENGTH, &slices, true, "");
    expect_body(BODY_NONE, &slices, true, "");
}

Test(writer, the_vectors_suffice_and_sizes_are_hexadecimal)
{
    static const struct {
        size_t size;
        const char *line;
    } ROWS[] = {{1, "1\r\n"}, {0xabcdef, "abcdef\r\n"}, {SIZE_MAX, "ffffffffffffffff\r\n"}};
    struct slices slices = {.count = SLICES_MAX};
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX];

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        slices.bytes = ROWS[i].size;
        cr_expect_eq(writer_body(BODY_CHUNKED, &slices, true, chunk, iov), WRITER_IOV_MAX);
        expect_str(str_from(iov[0].iov_base, iov[0].iov_len), ROWS[i].line);
    }
}

Test(writer, reasons)
{
    expect_str(writer_reason(200), "OK");
    expect_str(writer_reason(431), "Request Header Fields Too Large");
    expect_str(writer_reason(504), "Gateway Timeout");
    expect_str(writer_reason(299), "Unknown");
}

Test(writer, dates)
{
    char text[WRITER_DATE_BYTES];

    writer_date(784111777000, text);
    expect_str(str_of(text), "Sun, 06 Nov 1994 08:49:37 GMT");
    writer_date(0, text);
    expect_str(str_of(text), "Thu, 01 Jan 1970 00:00:00 GMT");
    writer_date(1709251199999, text);
    expect_str(str_of(text), "Thu, 29 Feb 2024 23:59:59 GMT");
}

/* The answer without its Date line, which is checked to be there. */
static void expect_answer(struct buf *out, const char *wanted)
{
    struct str got = buf_str(out);
    const char *date = memmem(got.data, got.len, "Date: ", 6);
    cr_assert_not_null(date);
    size_t at = (size_t)(date - got.data);
    size_t line = sizeof("Date: \r\n") - 1 + WRITER_DATE_BYTES - 1;
    struct buf rest = BUF_EMPTY;
    buf_append_str(&rest, str_slice(got, 0, at));
    buf_append_str(&rest, str_slice(got, at + line, got.len));
    expect_str(buf_str(&rest), wanted);
    buf_deinit(&rest);
    buf_deinit(out);
}

Test(writer, answers)
{
    struct buf out = BUF_EMPTY;
    struct writer_field fields[] = {{"X-Cutover-Outcome", STR("no_server")},
                                    {"Retry-After", STR("5\r\nX: y")}};

    writer_answer(503, fields, 2, STR("application/json"), STR("{}"), false, false, &out);
    expect_answer(&out, "HTTP/1.1 503 Service Unavailable\r\nX-Cutover-Outcome: no_server\r\n"
                        "Retry-After: 5  X: y\r\nContent-Type: application/json\r\n"
                        "Content-Length: 2\r\nConnection: close\r\n\r\n{}");
    writer_answer(200, NULL, 0, STR("text/plain"), STR("hello"), true, true, &out);
    expect_answer(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"
                        "Connection: keep-alive\r\n\r\n");
    writer_answer(204, NULL, 0, STR(""), STR(""), true, false, &out);
    expect_answer(&out, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
}
