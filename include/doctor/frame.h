/*
 * frame.h - WebSocket frames (RFC 6455 5), as far as a client that has nothing to say needs them:
 * to answer pings, and to see that the other end closes. Pure functions of bytes.
 */
#ifndef DOCTOR_FRAME_H
#define DOCTOR_FRAME_H

#include "base/buf.h"

/* What a client sends as Sec-WebSocket-Key, and what must come back for it: the example of
 * RFC 6455 1.3. */
#define FRAME_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define FRAME_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum frame_kind { FRAME_TEXT = 1, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

/* All of a control frame's payload; of others the beginning. */
#define FRAME_KEPT_BYTES 125

struct frame {
    unsigned kind; /* of enum frame_kind, or another opcode */
    char payload[FRAME_KEPT_BYTES];
    unsigned len; /* of `payload` */
};

/* Zeroed at first. */
struct frame_reader {
    unsigned char head[10];
    unsigned head_len;
    uint64_t left; /* payload bytes to come */
    bool in_payload;
    struct frame frame; /* that is being read */
};

/*
 * Takes bytes off the front of `data`. True: `frame` is one that is whole now, and there may be
 * more in `data`. False: all of `data` is taken.
 */
bool frame_read(struct frame_reader *reader, struct str *data, struct frame *frame);

/* Appends a client's frame with at most FRAME_KEPT_BYTES of payload. */
void frame_write(struct buf *out, enum frame_kind kind, struct str payload);

/* The code of a close frame; 1005 when it has none (RFC 6455 7.4.1). */
unsigned frame_close_code(const struct frame *frame);

#endif
