/*
 * writer.h - framing of what leaves: chunk sizes, and the heads of answers that are made here.
 */
#ifndef HTTP_WRITER_H
#define HTTP_WRITER_H

#include <sys/uio.h>

#include "http/parser.h"

/* What must stand around one batch of slices: "1a2b\r\n" in front, "\r\n" behind. */
#define WRITER_CHUNK_BYTES 24

/* I/O vectors that writer_body fills: the slices, one in front and one behind. */
#define WRITER_IOV_MAX (SLICES_MAX + 2)

/*
 * Fills `iov` with what sends `slices` in the framing `body`: as one chunk when chunked, however
 * the sender had cut it; as they are otherwise. `last` ends the body (0-chunk when chunked).
 * `chunk` is scratch for the size line and must live until the vectors are written. Returns the
 * number of vectors, 0 when nothing is to be sent.
 */
unsigned writer_body(enum body_kind body, const struct slices *slices, bool last,
                     char chunk[WRITER_CHUNK_BYTES], struct iovec iov[WRITER_IOV_MAX]);

/* The standard reason phrase, "Unknown" for others. */
struct str writer_reason(unsigned status);

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7) and its NUL. */
#define WRITER_DATE_BYTES 30
void writer_date(uint64_t wall_ms, char text[WRITER_DATE_BYTES]);

struct writer_field {
    const char *name;
    struct str value;
};

/*
 * Appends a whole answer made here: status line, Date, the given fields, Content-Type,
 * Content-Length, Connection (close unless keep_alive) and, unless `head_only`, the content.
 */
void writer_answer(unsigned status, const struct writer_field *fields, unsigned field_count,
                   struct str content_type, struct str content, bool keep_alive, bool head_only,
                   struct buf *out);

#endif
