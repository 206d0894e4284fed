/*
 * pen.h - writes a head from a received one: a cursor in room that was reserved once.
 *
 * Used by forward only. The room must hold the longest possible outcome (pen_received_bytes, and
 * what is added), so that nothing here checks for space; pen_close checks the sum. Received lines
 * that are kept and stand side by side are copied as one run.
 */
#ifndef HTTP_PEN_H
#define HTTP_PEN_H

#include "http/message.h"

struct pen {
    struct buf *out;     /* borrowed: from the caller */
    char *at;            /* where the next byte goes */
    const char *run;     /* received lines that are kept and not copied yet; NULL: none */
    const char *run_end; /* behind them */
    size_t held;         /* bytes in `out` before, */
    size_t bound;        /* and how many may be added */
};

void pen_open(struct pen *pen, struct buf *out, size_t bound);

/* Commits what was written. */
void pen_close(struct pen *pen);

static inline void pen_put(struct pen *pen, struct str s)
{
    if (s.len > 0) {
        memcpy(pen->at, s.data, s.len);
        pen->at += s.len;
    }
}

#define PEN_PUT(pen, literal) pen_put(pen, STR(literal))

void pen_put_u64(struct pen *pen, uint64_t number);

/* "Name: value\r\n", a line that is not the received head's. */
void pen_line(struct pen *pen, struct str name, struct str value);

/* Keeps a received line, as it stands if it stands in the usual form. */
void pen_keep(struct pen *pen, const struct field *field);

/* Copies the lines kept so far: before anything else is put behind them. */
void pen_flush(struct pen *pen);

/*
 * For functions that append to a buf: between the two calls `out` holds all that was put, and may
 * grow by what the bound counts for it.
 */
void pen_lend(struct pen *pen);
void pen_take_back(struct pen *pen);

/* From the first byte of the received head to the end of its last field. */
size_t pen_received_bytes(const struct message *message);

/* "Via: theirs, 1.1 ours": one line, however many came in. */
void pen_via(struct pen *pen, const struct message *message, struct str ours);

void pen_content_length(struct pen *pen, uint64_t length);

/*
 * The names in Connection that are fields of somebody else's connection. Fields that have an id are
 * forward's own business, so that Connection cannot remove Host, Cookie or X-Forwarded-For.
 */
#define NAMED_MAX 128
struct named {
    struct str item[NAMED_MAX];
    unsigned count;
};

/* Names beyond NAMED_MAX are passed over: to leave their fields in hurts only their sender. */
void named_collect(struct named *named, const struct message *message);
bool named_has(const struct named *named, struct str name);

#endif
