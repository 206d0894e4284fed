/*
 * call.h - what the verbs that ask the admin API share: options -> JSON body -> client -> answer, and
 * that shown, as it came (--json) or in words.
 */
#ifndef CLI_CALL_H
#define CLI_CALL_H

#include <jansson.h>

#include "base/json.h"
#include "cli/client.h"
#include "cli/page.h"

/* Puts an answer that was no refusal into words; false when it is not what it should be. */
typedef bool (*call_show_cb)(const struct cli_options *options, const json_t *answer,
                             struct page *page);

/* One call and what it answers; the exit code. `body` NULL: none. */
int call_api(const struct cli_options *options, const char *method, const char *path,
             const struct buf *body, call_show_cb show);

/* The same in two parts, for verbs that call more than once. */
bool call_ask(const struct login *login, const struct cli_options *options, const char *method,
              const char *path, const struct buf *body, struct client_answer *answer,
              struct error *error) MUST_CHECK;
int call_tell(const struct cli_options *options, const struct client_answer *answer,
              call_show_cb show);

/* There was no answer: `error` on stderr, and with --json as JSON on stdout. Returns CLI_FAILED. */
int call_failed(const struct cli_options *options, const struct error *error);

/* An object with the --reason in it; more members, then json_object_end. */
void call_body_begin(const struct cli_options *options, struct buf *body, struct json *json);

/* Whether --if-match can stand in a header: a number, as status shows it. Else: told, CLI_USAGE. */
bool call_if_match_is_right(const struct cli_options *options);
int call_bad_if_match(const struct cli_options *options);

#endif
