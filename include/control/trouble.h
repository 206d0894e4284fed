/*
 * trouble.h - what broke a connection to somebody, in words for people. For checks and hooks.
 */
#ifndef CONTROL_TROUBLE_H
#define CONTROL_TROUBLE_H

#include "net/stream.h"

#define TROUBLE_BYTES 128

/* `status` (UV_E*) is what on_connect or on_read brought; `is_shaking`: TCP was there, TLS was not. */
void trouble_describe(const struct stream *stream, int status, bool is_shaking,
                      char text[TROUBLE_BYTES]);

#endif
