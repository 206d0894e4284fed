/*
 * hook.h - asks a URL of the operator's whether a plan may go on: a POST with a small JSON body, and
 * any 2xx is a yes.
 *
 * A connection of its own on the control loop; redirects are not followed, https:// is verified
 * against the system's authorities. One answer within HOOK_TIMEOUT_MS, or it counts as no. A URL may
 * hold a secret: nothing but its scheme and host is ever told, in events or the log.
 */
#ifndef CONTROL_HOOK_H
#define CONTROL_HOOK_H

#include <uv.h>

#include "base/error.h"
#include "base/str.h"

#define HOOK_TIMEOUT_MS   10000
#define HOOK_DETAIL_BYTES 128

struct hook;

/* `yes`: it answered 2xx. `detail` in a few words: "status 200", "status 503", "connection refused",
 * "no answer within 10 s". Called once, never from within hook_ask; the hook is gone after it. */
typedef void (*hook_cb)(void *data, bool yes, const char *detail);

/* `url` (http:// or https://) and `body` (sent as application/json) are copied. */
struct hook *hook_ask(uv_loop_t *loop, struct str url, struct str body, hook_cb on_answer,
                      void *data);

/* The same with another time to wait, for tests. */
struct hook *hook_ask_within(uv_loop_t *loop, struct str url, struct str body, uint64_t timeout_ms,
                             hook_cb on_answer, void *data);

/* Nobody waits for the answer any more: the callback will not come. Its handles close as the loop
 * runs on. */
void hook_cancel(struct hook *hook);

/* "https://example.org" of a URL, for people; a view of it. */
struct str hook_place(struct str url);

#endif
