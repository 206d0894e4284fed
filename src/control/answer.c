/*
 * answer.c - api or admin_conn fills it -> answer_format -> the connection's `out`.
 */
#include "control/answer.h"

#include <stdio.h>

#include "http/writer.h"

void answer_refuse(struct admin_answer *answer, unsigned status, const char *code,
                   const char *message)
{
    struct json json;
    buf_clear(&answer->body);
    json_init(&json, &answer->body);
    json_object_begin(&json, NULL);
    json_object_begin(&json, "error");
    json_text(&json, "code", code);
    json_text(&json, "message", message);
    json_object_end(&json);
    json_object_end(&json);
    answer->status = status;
    answer->content_type = "application/json";
    answer->code = code;
    snprintf(answer->refusal.text, sizeof(answer->refusal.text), "%s", message);
}

/* What keeps the page to itself: it loads and asks nobody but us, runs in no frame, and takes no
 * text for markup. */
static const struct writer_field page_fields[] = {
    {"Content-Security-Policy",
     STR_INIT("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
              "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
              "require-trusted-types-for 'script'; trusted-types 'none'")},
    {"X-Frame-Options", STR_INIT("DENY")},
    {"Referrer-Policy", STR_INIT("no-referrer")},
    {"Cross-Origin-Opener-Policy", STR_INIT("same-origin")},
};

void answer_format(const struct admin_answer *answer, bool keep_alive, bool head_only,
                   struct buf *out)
{
    struct writer_field fields[12];
    unsigned count = 0;
    fields[count++] = (struct writer_field){"Cache-Control", STR("no-store")};
    fields[count++] = (struct writer_field){"X-Content-Type-Options", STR("nosniff")};
    fields[count++] = (struct writer_field){"Cross-Origin-Resource-Policy", STR("same-origin")};
    for (size_t i = 0; answer->is_page && i < ARRAY_LEN(page_fields); i++)
        fields[count++] = page_fields[i];
    if (!str_is_empty(answer->etag))
        fields[count++] = (struct writer_field){"ETag", answer->etag};
    if (answer->allow[0] != '\0')
        fields[count++] = (struct writer_field){"Allow", str_of(answer->allow)};
    if (answer->status == 401) {
        fields[count++] =
            (struct writer_field){"WWW-Authenticate", STR("Bearer realm=\"cutover\"")};
    }
    if (answer->status == 503)
        fields[count++] = (struct writer_field){"Retry-After", STR("1")};
    writer_answer(answer->status, fields, count, str_of(answer->content_type),
                  buf_str(&answer->body), keep_alive, head_only, out);
}
