/*
 * check_pages.c - the paths, on every server: what each answer says by itself, and old beside new.
 *
 *     calls[path][subject] -> answer-head, redirects, cookies: one line each for a server, or one
 *                             for each thing that is worth telling
 *                          -> compare, cors: old's first server with each of new's
 */
#include "base/check.h"
#include "doctor/check.h"

struct pages {
    struct doctor *doctor;
    struct call **calls; /* owned: for each path one for each subject */
};

static struct call **calls_of(const struct pages *pages, unsigned path)
{
    return pages->calls + (size_t)path * pages->doctor->count;
}

/* ---- asking ---- */

static struct call *start_page(struct doctor *doctor, struct subject *subject, void *data)
{
    const struct str *path = data;
    struct ask ask = check_ask(doctor, subject, *path);

    return check_start(doctor, subject, &ask);
}

static struct call *start_preflight(struct doctor *doctor, struct subject *subject, void *data)
{
    const struct str *path = data;
    struct ask ask = check_ask(doctor, subject, *path);
    struct buf fields = BUF_EMPTY;

    /* A browser sends neither cookies nor a login along. */
    buf_printf(&fields,
               "Origin: %.*s\r\nAccess-Control-Request-Method: POST\r\n"
               "Access-Control-Request-Headers: authorization,content-type\r\n",
               STR_ARG(doctor->options->origin));
    ask.method = "OPTIONS";
    ask.fields = buf_str(&fields);
    struct call *call = check_start(doctor, subject, &ask);
    buf_deinit(&fields);
    return call;
}

/* ---- each answer ---- */

static void note_heads(struct pages *pages, unsigned index)
{
    struct doctor *doctor = pages->doctor;
    size_t bytes = 0;
    unsigned fields = 0;
    struct finding finding;

    for (unsigned i = 0; i < doctor->path_count; i++) {
        const struct answer *answer = &calls_of(pages, i)[index]->answers[0];
        bytes = answer->head_bytes > bytes ? answer->head_bytes : bytes;
        fields = answer->message.count > fields ? answer->message.count : fields;
    }
    if (bytes == 0)
        return;
    judge_answer_head(&finding, bytes, fields, &doctor->config->limits);
    check_add(doctor, &doctor->subjects[index], "answer-head", &finding);
}

static struct judge_names names_of(const struct doctor *doctor, const struct subject *subject)
{
    const struct config_backend *backend = subject->backend;

    return (struct judge_names){
        .config = doctor->config,
        .side = side_name(subject->side),
        .written =
            backend->host == HOST_LITERAL ? backend->host_literal : subject->server->authority,
        .client = doctor->options->host,
        .scheme = doctor->way.scheme,
        .is_tls = subject->server->is_tls,
    };
}

static void note_redirects(struct pages *pages, unsigned index)
{
    struct doctor *doctor = pages->doctor;
    const struct subject *subject = &doctor->subjects[index];
    struct judge_names names = names_of(doctor, subject);
    struct finding finding;
    bool any = false;

    for (unsigned i = 0; i < doctor->path_count; i++) {
        const struct answer *answer = &calls_of(pages, i)[index]->answers[0];
        struct str location = answer_field(answer, STR("Location"));
        if (str_is_empty(location) || answer->message.status / 100 != 3)
            continue;
        judge_location(&finding, &names, doctor->paths[i], location);
        check_add(doctor, subject, "redirects", &finding);
        any = true;
    }
    if (any)
        return;
    finding_say(&finding, RESULT_OK, "none");
    check_add(doctor, subject, "redirects", &finding);
}

/* The same cookie on several paths is one to tell of. */
#define COOKIES_MAX 64
struct cookies {
    struct str names[COOKIES_MAX];
    unsigned count;
    unsigned told; /* of them, with a line of their own */
};

static bool is_known(struct cookies *cookies, struct str name)
{
    for (unsigned i = 0; i < cookies->count; i++)
        if (str_eq(cookies->names[i], name))
            return true;
    if (cookies->count == COOKIES_MAX)
        return true;
    cookies->names[cookies->count++] = name;
    return false;
}

static void note_cookies_of(struct doctor *doctor, const struct subject *subject,
                            const struct message *message, struct cookies *cookies)
{
    struct judge_names names = names_of(doctor, subject);
    struct finding finding;

    for (unsigned i = 0; i < message->count; i++) {
        struct str value = message->fields[i].value;
        struct str rest = value, name = STR("");
        if (message->fields[i].id != FIELD_SET_COOKIE || !str_next_part(&rest, '=', &name) ||
            is_known(cookies, name) || !judge_cookie(&finding, &names, value))
            continue;
        check_add(doctor, subject, "cookies", &finding);
        cookies->told++;
    }
}

static void note_cookies(struct pages *pages, unsigned index)
{
    struct doctor *doctor = pages->doctor;
    const struct subject *subject = &doctor->subjects[index];
    struct cookies cookies = {.count = 0};
    struct finding finding;

    for (unsigned i = 0; i < doctor->path_count; i++) {
        const struct call *call = calls_of(pages, i)[index];
        if (call_has_answer(call))
            note_cookies_of(doctor, subject, &call->answers[0].message, &cookies);
    }
    if (cookies.told > 0)
        return;
    finding_say(&finding, RESULT_OK, "none");
    if (cookies.count > 0)
        finding_say(&finding, RESULT_OK, "%u, without a Domain", cookies.count);
    check_add(doctor, subject, "cookies", &finding);
}

/* ---- old beside new ---- */

typedef void (*judge_cb)(const struct doctor *doctor, struct finding *finding,
                         const struct asked *a, const struct asked *b);

static void judge_pages(const struct doctor *doctor, struct finding *finding, const struct asked *a,
                        const struct asked *b)
{
    (void)doctor;
    judge_compare(finding, a, b);
}

static void judge_preflights(const struct doctor *doctor, struct finding *finding,
                             const struct asked *a, const struct asked *b)
{
    judge_preflight(finding, a, b, doctor->options->origin);
}

static const struct subject *first_of(const struct doctor *doctor, struct call **calls,
                                      enum side side)
{
    for (unsigned i = 0; i < doctor->count; i++)
        if (doctor->subjects[i].side == side && calls[i] != NULL)
            return &doctor->subjects[i];
    return NULL;
}

/* The line is about the worst of new's servers. */
static void compare(struct doctor *doctor, const char *check, struct str path, struct call **calls,
                    judge_cb judge)
{
    const struct subject *old = first_of(doctor, calls, SIDE_OLD);
    struct finding worst = {.result = RESULT_OK};
    bool any = false;

    for (unsigned i = 0; i < doctor->count && old != NULL; i++) {
        const struct subject *subject = &doctor->subjects[i];
        struct finding finding;
        if (subject->side != SIDE_NEW || calls[i] == NULL)
            continue;
        struct asked a = check_asked(old, path, calls[old - doctor->subjects]);
        struct asked b = check_asked(subject, path, calls[i]);
        judge(doctor, &finding, &a, &b);
        if (!any || finding.result > worst.result)
            worst = finding;
        any = true;
    }
    if (any)
        check_add_both(doctor, check, &worst);
}

static void check_preflights(struct doctor *doctor)
{
    struct call **calls = mem_zalloc(doctor->count, sizeof(struct call *));

    for (unsigned i = 0; i < doctor->path_count; i++) {
        check_all(doctor, start_preflight, &doctor->paths[i], calls);
        compare(doctor, "cors", doctor->paths[i], calls, judge_preflights);
        check_free_all(doctor, calls);
    }
    mem_free(calls);
}

void check_pages(struct doctor *doctor)
{
    struct pages pages = {.doctor = doctor};

    pages.calls = mem_zalloc((size_t)doctor->path_count * doctor->count, sizeof(struct call *));
    for (unsigned i = 0; i < doctor->path_count; i++)
        check_all(doctor, start_page, &doctor->paths[i], calls_of(&pages, i));
    for (unsigned i = 0; i < doctor->count; i++) {
        if (doctor->subjects[i].is_skipped || str_is_empty(doctor->subjects[i].host))
            continue;
        note_heads(&pages, i);
        note_redirects(&pages, i);
        note_cookies(&pages, i);
    }
    for (unsigned i = 0; i < doctor->path_count; i++) {
        compare(doctor, "compare", doctor->paths[i], calls_of(&pages, i), judge_pages);
        check_free_all(doctor, calls_of(&pages, i));
    }
    mem_free(pages.calls);
    if (!str_is_empty(doctor->options->origin))
        check_preflights(doctor);
}
