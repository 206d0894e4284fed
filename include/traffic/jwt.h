/*
 * jwt.h - the bucket of a client from a claim of its bearer token. Used by decide.
 *
 * The token is decoded and not verified: a forged one only picks one of two public sides.
 */
#ifndef TRAFFIC_JWT_H
#define TRAFFIC_JWT_H

#include "base/str.h"

/*
 * `authorization` is the value of the Authorization field. True when it is a bearer token whose
 * payload has a top-level claim of that name with a non-empty string or an integer; the integer 42
 * gives the same bucket as the string "42". Payloads over 8 KiB count as absent.
 */
bool jwt_bucket(struct str authorization, struct str claim, unsigned *bucket) MUST_CHECK;

#endif
