/*
 * parser.h - bytes to messages: llhttp behind two calls, one for the head and one for the body.
 *
 * The head is only parsed when all of it is there (parser_find_head), in one piece, so that the
 * strict reader sees the raw bytes and every view in the message is one piece. The body is then fed
 * as it comes; what belongs to it is given back as slices of the very bytes that were fed, with any
 * chunked framing taken off, so that a body is never copied here.
 *
 *     parser_find_head -> parser_head -> parser_body ... -> PARSE_DONE -> parser_reset
 *
 * A parser that has said PARSE_BAD stays bad: answer, close, and never feed it again.
 */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include <llhttp.h>

#include "http/chunks.h"
#include "http/message.h"
#include "http/strict.h"

enum parse_result { PARSE_DONE = 0, PARSE_MORE, PARSE_BAD };

enum parser_kind { PARSER_REQUEST = 0, PARSER_RESPONSE };

/* Pieces of a body, in order. */
#define SLICES_MAX 32
struct slices {
    struct str item[SLICES_MAX];
    unsigned count;
    size_t bytes; /* of all items */
};

struct parser {
    llhttp_t llhttp;
    struct message *message; /* borrowed: while parser_head runs */
    struct slices *slices;   /* borrowed: while parser_body runs */
    enum strict_fault fault; /* why PARSE_BAD */
    enum parser_kind kind;
    enum body_kind body;  /* of the message whose head was parsed */
    bool head_only;       /* response: no body follows (HEAD, 1xx, 204, 304) */
    bool has_head;        /* parser_head succeeded */
    bool is_complete;     /* nothing of the message is to come */
    unsigned raw_status;  /* as the digits say, to compare */
    struct chunks chunks; /* chunked: what the second reader thinks */
    uint64_t overhead;    /* chunked: bytes of framing so far */
    uint64_t payload;     /* bytes of body so far */
};

/* Feeds llhttp two known smuggling inputs; false when it accepts one: do not run with it. */
bool parser_self_test(void) MUST_CHECK;

void parser_init(struct parser *parser, enum parser_kind kind);

/* Ready for the next head on the same connection. */
void parser_reset(struct parser *parser);

/*
 * Length of the head at the front of `data`, through its empty line, or 0 when its end is not there
 * yet. `searched` says how much an earlier call has seen already (0 at first) and is moved on.
 * A bare LF LF also ends it, and so does whatever follows LF CR, or a first byte that cannot begin
 * a head: the strict reader then refuses it at once, instead of waiting for an empty line. A CRLF
 * in front counts as part of the head; parser_head skips one.
 */
size_t parser_find_head(struct str data, size_t *searched);

/*
 * Parses one whole head. PARSE_DONE: the message is filled, body kind and all. PARSE_BAD: fault
 * says why (STRICT_FIELDS: 431; STRICT_METHOD: 501; else 400 for a request, 502 for a response). A
 * response is parsed for the request method it answers: `head_request` is true for HEAD.
 */
enum parse_result parser_head(struct parser *parser, struct str head, struct message *message,
                              bool head_request);

/*
 * Feeds body bytes. `*used` is how many were eaten; `slices` (emptied first) holds what of them is
 * body. PARSE_DONE: the body is complete, bytes behind `*used` belong to what comes next.
 * PARSE_MORE with *used < data.len: the slices are full, call again. PARSE_BAD: broken chunk
 * framing, or framing out of all proportion to the body (overhead above 64 KiB and above 16 times
 * the payload). Must not be called for a message without a body.
 */
enum parse_result parser_body(struct parser *parser, struct str data, size_t *used,
                              struct slices *slices);

/* The connection ended: PARSE_DONE when that completes the message (BODY_UNTIL_EOF), else
 * PARSE_BAD. */
enum parse_result parser_eof(struct parser *parser);

#endif
