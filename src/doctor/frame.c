/*
 * frame.c - head (2, 4 or 10 bytes; servers do not mask) -> payload, whose beginning is kept.
 */
#include "doctor/frame.h"

#include "base/check.h"

/* The mask of a frame of ours. It hides nothing from anybody (RFC 6455 10.3): it keeps scripts from
 * choosing the bytes on the wire, and there is no script here. */
static const unsigned char MASK[4] = {0x37, 0xfa, 0x21, 0x3d};

static unsigned head_needed(const struct frame_reader *reader)
{
    if (reader->head_len < 2)
        return 2;
    switch (reader->head[1] & 0x7f) {
    case 126:
        return 4;
    case 127:
        return 10;
    default:
        return 2;
    }
}

static void begin_payload(struct frame_reader *reader)
{
    uint64_t len = reader->head[1] & 0x7f;

    if (reader->head_len > 2) {
        len = 0;
        for (unsigned i = 2; i < reader->head_len; i++)
            len = len << 8 | reader->head[i];
    }
    reader->frame = (struct frame){.kind = reader->head[0] & 0x0f};
    reader->left = len;
    reader->in_payload = true;
}

static void take_payload(struct frame_reader *reader, struct str *data)
{
    size_t size = reader->left < data->len ? (size_t)reader->left : data->len;
    size_t room = FRAME_KEPT_BYTES - reader->frame.len;
    size_t kept = size < room ? size : room;

    if (kept > 0)
        memcpy(reader->frame.payload + reader->frame.len, data->data, kept);
    reader->frame.len += (unsigned)kept;
    reader->left -= size;
    *data = str_slice(*data, size, data->len);
}

bool frame_read(struct frame_reader *reader, struct str *data, struct frame *frame)
{
    while (data->len > 0 && !reader->in_payload) {
        reader->head[reader->head_len++] = (unsigned char)data->data[0];
        *data = str_slice(*data, 1, data->len);
        if (reader->head_len == head_needed(reader))
            begin_payload(reader);
    }
    if (!reader->in_payload)
        return false;
    take_payload(reader, data);
    if (reader->left > 0)
        return false;
    *frame = reader->frame;
    reader->in_payload = false;
    reader->head_len = 0;
    return true;
}

void frame_write(struct buf *out, enum frame_kind kind, struct str payload)
{
    CHECK(payload.len <= FRAME_KEPT_BYTES);
    buf_append_char(out, (char)(0x80 | kind));
    buf_append_char(out, (char)(0x80 | payload.len));
    buf_append(out, MASK, sizeof(MASK));
    for (size_t i = 0; i < payload.len; i++)
        buf_append_char(out, (char)(payload.data[i] ^ MASK[i % sizeof(MASK)]));
}

unsigned frame_close_code(const struct frame *frame)
{
    if (frame->len < 2)
        return 1005;
    return (unsigned)(unsigned char)frame->payload[0] << 8 | (unsigned char)frame->payload[1];
}
