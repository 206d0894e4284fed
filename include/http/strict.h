/*
 * strict.h - the second reader: what a head must look like before llhttp's opinion counts.
 *
 * llhttp leaves things open that are used to confuse two servers about where a request ends. This
 * module reads the raw head on its own, byte by byte, knowing nothing of llhttp, and refuses what
 * it does not positively know to be right. parser_head runs both; both must agree.
 *
 * Requests (RFC 9112, tightened): every line ends in CRLF; no line starts with space or tab; names
 * are tokens; values hold no control bytes but tab; exactly `METHOD SP target SP HTTP/1.0|1.1`;
 * target in origin-form, absolute http(s) with a path and without userinfo, or `*` for OPTIONS,
 * bytes 0x21..0x7e without '#' and '\'; exactly one valid Host in 1.1 (at most one in 1.0),
 * without empty labels, equal to the authority of an absolute target (but for the scheme's own
 * port); at most one Content-Length, 1 to 18 digits; Transfer-Encoding only once, only `chunked`,
 * only in 1.1 and never with Content-Length; no CONNECT and no TRACE. Responses: the same lines,
 * names and values; `HTTP/1.0|1.1 SP 3 digits (100..999) [SP reason]`; one Content-Length;
 * Transfer-Encoding only `chunked`, never with Content-Length.
 */
#ifndef HTTP_STRICT_H
#define HTTP_STRICT_H

#include "base/str.h"

/* What is wrong: text for the answer's body and the log. */
#define STRICT_FAULTS(X)                                                           \
    X(STRICT_OK, "ok")                                                             \
    X(STRICT_LINE_END, "a line does not end in CRLF")                              \
    X(STRICT_CONTROL, "a control byte in a field value")                           \
    X(STRICT_FOLD, "a line starts with white space")                               \
    X(STRICT_NAME, "a field name is not a token followed by a colon")              \
    X(STRICT_REQUEST_LINE, "the request line is not METHOD SP target SP HTTP/1.1") \
    X(STRICT_STATUS_LINE, "the status line is malformed")                          \
    X(STRICT_VERSION, "the HTTP version is not 1.0 or 1.1")                        \
    X(STRICT_METHOD, "the method is not known here")                               \
    X(STRICT_TARGET, "the request target is malformed")                            \
    X(STRICT_HOST, "Host is missing, repeated, malformed or not the target's")     \
    X(STRICT_LENGTH, "Content-Length is malformed or repeated")                    \
    X(STRICT_CODING, "Transfer-Encoding is not exactly chunked")                   \
    X(STRICT_FRAMING, "both Content-Length and Transfer-Encoding")                 \
    X(STRICT_FIELDS, "too many header fields")                                     \
    X(STRICT_CHUNK, "the body is cut short or its chunks are malformed")           \
    X(STRICT_DISAGREE, "the head can be read in two ways")

enum strict_fault {
#define X(id, text) id,
    STRICT_FAULTS(X)
#undef X
};

const char *strict_fault_text(enum strict_fault fault);

/* `head` is the whole head through its empty line. `max_fields` bounds the field lines. */
enum strict_fault strict_request(struct str head, unsigned max_fields);
enum strict_fault strict_response(struct str head, unsigned max_fields);

/* The first line alone, of a head that is not whole yet: STRICT_OK also when it has not ended. */
enum strict_fault strict_request_line(struct str front);

#endif
