/*
 * answer.h - one answer of a server: its head is kept, its body only counted. Pure: bytes go in, in
 * whatever pieces.
 *
 * Interim answers (1xx) are passed over, but for 101, which ends HTTP. The message's views point
 * into `head`; an answer must not move in memory once it was fed.
 */
#ifndef DOCTOR_ANSWER_H
#define DOCTOR_ANSWER_H

#include "http/parser.h"

/* More than the proxy takes by default, so that an answer that it would refuse can be described. */
#define ANSWER_HEAD_MAX (256 * 1024)
#define ANSWER_FIELDS   512

enum answer_state {
    ANSWER_HEAD = 0, /* the head is not all there; message.status is 0 */
    ANSWER_BODY,
    ANSWER_DONE,
    ANSWER_BAD, /* `trouble` says what is wrong */
};

struct answer {
    enum answer_state state;
    struct buf head; /* owned */
    size_t searched;
    struct parser parser;
    struct message message;
    size_t head_bytes;
    uint64_t body_bytes;
    const char *trouble; /* static */
};

void answer_init(struct answer *answer);
void answer_deinit(struct answer *answer);

/* Takes what belongs to the answer off the front of `data` and returns how much that was: all of
 * it, unless the answer is done or bad. */
size_t answer_feed(struct answer *answer, struct str data);

/* The connection has ended: completes a body that has no other end. */
void answer_end(struct answer *answer);

static inline bool answer_has_head(const struct answer *answer)
{
    return answer->message.status != 0;
}

/* The value of its first field of this name, or empty. */
struct str answer_field(const struct answer *answer, struct str name);

/* "text/html" of "text/html; charset=utf-8"; empty: it has none. */
struct str answer_type(const struct answer *answer);

/* How long it says that the connection may stay idle (Keep-Alive: timeout=N); 0: it does not. */
uint64_t answer_keep_alive_s(const struct answer *answer);

/* When it was made, by its Date and Age, in Unix time; 0: it does not say, or not rightly. */
int64_t answer_date_s(const struct answer *answer);

#endif
