/*
 * chunks.h - the second reader of chunked bodies (RFC 9112 7.1): what strict is for heads.
 *
 *     5 ;ext=value CRLF  hello CRLF  ...  0 CRLF  Trailer: x CRLF  CRLF
 *     `  `-skipped            `- pieces           `- judged, dropped later
 *      `- all else goes to llhttp, and both must agree on it
 *
 * Reads the framing byte by byte and passes over the data. Tightened: a size is 1 to 16 hex digits
 * and below 10^18; extensions are `;name`, `;name=token` or `;name="quoted"`, without blanks, and
 * their sum in one body is bounded; every line ends in CRLF; a trailer is a token, a colon and a
 * plain value, is not folded, and none says where the message ends or whose it is (Content-Length,
 * Transfer-Encoding, Host); all trailers of a body are bounded. Extensions are kept from llhttp,
 * which takes too many of them and refuses legal ones.
 */
#ifndef HTTP_CHUNKS_H
#define HTTP_CHUNKS_H

#include "base/str.h"

#define CHUNKS_EXTENSION_BYTES 4096  /* of all of a body's chunks */
#define CHUNKS_TRAILER_BYTES   16384 /* of all of a body's trailers */

struct chunks {
    uint64_t left;          /* of a chunk: its size as read so far, then what of it is to come */
    unsigned state;         /* private to chunks.c; 0 is the beginning of a body */
    unsigned digits;        /* of the size */
    unsigned extension;     /* bytes so far */
    unsigned trailer;       /* bytes so far */
    unsigned char name_len; /* of the trailer's name, as much as is of interest */
    char name[20];
};

/* What stands at the front of some bytes: a run to read, then perhaps an extension to leave out. */
struct chunks_run {
    size_t len;      /* framing and data, as they are */
    size_t skipped;  /* behind them */
    uint64_t bytes;  /* of data within len */
    unsigned pieces; /* of data within len */
};

/*
 * Goes over the front of `data`, which is not empty: to its end, to the end of an extension, to the
 * end of the body, or to where a piece of data too many would begin (`most_pieces`; with none left
 * len and skipped may both be 0). False: it is no chunked body.
 */
bool chunks_read(struct chunks *chunks, struct str data, unsigned most_pieces,
                 struct chunks_run *run) MUST_CHECK;

/* The empty line behind the last chunk has been read. */
bool chunks_is_complete(const struct chunks *chunks);

#endif
