/*
 * check_limits.c - how large a request may be.
 *
 *     request-head   all of it at once; if that is refused: half the distance between what was
 *                    accepted and what was not, again and again, on all servers at the same time
 *     upload         one POST
 */
#include "base/check.h"
#include "doctor/check.h"

/* So near is near enough. */
#define HEAD_STEP 512

/* ---- heads ---- */

struct bisection {
    size_t accepted, refused; /* the largest, the smallest */
    struct call *refusal;     /* owned; what the smallest refused one got */
    bool is_over;
};

static size_t next_size(const struct bisection *bisection)
{
    return bisection->accepted == 0 ? bisection->refused
                                    : (bisection->accepted + bisection->refused) / 2;
}

static struct call *start_head(struct doctor *doctor, struct subject *subject, void *data)
{
    struct bisection *bisection = (struct bisection *)data + (subject - doctor->subjects);
    struct ask ask = check_ask(doctor, subject, subject->backend->health.path);

    if (bisection->is_over)
        return NULL;
    ask.head_bytes = next_size(bisection);
    return check_start(doctor, subject, &ask);
}

/* A status that says something about the head, and not about the path. */
static bool is_refusal(unsigned status)
{
    switch (status) {
    case 0:
    case 400:
    case 413:
    case 414:
    case 431:
    case 494: /* nginx's own */
    case 500:
    case 502:
    case 503:
    case 520: /* Cloudflare's */
        return true;
    default:
        return false;
    }
}

static void bisect(struct bisection *bisection, struct call **call)
{
    size_t size = next_size(bisection);

    if (!is_refusal((*call)->answers[0].message.status)) {
        bisection->is_over = size == bisection->refused;
        bisection->accepted = size;
    } else {
        if (bisection->accepted == 0)
            bisection->accepted = 1; /* anything that the others were asked with */
        bisection->refused = size;
        call_free(bisection->refusal);
        bisection->refusal = *call;
        *call = NULL;
    }
    bisection->is_over |= bisection->refused - bisection->accepted <= HEAD_STEP;
}

/* One size for each server; false when all are done. */
static bool bisect_once(struct doctor *doctor, struct bisection *bisections)
{
    struct call **calls = mem_zalloc(doctor->count, sizeof(struct call *));
    bool any = false;

    check_all(doctor, start_head, bisections, calls);
    for (unsigned i = 0; i < doctor->count; i++) {
        if (calls[i] == NULL)
            continue;
        bisect(&bisections[i], &calls[i]);
        any = true;
    }
    check_free_all(doctor, calls);
    mem_free(calls);
    return any;
}

static void note_head(struct doctor *doctor, struct subject *subject,
                      const struct bisection *bisection, size_t tried)
{
    struct finding finding;

    if (bisection->accepted <= 1)
        return;
    subject->head_accepted = bisection->accepted;
    judge_request_head(&finding, tried, bisection->accepted, bisection->refusal);
    check_add(doctor, subject, "request-head", &finding);
}

/* Of each side the server that takes least. */
static void compare_heads(struct doctor *doctor)
{
    size_t least[SIDES] = {0};
    struct finding finding;

    for (unsigned i = 0; i < doctor->count; i++) {
        const struct subject *subject = &doctor->subjects[i];
        size_t *of_side = &least[subject->side];
        if (subject->head_accepted > 0 && (*of_side == 0 || subject->head_accepted < *of_side))
            *of_side = subject->head_accepted;
    }
    if (least[SIDE_OLD] == 0 || least[SIDE_NEW] == 0)
        return;
    judge_request_heads(&finding, least[SIDE_OLD], least[SIDE_NEW]);
    check_add_both(doctor, "request-head", &finding);
}

static void check_heads(struct doctor *doctor)
{
    struct bisection *bisections = mem_zalloc(doctor->count, sizeof(*bisections));
    size_t limit = doctor->config->limits.head_bytes;
    size_t tried = doctor->options->head_bytes < limit ? (size_t)doctor->options->head_bytes
                                                       : limit; /* more never gets through */

    for (unsigned i = 0; i < doctor->count; i++) {
        bisections[i].refused = tried;
        /* Where a plain request fails already, a larger one says nothing. */
        bisections[i].is_over = is_refusal(doctor->subjects[i].status);
    }
    while (bisect_once(doctor, bisections))
        continue;
    for (unsigned i = 0; i < doctor->count; i++) {
        note_head(doctor, &doctor->subjects[i], &bisections[i], tried);
        call_free(bisections[i].refusal);
    }
    compare_heads(doctor);
    mem_free(bisections);
}

/* ---- uploads ---- */

static struct str upload_path(const struct doctor *doctor)
{
    return str_is_empty(doctor->options->upload_path) ? doctor->paths[0]
                                                      : doctor->options->upload_path;
}

static struct call *start_upload(struct doctor *doctor, struct subject *subject, void *data)
{
    struct ask ask = check_ask(doctor, subject, upload_path(doctor));

    (void)data;
    ask.method = "POST";
    ask.has_body = true;
    ask.body_bytes = doctor->options->upload_bytes;
    return check_start(doctor, subject, &ask);
}

static void check_uploads(struct doctor *doctor)
{
    struct call **calls = mem_zalloc(doctor->count, sizeof(struct call *));
    struct finding finding;

    check_all(doctor, start_upload, NULL, calls);
    for (unsigned i = 0; i < doctor->count; i++) {
        if (calls[i] == NULL)
            continue;
        struct asked asked = check_asked(&doctor->subjects[i], upload_path(doctor), calls[i]);
        judge_upload(&finding, &asked, doctor->options->upload_bytes);
        check_add(doctor, &doctor->subjects[i], "upload", &finding);
    }
    check_free_all(doctor, calls);
    mem_free(calls);
}

void check_limits(struct doctor *doctor)
{
    if (doctor->options->head_bytes > 0)
        check_heads(doctor);
    if (doctor->options->upload_bytes > 0)
        check_uploads(doctor);
}
