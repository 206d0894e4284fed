/*
 * explain.c - a request as options -> JSON -> POST /v1/explain -> the decision in words.
 */
#include "cli/explain.h"

#include "cli/call.h"
#include "cli/read.h"
#include "cli/verbs.h"

/* ---- the answer ---- */

static void print_side(struct page *page, const json_t *answer, const char *side)
{
    const json_t *share = json_object_get(answer, "share");
    double refused = read_number(answer, "refused");

    page_label(page, "side");
    if (json_is_object(share) && refused < 100) {
        page_print(page, INK_PLAIN, "by draw: old %g %%, new %g %%", read_number(share, "old"),
                   read_number(share, "new"));
        if (refused > 0)
            page_print(page, INK_PLAIN, ", 503 %g %%", refused);
        if (read_bool(answer, "failover", false))
            page_print(page, INK_PLAIN, " (with failover)");
    } else if (side[0] == '\0') {
        page_print(page, INK_PLAIN, "none: no backend can take it, the answer is 503");
    } else {
        page_print(page, INK_PLAIN, "%.16s", side);
    }
    page_end(page);
}

static void print_why(struct page *page, const json_t *answer)
{
    const json_t *bucket = json_object_get(answer, "bucket");
    const char *reason = read_text(answer, "reason", "?");

    page_label(page, "reason");
    page_print(page, INK_PLAIN, "%.32s", reason);
    if (strcmp(reason, "failover") == 0)
        page_print(page, INK_PLAIN, ": its own side would be %.16s",
                   read_text(answer, "home", "by draw"));
    page_end(page);
    if (json_is_integer(bucket)) {
        double weight = read_number(answer, "weight");
        bool is_new = (double)json_integer_value(bucket) < weight * 100;

        page_label(page, "bucket");
        page_print(page, INK_PLAIN, "%04.0f, which is %s the weight of %g %%",
                   json_number_value(bucket), is_new ? "below" : "not below", weight);
        page_end(page);
    }
    page_label(page, "cookie");
    page_print(page, INK_PLAIN, "%s",
               read_bool(answer, "set_cookie", false) ? "is set" : "is left as it is");
    page_end(page);
}

bool explain_show(struct page *page, const json_t *answer)
{
    const json_t *usable = json_object_get(answer, "usable");
    const json_t *servers = json_object_get(answer, "server_candidates");

    if (!json_is_object(usable))
        return false;
    page_label(page, "route");
    page_print(page, INK_PLAIN, "%.64s", read_text(answer, "route", "?"));
    page_end(page);
    print_side(page, answer, read_text(answer, "side", ""));
    print_why(page, answer);
    page_label(page, "usable");
    page_print(page, INK_PLAIN, "old %s, new %s", read_bool(usable, "old", false) ? "yes" : "no",
               read_bool(usable, "new", false) ? "yes" : "no");
    page_end(page);
    for (size_t i = 0; i < json_array_size(servers); i++) {
        page_label(page, i == 0 ? "servers" : "");
        page_print(page, INK_PLAIN, "%s", read_item_text(servers, i));
        page_end(page);
    }
    return true;
}

static bool on_answer(const struct cli_options *options, const json_t *answer, struct page *page)
{
    (void)options;
    return explain_show(page, answer);
}

/* ---- the question ---- */

static struct str name_of(const char *header)
{
    struct str text = str_of(header);

    return str_slice(text, 0, (size_t)str_find_char(text, ':', 0));
}

static struct str value_of(const char *header)
{
    struct str text = str_of(header);

    return str_trim(str_slice(text, (size_t)str_find_char(text, ':', 0) + 1, text.len));
}

/* All values of the header whose first one is at `first`, as a list. */
static void put_header(const struct cli_list *headers, unsigned first, struct json *json)
{
    struct str name = name_of(headers->items[first]);
    char text[256];

    snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    json_array_begin(json, text);
    for (unsigned i = first; i < headers->count; i++)
        if (str_eq_nocase(name_of(headers->items[i]), name))
            json_str(json, NULL, value_of(headers->items[i]));
    json_array_end(json);
}

static bool is_repeated(const struct cli_list *headers, unsigned index)
{
    for (unsigned i = 0; i < index; i++)
        if (str_eq_nocase(name_of(headers->items[i]), name_of(headers->items[index])))
            return true;
    return false;
}

static void put_headers(const struct cli_list *headers, struct json *json)
{
    json_object_begin(json, "headers");
    for (unsigned i = 0; i < headers->count; i++)
        if (!is_repeated(headers, i))
            put_header(headers, i, json);
    json_object_end(json);
}

int verb_explain(const struct cli_options *options)
{
    const struct cli_list *headers = &options->headers;
    struct buf body = BUF_EMPTY;
    struct json json;

    for (unsigned i = 0; i < headers->count; i++)
        if (str_find_char(str_of(headers->items[i]), ':', 0) < 1)
            return usage_error(options, "-H: expected 'Name: value', got \"%s\"",
                               headers->items[i]);
    json_init(&json, &body);
    json_object_begin(&json, NULL);
    json_text(&json, "method", options->arguments[0]);
    json_text(&json, "path", options->arguments[1]);
    if (options->host != NULL)
        json_text(&json, "host", options->host);
    if (options->address != NULL)
        json_text(&json, "address", options->address);
    put_headers(headers, &json);
    json_object_end(&json);
    int code = call_api(options, "POST", "/v1/explain", &body, on_answer);
    buf_deinit(&body);
    return code;
}
