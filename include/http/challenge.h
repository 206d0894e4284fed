/*
 * challenge.h - where a certificate authority asks for the proof that a name is ours (RFC 8555 8.3,
 * HTTP-01). Paths only; who has the file reads it.
 */
#ifndef HTTP_CHALLENGE_H
#define HTTP_CHALLENGE_H

#include "base/str.h"

#define CHALLENGE_FOLDER "/.well-known/acme-challenge/"

/* An authority's tokens are some forty bytes. */
#define CHALLENGE_TOKEN_MAX 128

/*
 * False: `path` (as received, without the query) is not below the folder, and nothing is set. True:
 * `*token` is what stands behind it, 1 to 128 bytes of [A-Za-z0-9_-] (base64url, and so the name of
 * one file in one folder, whatever the client sent); empty when it is anything else.
 */
bool challenge_token(struct str path, struct str *token) MUST_CHECK;

#endif
