/*
 * writer.c - framing of what leaves. A body goes out as vectors around the very bytes that came in:
 *
 *     chunked:   "1a2b\r\n"  slice slice ...  "\r\n"             one chunk a batch
 *     the last:  "1a2b\r\n"  slice slice ...  "\r\n0\r\n\r\n"
 *     otherwise:             slice slice ...
 */
#include "http/writer.h"

#include <time.h>

#include "base/clock.h"

static struct iovec vector_of(struct str s)
{
    /* iovec has no const form; writev only reads. */
    return (struct iovec){(void *)(uintptr_t)s.data, s.len};
}

/* "1a2b\r\n" into `chunk`. */
static struct str size_line(size_t size, char chunk[WRITER_CHUNK_BYTES])
{
    char *at = chunk + WRITER_CHUNK_BYTES;

    *--at = '\n';
    *--at = '\r';
    do {
        *--at = "0123456789abcdef"[size & 15];
        size >>= 4;
    } while (size > 0);
    return str_from(at, (size_t)(chunk + WRITER_CHUNK_BYTES - at));
}

unsigned writer_body(enum body_kind body, const struct slices *slices, bool last,
                     char chunk[WRITER_CHUNK_BYTES], struct iovec iov[WRITER_IOV_MAX])
{
    bool is_chunked = body == BODY_CHUNKED;
    unsigned count = 0;

    /* A chunk of no bytes would end the body. */
    if (slices->bytes == 0) {
        if (is_chunked && last)
            iov[count++] = vector_of(STR("0\r\n\r\n"));
        return count;
    }
    if (is_chunked)
        iov[count++] = vector_of(size_line(slices->bytes, chunk));
    for (unsigned i = 0; i < slices->count; i++)
        iov[count++] = vector_of(slices->item[i]);
    if (is_chunked)
        iov[count++] = vector_of(last ? STR("\r\n0\r\n\r\n") : STR("\r\n"));
    return count;
}

#define REASONS(X)                            \
    X(100, "Continue")                        \
    X(101, "Switching Protocols")             \
    X(200, "OK")                              \
    X(201, "Created")                         \
    X(202, "Accepted")                        \
    X(204, "No Content")                      \
    X(206, "Partial Content")                 \
    X(301, "Moved Permanently")               \
    X(302, "Found")                           \
    X(303, "See Other")                       \
    X(304, "Not Modified")                    \
    X(307, "Temporary Redirect")              \
    X(308, "Permanent Redirect")              \
    X(400, "Bad Request")                     \
    X(401, "Unauthorized")                    \
    X(403, "Forbidden")                       \
    X(404, "Not Found")                       \
    X(405, "Method Not Allowed")              \
    X(408, "Request Timeout")                 \
    X(409, "Conflict")                        \
    X(411, "Length Required")                 \
    X(412, "Precondition Failed")             \
    X(413, "Content Too Large")               \
    X(414, "URI Too Long")                    \
    X(415, "Unsupported Media Type")          \
    X(417, "Expectation Failed")              \
    X(421, "Misdirected Request")             \
    X(422, "Unprocessable Content")           \
    X(426, "Upgrade Required")                \
    X(428, "Precondition Required")           \
    X(429, "Too Many Requests")               \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")           \
    X(501, "Not Implemented")                 \
    X(502, "Bad Gateway")                     \
    X(503, "Service Unavailable")             \
    X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported")

struct str writer_reason(unsigned status)
{
    switch (status) {
#define X(number, text) \
    case number:        \
        return STR(text);
        REASONS(X)
#undef X
    default:
        return STR("Unknown");
    }
}

static char *put_two(char *at, int number)
{
    at[0] = (char)('0' + number / 10 % 10);
    at[1] = (char)('0' + number % 10);
    return at + 2;
}

/* Not strftime: that one writes the names of the locale. */
void writer_date(uint64_t wall_ms, char text[WRITER_DATE_BYTES])
{
    static const char DAYS[] = "SunMonTueWedThuFriSat";
    static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    memcpy(text, "Ddd, 00 Mmm 0000 00:00:00 GMT", WRITER_DATE_BYTES);
    memcpy(text, DAYS + 3 * tm.tm_wday, 3);
    put_two(text + 5, tm.tm_mday);
    memcpy(text + 8, MONTHS + 3 * tm.tm_mon, 3);
    put_two(put_two(text + 12, (tm.tm_year + 1900) / 100), tm.tm_year % 100);
    put_two(text + 17, tm.tm_hour);
    put_two(text + 20, tm.tm_min);
    put_two(text + 23, tm.tm_sec);
}

/* A value with a line end in it would be two fields: control bytes leave as spaces. */
static void append_field(struct buf *out, struct str name, struct str value)
{
    char *at = buf_reserve(out, name.len + value.len + 4);
    char *from = at;

    memcpy(at, name.data, name.len);
    at += name.len;
    *at++ = ':';
    *at++ = ' ';
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        *at++ = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    *at++ = '\r';
    *at++ = '\n';
    buf_commit(out, (size_t)(at - from));
}

void writer_answer(unsigned status, const struct writer_field *fields, unsigned field_count,
                   struct str content_type, struct str content, bool keep_alive, bool head_only,
                   struct buf *out)
{
    bool may_have_content = status >= 200 && status != 204 && status != 304;
    struct str reason = writer_reason(status);
    char date[WRITER_DATE_BYTES];

    writer_date(clock_wall_ms(), date);
    buf_printf(out, "HTTP/1.1 %03u %.*s\r\nDate: %s\r\n", status, STR_ARG(reason), date);
    for (unsigned i = 0; i < field_count; i++)
        append_field(out, str_of(fields[i].name), fields[i].value);
    if (may_have_content && content_type.len > 0)
        append_field(out, STR("Content-Type"), content_type);
    if (may_have_content)
        buf_printf(out, "Content-Length: %zu\r\n", content.len);
    buf_printf(out, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
    if (may_have_content && !head_only)
        buf_append_str(out, content);
}
