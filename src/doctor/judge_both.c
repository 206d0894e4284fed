/*
 * judge_both.c - the same question to both sides: are the answers alike?
 */
#include <inttypes.h>
#include <stdlib.h>

#include "doctor/judge.h"
#include "http/rewrite.h"

#define CLOCK_WARN_S 5
#define CLOCK_FAIL_S 60

/* Pages carry times, tokens and names: sizes this near are the same, however small they are. */
#define SIZE_SLACK_BYTES 64

static const struct answer *answer_of(const struct asked *asked)
{
    return &asked->call->answers[0];
}

static unsigned status_of(const struct asked *asked)
{
    return answer_of(asked)->message.status;
}

static bool is_good(unsigned status)
{
    return status >= 200 && status < 300;
}

/* ---- pages ---- */

static bool are_sizes_alike(uint64_t a, uint64_t b)
{
    uint64_t larger = a > b ? a : b, smaller = a > b ? b : a;

    return larger - smaller <= larger / 10 || larger - smaller <= SIZE_SLACK_BYTES;
}

static bool is_whole(const struct asked *asked)
{
    return asked->call->fault == CALL_FINE && asked->call->answered > 0;
}

/* Where a redirect leads, without the names of hosts, which may differ. */
static struct str redirect_path(const struct asked *asked)
{
    struct str location = answer_field(answer_of(asked), STR("Location"));
    struct url_parts parts;
    struct str path = rewrite_split(location, &parts) ? parts.rest : location;
    ptrdiff_t mark = str_find_char(path, '?', 0);

    return mark < 0 ? path : str_slice(path, 0, (size_t)mark);
}

static void put_answer(struct finding *finding, const struct asked *asked)
{
    const struct answer *answer = answer_of(asked);
    struct str type = answer_type(answer);

    if (!call_has_answer(asked->call)) {
        finding_add(finding, "%s", asked->call->trouble);
        return;
    }
    finding_add(finding, "%u", answer->message.status);
    if (answer->message.status / 100 == 3) {
        struct str path = str_slice(redirect_path(asked), 0, 80);
        finding_add(finding, " to %.*s", STR_ARG(path));
        return;
    }
    finding_add(finding, "%s%.*s", type.len > 0 ? " " : "", STR_ARG(str_slice(type, 0, 64)));
    if (is_whole(asked))
        finding_add(finding, " %" PRIu64 " byte%s", answer->body_bytes,
                    answer->body_bytes == 1 ? "" : "s");
}

static void put_both(struct finding *finding, const struct asked *a, const struct asked *b)
{
    finding_add(finding, "old ");
    put_answer(finding, a);
    finding_add(finding, "; new ");
    put_answer(finding, b);
}

/* Two answers with the same status; NULL: alike enough. */
static const char *page_difference(const struct asked *a, const struct asked *b)
{
    const struct answer *one = answer_of(a), *other = answer_of(b);

    if (status_of(a) / 100 == 3) {
        return str_eq(redirect_path(a), redirect_path(b))
                   ? NULL
                   : "They lead to different places: look which is right";
    }
    if (!is_good(status_of(a)))
        return NULL; /* whoever writes the page of an error */
    if (!str_eq_nocase(answer_type(one), answer_type(other)))
        return "The types differ: look whether it is the same build, with the same settings";
    if (is_whole(a) && is_whole(b) && !are_sizes_alike(one->body_bytes, other->body_bytes))
        return "The sizes differ by more than 10 %: look whether it is the same build, with the "
               "same data";
    return NULL;
}

void judge_compare(struct finding *finding, const struct asked *a, const struct asked *b)
{
    const char *todo = NULL;

    finding_say(finding, RESULT_OK, "GET %.*s: ", STR_ARG(a->path));
    if (status_of(a) != status_of(b) || status_of(a) == 0) {
        finding->result = RESULT_FAIL;
        todo = "The same request must get the same status: look at the side that is wrong";
    } else if (a->call->fault != b->call->fault) {
        finding->result = RESULT_FAIL;
        todo = "One of the two breaks off within the body: look at its log";
    } else if ((todo = page_difference(a, b)) != NULL) {
        finding->result = RESULT_WARN;
    }
    put_both(finding, a, b);
    if (todo != NULL)
        finding_advise(finding, "%s", todo);
}

/* ---- CORS ---- */

static const struct str LISTS[] = {
    STR_INIT("Access-Control-Allow-Methods"),
    STR_INIT("Access-Control-Allow-Headers"),
};
static const struct str VALUES[] = {
    STR_INIT("Access-Control-Allow-Origin"),
    STR_INIT("Access-Control-Allow-Credentials"),
};

static bool is_within(struct str list, struct str other)
{
    struct str part;

    while (str_next_part(&list, ',', &part))
        if (part.len > 0 && !str_list_has(other, part))
            return false;
    return true;
}

/* The first header in which two preflights differ, or empty. */
static struct str difference(const struct answer *a, const struct answer *b)
{
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++)
        if (!str_eq(answer_field(a, VALUES[i]), answer_field(b, VALUES[i])))
            return VALUES[i];
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++) {
        struct str one = answer_field(a, LISTS[i]), other = answer_field(b, LISTS[i]);
        if (!is_within(one, other) || !is_within(other, one))
            return LISTS[i];
    }
    return STR("");
}

/* As browsers decide it (Fetch, 3.2.4). */
static bool is_allowed(const struct asked *asked, struct str origin)
{
    struct str allowed = answer_field(answer_of(asked), STR("Access-Control-Allow-Origin"));

    return is_good(status_of(asked)) && (str_eq(allowed, STR("*")) || str_eq(allowed, origin));
}

static void put_values(struct finding *finding, struct str name, const struct asked *asked)
{
    struct str value = str_slice(answer_field(answer_of(asked), name), 0, 80);

    finding_add(finding, "%s \"%.*s\"", asked->side, STR_ARG(value));
}

void judge_preflight(struct finding *finding, const struct asked *a, const struct asked *b,
                     struct str origin)
{
    struct str differs = difference(answer_of(a), answer_of(b));

    finding_say(finding, RESULT_OK, "OPTIONS %.*s: ", STR_ARG(a->path));
    if (is_good(status_of(a)) != is_good(status_of(b)) || status_of(a) == 0) {
        finding->result = RESULT_FAIL;
        put_both(finding, a, b);
        finding_advise(finding, "Browsers are let in by one side only: make the CORS settings "
                                "the same on both");
    } else if (differs.len > 0) {
        finding->result = RESULT_FAIL;
        finding_add(finding, "%.*s differs: ", STR_ARG(differs));
        put_values(finding, differs, a);
        finding_add(finding, ", ");
        put_values(finding, differs, b);
        finding_advise(finding, "Make the CORS settings the same on both");
    } else if (!is_allowed(a, origin)) {
        finding->result = RESULT_WARN;
        finding_add(finding, "neither allows %.*s (%u)", STR_ARG(origin), status_of(a));
        finding_advise(finding, "Pages there cannot call this path: add the origin to the CORS "
                                "settings of both, if they should");
    } else {
        finding_add(finding, "both answer %u and allow %.*s", status_of(a), STR_ARG(origin));
    }
}

/* ---- clocks ---- */

void judge_clocks(struct finding *finding, int64_t old_ahead_s, int64_t new_ahead_s)
{
    int64_t apart = llabs(new_ahead_s - old_ahead_s);

    if (apart <= 1) {
        finding_say(finding, RESULT_OK, "old and new agree");
        return;
    }
    finding_say(finding,
                apart > CLOCK_FAIL_S   ? RESULT_FAIL
                : apart > CLOCK_WARN_S ? RESULT_WARN
                                       : RESULT_OK,
                "new is %" PRId64 " s %s of old", apart,
                new_ahead_s > old_ahead_s ? "ahead" : "behind");
    if (finding->result != RESULT_OK) {
        finding_advise(finding, "Set both by NTP: tokens of one side would be expired, or not yet "
                                "valid, on the other");
    }
}
