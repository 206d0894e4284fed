#include "net/proxy_header.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/check.h"

/* Of a copy that ends where the bytes end, so that a sanitizer sees a read behind them. */
static enum proxy_header_state read_front(struct str bytes, size_t len, struct proxy_header *header)
{
    char *copy = mem_alloc(len + 1);
    memcpy(copy + 1, bytes.data, len);
    enum proxy_header_state state = proxy_header_read(str_from(copy + 1, len), header);
    mem_free(copy);
    return state;
}

/* Cases are text, or, after a '#', hexadecimal with blanks between. */
static void load(const char *row, struct buf *bytes)
{
    if (row[0] != '#') {
        buf_append_str(bytes, str_of(row));
        return;
    }
    for (const char *at = row + 1; *at != '\0'; at++) {
        unsigned value = 0;
        if (*at == ' ')
            continue;
        cr_assert_eq(sscanf(at++, "%2x", &value), 1);
        char byte = (char)value;
        buf_append_str(bytes, str_from(&byte, 1));
    }
}

static void expect_address(const char *row, const struct addr *addr, const char *wanted)
{
    char text[ADDR_TEXT_BYTES];
    struct str got = addr_format(addr, text);

    cr_expect(str_eq(got, str_of(wanted)), "%s: \"%.*s\", not \"%s\"", row, STR_ARG(got), wanted);
}

struct good {
    const char *row;
    const char *source;
    const char *destination;
    bool is_tls;
};

/* The whole header, byte by byte; and once more with the connection's own bytes behind it. */
static void expect_good(const struct good *good, struct str bytes)
{
    struct proxy_header header;

    for (size_t len = 0; len < bytes.len; len++)
        cr_expect_eq(read_front(bytes, len, &header), PROXY_HEADER_MORE, "%s: at %zu", good->row,
                     len);
    struct buf more = BUF_EMPTY;
    buf_append_str(&more, bytes);
    buf_append_str(&more, STR("PROXY \r\n\r\n"));
    for (size_t len = bytes.len; len <= buf_len(&more); len++) {
        cr_assert_eq(read_front(buf_str(&more), len, &header), PROXY_HEADER_DONE, "%s", good->row);
        cr_expect_eq(header.len, bytes.len, "%s", good->row);
        cr_expect_eq(header.has_addresses, good->source[0] != '\0', "%s", good->row);
        cr_expect_eq(header.is_tls, good->is_tls, "%s", good->row);
        expect_address(good->row, &header.source, good->source);
        expect_address(good->row, &header.destination, good->destination);
    }
    buf_deinit(&more);
}

#define SIGNATURE "#0d0a0d0a000d0a515549540a "
#define FROM_V4   "c0000207 0a000001 dc04 01bb "
#define FROM_V6   "20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 01bb "
#define CUT_UNIX  "2f612f62000000000000000000000000000000000000000000000000000000000000000000000000"
#define UNIX_4    CUT_UNIX "0000000000000000000000000000"
#define UNIX      UNIX_4 UNIX_4 UNIX_4 UNIX_4

static const struct good LINES[] = {
    {"PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n", "192.0.2.7:56324", "10.0.0.1:443", false},
    {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535",
     "255.255.255.255:65535", false},
    {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0", "0.0.0.0:0", false},
    {"PROXY TCP6 2001:DB8::7 2001:db8:0:0::1 56324 443\r\n", "[2001:db8::7]:56324",
     "[2001:db8::1]:443", false},
    {"PROXY TCP6 ::1 :: 1 65535\r\n", "[::1]:1", "[::]:65535", false},
    {"PROXY TCP6 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7:: 1 2\r\n", "[1:2:3:4:5:6:7:8]:1",
     "[1:2:3:4:5:6:7:0]:2", false},
    {"PROXY TCP6 ::2:3:4:5:6:7:8 1:2:3:4:5:6:1.2.3.4 1 2\r\n", "[0:2:3:4:5:6:7:8]:1",
     "[1:2:3:4:5:6:102:304]:2", false},
    /* As a balancer on a dual-stack socket writes: taken for what they are. */
    {"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:a00:1 56324 443\r\n", "192.0.2.7:56324", "10.0.0.1:443",
     false},
    {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "65535 65535\r\n",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false},
    {"PROXY UNKNOWN\r\n", "", "", false},
    {"PROXY UNKNOWN \r\n", "", "", false},
    {"PROXY UNKNOWN 1.2.3.4 any\tthing \xff\r\n", "", "", false},
    {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
     "", "", false},
};

static const struct good BINARIES[] = {
    {SIGNATURE "21 11 000c" FROM_V4, "192.0.2.7:56324", "10.0.0.1:443", false},
    {SIGNATURE "21 21 0024" FROM_V6, "[2001:db8::7]:56324", "[2001:db8::1]:443", false},
    {SIGNATURE "21 21 0024 00000000000000000000ffffc0000207 00000000000000000000ffff0a000001"
               "dc04 01bb",
     "192.0.2.7:56324", "10.0.0.1:443", false},
    /* The balancer's own. The family does not count, and what is there is skipped. */
    {SIGNATURE "20 00 0000", "", "", false},
    {SIGNATURE "20 11 000c" FROM_V4, "", "", false},
    {SIGNATURE "20 ff 0003 010203", "", "", false},
    /* What is not TCP over IP. */
    {SIGNATURE "21 00 0000", "", "", false},
    {SIGNATURE "21 00 0005 0102030405", "", "", false},
    {SIGNATURE "21 10 0002 0102", "", "", false},
    {SIGNATURE "21 01 0002 0102", "", "", false},
    {SIGNATURE "21 12 000c" FROM_V4, "", "", false},
    {SIGNATURE "21 22 0024" FROM_V6, "", "", false},
    {SIGNATURE "21 31 00d8" UNIX, "", "", false},
    {SIGNATURE "21 32 00db" UNIX "04 0000", "", "", false},
    /* Vectors: ALPN, AUTHORITY, NOOP, UNIQUE_ID, one of AWS's, one of nobody's. */
    {SIGNATURE "21 11 002f" FROM_V4 "01 0002 6832 02 0003 612e62 04 0000 04 0003 000000"
               "05 0001 ff ea 0005 0176706365 f8 0000",
     "192.0.2.7:56324", "10.0.0.1:443", false},
    /* By TLS: with nothing more said, with the version; and by none. */
    {SIGNATURE "21 11 0014" FROM_V4 "20 0005 01 00000000", "192.0.2.7:56324", "10.0.0.1:443", true},
    {SIGNATURE "21 21 0033" FROM_V6 "20 000c 07 00000001 21 0004 54 4c 53 76",
     "[2001:db8::7]:56324", "[2001:db8::1]:443", true},
    {SIGNATURE "21 11 0014" FROM_V4 "20 0005 06 00000000", "192.0.2.7:56324", "10.0.0.1:443",
     false},
    {SIGNATURE "21 31 00e0" UNIX "20 0005 01 00000000", "", "", true},
    /* As HAProxy 2.6 has written them, the second for a connection by TLS 1.3. */
    {SIGNATURE "2121002b00000000000000000000000000000001000000000000000000000000000000018d2046ad"
               "0300049afab79a",
     "[::1]:36128", "[::1]:18093", false},
    {SIGNATURE "211100697f0000017f0000019dc446ae030004f744f746020009612e6578616d706c65050000200044"
               "0100000000210007544c5376312e33250005454332353624001165636473612d776974682d53484132"
               "3536230016544c535f4145535f3235365f47434d5f534841333834",
     "127.0.0.1:40388", "127.0.0.1:18094", true},
};

Test(proxy_header, reads_lines)
{
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        expect_good(&LINES[i], str_of(LINES[i].row));
}

Test(proxy_header, reads_binaries)
{
    for (size_t i = 0; i < ARRAY_LEN(BINARIES); i++) {
        struct buf bytes = BUF_EMPTY;
        load(BINARIES[i].row, &bytes);
        expect_good(&BINARIES[i], buf_str(&bytes));
        buf_deinit(&bytes);
    }
}

/* `row` is refused with its byte `at`, counted from 1, and not before; and with every one behind. */
static void expect_bad(const char *row, size_t at)
{
    struct buf bytes = BUF_EMPTY;
    struct proxy_header header;

    load(row, &bytes);
    buf_append_str(&bytes, STR("\r\n 1\r\n"));
    cr_assert_leq(at, buf_len(&bytes) - 6, "%s", row);
    for (size_t len = 0; len <= buf_len(&bytes); len++)
        cr_expect_eq(read_front(buf_str(&bytes), len, &header),
                     len < at ? PROXY_HEADER_MORE : PROXY_HEADER_BAD, "%s: at %zu", row, len);
    buf_deinit(&bytes);
}

struct bad {
    const char *row;
    size_t at;
};

#define PORTS "PROXY TCP4 1.2.3.4 5.6.7.8 " /* 27 bytes */

Test(proxy_header, refuses_lines_with_the_first_wrong_byte)
{
    static const struct bad ROWS[] = {
        {"GET / HTTP/1.1", 1},
        {"proxy TCP4 ", 1},
        {"PROXX", 5},
        {"PROXY\t", 6},
        {"PROXY  TCP4", 7},
        {"PROXY tcp4", 7},
        {"PROXY TCP5", 10},
        {"PROXY TCP 1", 10},
        {"PROXY TCP4\t", 11},
        {"PROXY TCP46", 11},
        {"PROXY UDP4", 8},
        {"PROXY  ", 7},
        {"PROXY \r\n", 7},
        /* addresses of version 4, from byte 12 on */
        {"PROXY TCP4  1.2.3.4 ", 12},
        {"PROXY TCP4 256", 14},
        {"PROXY TCP4 01", 13},
        {"PROXY TCP4 1.00", 15},
        {"PROXY TCP4 1000", 15},
        {"PROXY TCP4 .", 12},
        {"PROXY TCP4 1..", 14},
        {"PROXY TCP4 1.2.3.4.", 19},
        {"PROXY TCP4 1.2.3 ", 17},
        {"PROXY TCP4 1.2.3. ", 18},
        {"PROXY TCP4 ::1 ", 12},
        {"PROXY TCP4 a", 12},
        {"PROXY TCP4 1.2.3.4\t", 19},
        {"PROXY TCP4 1.2.3.4  ", 20},
        {"PROXY TCP4 1.2.3.4 1.2.3.4\r\n", 27},
        /* and of version 6 */
        {"PROXY TCP6 1.", 13},
        {"PROXY TCP6 1 ", 13},
        {"PROXY TCP6 :1", 13},
        {"PROXY TCP6 : ", 13},
        {"PROXY TCP6 :::", 14},
        {"PROXY TCP6 ::1::", 16},
        {"PROXY TCP6 1::2::", 17},
        {"PROXY TCP6 12345", 16},
        {"PROXY TCP6 ::g", 14},
        {"PROXY TCP6 [", 12},
        {"PROXY TCP6 fe80::1%", 19},
        {"PROXY TCP6 1:2:3:4:5:6:7:8:", 27},
        {"PROXY TCP6 1:2:3:4:5:6:7::8", 27},
        {"PROXY TCP6 ::1:2:3:4:5:6:7:", 27},
        {"PROXY TCP6 1:2:3:4:5:6:7 ", 25},
        {"PROXY TCP6 1:2:3: ", 18},
        {"PROXY TCP6 ::ffff:256.", 22},
        {"PROXY TCP6 ::ffff:1a.", 21},
        {"PROXY TCP6 ::ffff:1.2.3 ", 24},
        {"PROXY TCP6 ::ffff:1.2.3.4:", 26},
        {"PROXY TCP6 ::.", 14},
        {"PROXY TCP6 1:2:3:4:5:1.", 23},
        {"PROXY TCP6 1:2:3:4:5:6:7:1.", 27},
        {"PROXY TCP6 1:2:3:4:5:6::1.", 26},
        /* ports */
        {PORTS " ", 28},
        {PORTS "00", 29},
        {PORTS "08", 29},
        {PORTS "+1", 28},
        {PORTS "-1", 28},
        {PORTS "65536", 32},
        {PORTS "100000", 33},
        {PORTS "80\r\n", 30},
        {PORTS "80  ", 31},
        {PORTS "80 \r", 31},
        {PORTS "80 x", 31},
        {PORTS "80 443\n", 34},
        {PORTS "80 443 ", 34},
        {PORTS "80 443\r\r", 35},
        /* lines that are not read */
        {"PROXY UNKNOWM", 13},
        {"PROXY UNKNOWNS", 14},
        {"PROXY UNKNOWN\n", 14},
        {"PROXY UNKNOWN\r ", 15},
        {"PROXY UNKNOWN a\n", 16},
        {"PROXY UNKNOWN a\rb", 17},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        expect_bad(ROWS[i].row, ROWS[i].at);
}

Test(proxy_header, refuses_a_line_of_108_bytes)
{
    char row[200];
    struct proxy_header header;

    for (int filling = 91; filling <= 92; filling++) {
        int len = snprintf(row, sizeof(row), "PROXY UNKNOWN %0*d\r\n", filling, 0);
        bool is_good = len == 107;
        cr_expect_eq(read_front(str_of(row), (size_t)len, &header),
                     is_good ? PROXY_HEADER_DONE : PROXY_HEADER_BAD);
        cr_expect_eq(read_front(str_of(row), 105, &header), PROXY_HEADER_MORE);
        cr_expect_eq(read_front(str_of(row), 106, &header),
                     is_good ? PROXY_HEADER_MORE : PROXY_HEADER_BAD);
    }
}

Test(proxy_header, refuses_binaries_with_the_first_wrong_byte)
{
    static const struct bad ROWS[] = {
        {"#0d0d", 2},
        {"#0d0a0d0a0d", 5},
        {"#0d0a0d0a000d0a515549540d", 12},
        {SIGNATURE "11 11 000c", 13},
        {SIGNATURE "31 11 000c", 13},
        {SIGNATURE "22 11 000c", 13},
        {SIGNATURE "2f 11 000c", 13},
        {SIGNATURE "21 41 000c", 14},
        {SIGNATURE "21 13 000c", 14},
        {SIGNATURE "21 ff 000c", 14},
        /* longer than 4096 bytes */
        {SIGNATURE "21 11 0ff1", 16},
        {SIGNATURE "21 11 1000", 15},
        {SIGNATURE "20 00 ffff", 15},
        /* addresses that do not fit in */
        {SIGNATURE "21 11 0000", 16},
        {SIGNATURE "21 11 000b", 16},
        {SIGNATURE "21 12 000b", 16},
        {SIGNATURE "21 21 0023", 16},
        {SIGNATURE "21 22 000c", 16},
        {SIGNATURE "21 31 00d7", 16},
        /* vectors that do not: without a length, longer than the header */
        {SIGNATURE "21 11 000d", 16},
        {SIGNATURE "21 11 000e", 16},
        {SIGNATURE "21 11 000f" FROM_V4 "01 0001", 31},
        {SIGNATURE "21 11 000f" FROM_V4 "01 0100", 30},
        {SIGNATURE "21 11 0014" FROM_V4 "01 0004 00000000", 31},
        {SIGNATURE "21 11 0014" FROM_V4 "01 0006 00000000", 31},
        {SIGNATURE "21 11 0013" FROM_V4 "04 0000 04 0002 00", 34},
        {SIGNATURE "21 12 000f" FROM_V4 "01 0001", 31},
        {SIGNATURE "21 31 00db" UNIX "01 0001", 235},
        /* PP2_TYPE_SSL: too short; what is in it does not fit in */
        {SIGNATURE "21 11 0013" FROM_V4 "20 0004 01000000", 31},
        {SIGNATURE "21 11 000f" FROM_V4 "20 0000", 31},
        {SIGNATURE "21 11 0015" FROM_V4 "20 0006 01 00000000 21", 31},
        {SIGNATURE "21 11 0018" FROM_V4 "20 0009 01 00000000 21 0002 54", 39},
        {SIGNATURE "21 11 001b" FROM_V4 "20 0008 01 00000000 21 0001 04 0000", 39},
        /* PP2_TYPE_CRC32C: of another length, twice, and wrong */
        {SIGNATURE "21 11 0012" FROM_V4 "03 0003 000000", 31},
        {SIGNATURE "21 11 0014" FROM_V4 "03 0005 0000000000", 31},
        {SIGNATURE "21 11 001a" FROM_V4 "03 0004 00000000 03 0004 00000000", 38},
        {SIGNATURE "21 11 0013" FROM_V4 "03 0004 00000000", 35},
        {SIGNATURE
         "2121002b00000000000000000000000000000001000000000000000000000000000000018d2046ae"
         "0300049afab79a",
         59},
    };
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++)
        expect_bad(ROWS[i].row, ROWS[i].at);
}

Test(proxy_header, takes_a_header_of_4096_bytes)
{
    struct buf bytes = BUF_EMPTY;
    struct proxy_header header;

    load(SIGNATURE "21 11 0ff0" FROM_V4 "04 0fe1", &bytes);
    while (buf_len(&bytes) < PROXY_HEADER_MAX_BYTES)
        buf_append_str(&bytes, STR("."));
    cr_expect_eq(read_front(buf_str(&bytes), PROXY_HEADER_MAX_BYTES - 1, &header),
                 PROXY_HEADER_MORE);
    cr_expect_eq(read_front(buf_str(&bytes), PROXY_HEADER_MAX_BYTES, &header), PROXY_HEADER_DONE);
    cr_expect_eq(header.len, PROXY_HEADER_MAX_BYTES);
    buf_deinit(&bytes);
}

/* However the bytes come: MORE, and then one answer that stays. */
static void expect_one_answer(struct str bytes)
{
    struct proxy_header whole;
    struct proxy_header header;
    enum proxy_header_state answer = read_front(bytes, bytes.len, &whole);
    bool is_answered = false;

    for (size_t len = 0; len < bytes.len; len++) {
        enum proxy_header_state state = read_front(bytes, len, &header);
        cr_assert(state == answer || (state == PROXY_HEADER_MORE && !is_answered));
        cr_assert(state != PROXY_HEADER_DONE || header.len == whole.len);
        is_answered = state != PROXY_HEADER_MORE;
    }
}

static void change_each_byte(const char *row)
{
    static const unsigned char OTHERS[] = {'\0', 1,   2,   '\n', '\r', ' ',
                                           '.',  '0', '9', ':',  'F',  255};
    struct buf bytes = BUF_EMPTY;

    load(row, &bytes);
    for (size_t at = 0; at < buf_len(&bytes); at++) {
        char *byte = bytes.data + bytes.start + at;
        char right = *byte;
        for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
            *byte = (char)OTHERS[i];
            expect_one_answer(buf_str(&bytes));
        }
        *byte = right;
    }
    buf_deinit(&bytes);
}

Test(proxy_header, gives_one_answer_whatever_byte_is_wrong)
{
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++)
        change_each_byte(LINES[i].row);
    for (size_t i = 0; i < ARRAY_LEN(BINARIES); i++)
        change_each_byte(BINARIES[i].row);
}
