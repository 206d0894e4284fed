#include "doctor/frame.h"

#include <criterion/criterion.h>

static struct frame_reader reader;
static struct frame frame;

static bool read_one(const char *bytes, size_t len)
{
    struct str data = str_from(bytes, len);
    bool whole = frame_read(&reader, &data, &frame);

    cr_expect_eq(data.len, 0);
    return whole;
}

Test(frame, a_ping_with_payload)
{
    cr_assert(read_one("\x89\x02hi", 4));
    cr_expect_eq(frame.kind, FRAME_PING);
    cr_expect(str_eq(str_from(frame.payload, frame.len), STR("hi")));
}

Test(frame, an_empty_frame)
{
    cr_assert(read_one("\x89\x00", 2));
    cr_expect_eq(frame.kind, FRAME_PING);
    cr_expect_eq(frame.len, 0);
}

Test(frame, byte_by_byte_and_two_in_a_row)
{
    const char bytes[] = "\x81\x03"
                         "abc\x88\x02\x03\xe9";

    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        struct str data = str_from(bytes + i, 1);
        cr_expect_eq(frame_read(&reader, &data, &frame), i == 4 || i == 8, "byte %zu", i);
    }
    cr_expect_eq(frame.kind, FRAME_CLOSE);
    cr_expect_eq(frame_close_code(&frame), 1001);
}

Test(frame, several_in_one_piece)
{
    struct str data = str_from("\x89\x00\x81\x01x", 5);

    cr_assert(frame_read(&reader, &data, &frame));
    cr_expect_eq(frame.kind, FRAME_PING);
    cr_expect_eq(data.len, 3);
    cr_assert(frame_read(&reader, &data, &frame));
    cr_expect_eq(frame.kind, FRAME_TEXT);
    cr_expect_not(frame_read(&reader, &data, &frame));
}

static void read_long(const char *head, size_t head_len, size_t payload_len)
{
    static char payload[70000];

    memset(payload, 'p', sizeof(payload));
    cr_expect_not(read_one(head, head_len));
    cr_expect_not(read_one(payload, payload_len - 1));
    cr_assert(read_one(payload, 1));
    cr_expect_eq(frame.len, FRAME_KEPT_BYTES);
    cr_assert(read_one("\x8a\x00", 2), "what follows is a frame again");
    cr_expect_eq(frame.kind, FRAME_PONG);
}

Test(frame, of_a_long_message_the_beginning_is_kept)
{
    read_long("\x82\x7e\x01\x2c", 4, 300);
    read_long("\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70", 10, 70000);
}

Test(frame, a_clients_frame_is_masked)
{
    struct buf out = BUF_EMPTY;

    frame_write(&out, FRAME_PONG, STR("hi"));
    struct str bytes = buf_str(&out);
    cr_assert_eq(bytes.len, 8);
    cr_expect_eq((unsigned char)bytes.data[0], 0x8a);
    cr_expect_eq((unsigned char)bytes.data[1], 0x82);
    cr_expect_eq(bytes.data[6] ^ bytes.data[2], 'h');
    cr_expect_eq(bytes.data[7] ^ bytes.data[3], 'i');
    buf_deinit(&out);
}

Test(frame, a_close_without_a_code)
{
    cr_assert(read_one("\x88\x00", 2));
    cr_expect_eq(frame_close_code(&frame), 1005);
}
