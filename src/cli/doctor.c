/*
 * doctor.c - the options of `cutover doctor` as values, and its configuration; doctor/ does the
 * rest.
 */
#include "cli/doctor.h"

#include <stdio.h>

#include "base/check.h"
#include "cli/verbs.h"
#include "config/values.h"
#include "config/words.h"
#include "doctor/doctor.h"
#include "http/rewrite.h"

#define IDLE_DEFAULT_MS    70000
#define IDLE_MAX_MS        3600000
#define TIMEOUT_DEFAULT_MS 10000
#define TIMEOUT_MIN_MS     100
#define TIMEOUT_MAX_MS     600000
#define HEAD_DEFAULT_BYTES (16 * 1024)
#define HEAD_MAX_BYTES     (1024 * 1024)
#define UPLOAD_MAX_BYTES   ((uint64_t)64 * 1024 * 1024 * 1024)

/* "--NAME: expected ..., got ..." */
static bool wrong(const char *name, const char *value, const char *expected, struct error *error)
{
    return error_set(error, "--%s: %s, got \"%.80s\"", name, expected, value);
}

/* ---- values ---- */

typedef bool (*number_cb)(struct str text, uint64_t *value, struct error *error);

static bool read_number(const char *name, const char *text, number_cb read, uint64_t max,
                        uint64_t *value, struct error *error)
{
    struct error reason;

    if (text == NULL)
        return true;
    if (!read(str_of(text), value, &reason))
        return wrong(name, text, reason.text, error);
    return *value <= max || wrong(name, text, "expected less", error);
}

static bool read_word(const char *name, const char *text, word_rule_cb rule, struct str *value,
                      struct error *error)
{
    struct error reason;

    if (text == NULL)
        return true;
    *value = str_of(text);
    return rule(*value, &reason) || wrong(name, text, reason.text, error);
}

/* As browsers write it: scheme and host, nothing behind. */
static bool origin_rule(struct str text, struct error *error)
{
    struct url_parts parts;

    return (rewrite_split(text, &parts) && parts.scheme.len > 0 && parts.rest.len == 0 &&
            word_authority(parts.authority, error)) ||
           error_set(error, "expected an origin such as https://www.example.org, without a path");
}

static bool read_paths(const struct cli_options *options, struct doctor_options *doctor,
                       struct error *error)
{
    if (options->paths.count > DOCTOR_PATHS_MAX)
        return error_set(error, "at most %d paths", DOCTOR_PATHS_MAX);
    for (unsigned i = 0; i < options->paths.count; i++)
        if (!read_word("path", options->paths.items[i], word_check_path, &doctor->paths[i], error))
            return false;
    doctor->path_count = options->paths.count;
    return read_word("websocket", options->websocket, word_check_path, &doctor->websocket, error) &&
           read_word("upload-path", options->upload_path, word_check_path, &doctor->upload_path,
                     error);
}

/* ---- the user's header lines ---- */

/* What says where a message ends, or whose it is, is made here. */
static bool is_ours(struct str name)
{
    switch (field_id_of(name)) {
    case FIELD_CONNECTION:
    case FIELD_CONTENT_LENGTH:
    case FIELD_EXPECT:
    case FIELD_HOST:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE:
        return true;
    default:
        return false;
    }
}

static bool read_field(const char *text, struct buf *fields, struct error *error)
{
    struct str line = str_of(text);
    ptrdiff_t colon = str_find_char(line, ':', 0);
    struct str name = str_slice(line, 0, colon < 0 ? 0 : (size_t)colon);

    if (!word_is_token(name) || strpbrk(text, "\r\n") != NULL)
        return wrong("header", text, "expected 'NAME: VALUE'", error);
    if (is_ours(name)) {
        return error_set(error, "--header: %.*s is doctor's own business%s", STR_ARG(name),
                         field_id_of(name) == FIELD_HOST ? ": use --host" : "");
    }
    buf_printf(fields, "%.*s\r\n", STR_ARG(line));
    return true;
}

static bool read_fields(const struct cli_options *options, struct buf *fields, struct error *error)
{
    for (unsigned i = 0; i < options->headers.count; i++)
        if (!read_field(options->headers.items[i], fields, error))
            return false;
    return true;
}

/* ---- all ---- */

static bool read_options(const struct cli_options *options, struct doctor_options *doctor,
                         struct error *error)
{
    *doctor = (struct doctor_options){
        .idle_ms = IDLE_DEFAULT_MS,
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .head_bytes = HEAD_DEFAULT_BYTES,
        .is_json = options->json,
    };
    bool good =
        read_word("host", options->host, word_authority, &doctor->host, error) &&
        read_word("origin", options->origin, origin_rule, &doctor->origin, error) &&
        read_paths(options, doctor, error) &&
        read_number("idle", options->idle, value_duration, IDLE_MAX_MS, &doctor->idle_ms, error) &&
        read_number("timeout", options->timeout, value_duration, TIMEOUT_MAX_MS,
                    &doctor->timeout_ms, error) &&
        read_number("upload", options->upload, value_size, UPLOAD_MAX_BYTES, &doctor->upload_bytes,
                    error) &&
        read_number("head-bytes", options->head_bytes, value_size, HEAD_MAX_BYTES,
                    &doctor->head_bytes, error);
    if (good && doctor->timeout_ms < TIMEOUT_MIN_MS)
        return wrong("timeout", options->timeout, "expected at least 100ms", error);
    if (good && doctor->upload_path.len > 0 && doctor->upload_bytes == 0)
        return error_set(error, "--upload-path needs --upload SIZE");
    return good;
}

static struct config *load(const char *path)
{
    struct config_problems problems;
    struct buf text = BUF_EMPTY;

    config_problems_init(&problems);
    struct config *config = config_load(path, &problems);
    if (config == NULL) {
        config_problems_format(&problems, &text);
        fwrite(buf_str(&text).data, 1, buf_len(&text), stderr);
    }
    buf_deinit(&text);
    config_problems_deinit(&problems);
    return config;
}

int verb_doctor(const struct cli_options *options)
{
    struct doctor_options doctor;
    struct buf fields = BUF_EMPTY;
    struct config *config = NULL;
    struct error error;
    int code = CLI_USAGE;

    if (options->config == NULL)
        return usage_error(options, "a configuration file is needed: cutover doctor -c FILE");
    if (!read_options(options, &doctor, &error) || !read_fields(options, &fields, &error)) {
        code = usage_error(options, "%s", error.text);
    } else if ((config = load(options->config)) != NULL) {
        doctor.fields = buf_str(&fields);
        code = doctor_run(config, &doctor, stdout, &error);
        if (code == CLI_USAGE)
            code = usage_error(options, "%s", error.text);
    }
    config_unref(config);
    buf_deinit(&fields);
    return code;
}
