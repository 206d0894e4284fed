/*
 * fuzz_chunked.c - a chunked body: read whole, read in pieces, written anew and read again.
 *
 *     bytes -> parser_body -> payload -> writer_body -> bytes -> parser_body -> the same payload
 */
#include "fuzz.h"
#include "http/writer.h"

/* What is out of proportion is judged call by call: beyond this a cut makes a difference. */
#define INPUT_MAX 65536

static struct message message;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    message_init(&message, 8);
    return 0;
}

struct reading {
    enum parse_result result;
    size_t used;
    struct buf payload;
    struct buf written; /* framed anew, as it would go on */
};

static void deinit(struct reading *reading)
{
    buf_deinit(&reading->payload);
    buf_deinit(&reading->written);
}

static void write_on(struct reading *reading, const struct slices *slices)
{
    char chunk[WRITER_CHUNK_BYTES];
    struct iovec iov[WRITER_IOV_MAX];
    unsigned count = writer_body(BODY_CHUNKED, slices, reading->result == PARSE_DONE, chunk, iov);

    CHECK(count <= WRITER_IOV_MAX);
    for (unsigned i = 0; i < count; i++)
        buf_append(&reading->written, iov[i].iov_base, iov[i].iov_len);
}

static struct reading read_chunked(struct str data, struct dice *dice, unsigned byte_by_byte)
{
    static const struct str head =
        STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    struct reading reading = {.result = PARSE_MORE};
    struct parser parser;

    parser_init(&parser, PARSER_REQUEST);
    CHECK(parser_head(&parser, head, &message, false) == PARSE_DONE);
    while (reading.result == PARSE_MORE && reading.used < data.len) {
        size_t left = data.len - reading.used;
        size_t len = byte_by_byte ? 1 : dice == NULL ? left : dice_piece(dice, left);
        char *piece = copy_of(str_from(data.data + reading.used, len));
        struct slices slices;
        size_t used;
        reading.result = parser_body(&parser, str_from(piece, len), &used, &slices);
        size_t bytes = 0;
        for (unsigned i = 0; i < slices.count; i++) {
            CHECK(slices.item[i].data >= piece && slices.item[i].len > 0 &&
                  slices.item[i].data + slices.item[i].len <= piece + len);
            buf_append_str(&reading.payload, slices.item[i]);
            bytes += slices.item[i].len;
        }
        CHECK(used <= len && slices.bytes == bytes && bytes <= used);
        CHECK(reading.result != PARSE_MORE || used == len || slices.count == SLICES_MAX);
        if (reading.result != PARSE_BAD)
            write_on(&reading, &slices);
        reading.used += used;
        mem_free(piece);
    }
    if (reading.result == PARSE_MORE)
        CHECK(parser_eof(&parser) == PARSE_BAD);
    return reading;
}

static void expect_same(const struct reading *a, const struct reading *b)
{
    CHECK(a->result == b->result);
    /* What comes in front of a fault may be told or not. */
    if (a->result == PARSE_BAD)
        return;
    CHECK(a->used == b->used);
    CHECK(str_eq(buf_str(&a->payload), buf_str(&b->payload)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = input_of(data, size);
    struct dice dice = dice_of(input);

    if (size == 0 || size > INPUT_MAX)
        return 0;
    struct reading whole = read_chunked(input, NULL, false);
    struct reading cut = read_chunked(input, &dice, false);
    struct reading bytes = read_chunked(input, NULL, true);
    expect_same(&whole, &cut);
    expect_same(&whole, &bytes);
    if (whole.result == PARSE_DONE) {
        struct reading again = read_chunked(buf_str(&cut.written), &dice, false);
        CHECK(again.result == PARSE_DONE && again.used == buf_len(&cut.written));
        CHECK(str_eq(buf_str(&again.payload), buf_str(&whole.payload)));
        deinit(&again);
    }
    deinit(&whole);
    deinit(&cut);
    deinit(&bytes);
    return 0;
}
