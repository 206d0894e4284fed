/*
 * doctor.c - the order of the checks, and what stands on the screen when.
 *
 *     reach -> answers -> idle begins ... pages -> limits -> lines ... idle ends -> lines, summary
 *
 * Idle connections take by far the longest, so they lie idle beside everything else.
 */
#include "doctor/doctor.h"

#include <inttypes.h>

#include "base/check.h"
#include "config/host.h"
#include "config/values.h"
#include "doctor/check.h"

/* ---- before ---- */

/* Empty: it is the client's, and nobody has said what that is. */
static struct str asked_host(const struct doctor *doctor, const struct config_backend *backend,
                             const struct config_server *server)
{
    struct str client = doctor->options->host;

    return backend->host == HOST_CLIENT ? client
                                        : host_of_request(backend, client, server->authority);
}

static void add_subjects(struct doctor *doctor, enum side side)
{
    const struct config_backend *backend = &doctor->config->backends[side];

    for (unsigned i = 0; i < backend->server_count; i++) {
        const struct config_server *server = &backend->servers[i];
        struct subject *subject = &doctor->subjects[doctor->count];
        *subject = (struct subject){
            .side = side,
            .backend = backend,
            .server = server,
            .place = {.side = side_name(side), .server = server->url, .order = doctor->count},
            .trust = server->is_tls ? doctor->trust[side] : NULL,
            .host = asked_host(doctor, backend, server),
        };
        doctor->count++;
    }
}

static bool find_trust(struct doctor *doctor, enum side side, struct error *error)
{
    const struct config_backend *backend = &doctor->config->backends[side];
    bool has_tls = false;

    for (unsigned i = 0; i < backend->server_count; i++)
        has_tls |= backend->servers[i].is_tls;
    if (!has_tls)
        return true;
    doctor->trust[side] = tls_trust_new(backend->tls.verify, backend->tls.ca_file,
                                        backend->tls.names, backend->tls.name_count, error);
    return doctor->trust[side] != NULL;
}

/* The user's header lines must make a request, whatever else is in it. */
static bool try_request(const struct doctor *doctor, struct error *error)
{
    const struct ask ask = {
        .backend = &doctor->config->backends[SIDE_OLD],
        .method = "GET",
        .path = STR("/"),
        .host = STR("localhost"),
        .client_host = doctor->options->host,
        .fields = doctor->options->fields,
    };
    struct buf out = BUF_EMPTY;
    bool good = ask_write(&ask, &doctor->way, doctor->config, &out, error);

    buf_deinit(&out);
    return good;
}

static void add_path(struct doctor *doctor, struct str path)
{
    for (unsigned i = 0; i < doctor->path_count; i++)
        if (str_eq(doctor->paths[i], path))
            return;
    doctor->paths[doctor->path_count++] = path;
}

static void choose_paths(struct doctor *doctor)
{
    for (unsigned i = 0; i < doctor->options->path_count; i++)
        add_path(doctor, doctor->options->paths[i]);
    if (doctor->path_count > 0)
        return;
    for (unsigned side = 0; side < SIDES; side++)
        add_path(doctor, doctor->config->backends[side].health.path);
    add_path(doctor, STR("/"));
}

static size_t longest_url(const struct config *config)
{
    size_t longest = 0;

    for (unsigned side = 0; side < SIDES; side++) {
        const struct config_backend *backend = &config->backends[side];
        for (unsigned i = 0; i < backend->server_count; i++)
            if (backend->servers[i].url.len > longest)
                longest = backend->servers[i].url.len;
    }
    return longest;
}

static bool prepare(struct doctor *doctor, struct error *error)
{
    unsigned count = 0;

    ask_way_find(&doctor->way, doctor->config);
    choose_paths(doctor);
    for (unsigned side = 0; side < SIDES; side++) {
        if (!find_trust(doctor, (enum side)side, error))
            return false;
        count += doctor->config->backends[side].server_count;
    }
    doctor->subjects = mem_zalloc(count, sizeof(*doctor->subjects));
    add_subjects(doctor, SIDE_OLD);
    add_subjects(doctor, SIDE_NEW);
    return try_request(doctor, error);
}

/* ---- the checks ---- */

static void show(struct doctor *doctor, FILE *out)
{
    struct buf text = BUF_EMPTY;

    if (doctor->options->is_json)
        return;
    report_lines(&doctor->report, &text);
    fwrite(buf_str(&text).data, 1, buf_len(&text), out);
    fflush(out);
    buf_deinit(&text);
}

static void show_end(struct doctor *doctor, FILE *out)
{
    struct buf text = BUF_EMPTY;

    show(doctor, out);
    if (doctor->options->is_json)
        report_json(&doctor->report, &text);
    else
        report_summary(&doctor->report, &text);
    fwrite(buf_str(&text).data, 1, buf_len(&text), out);
    buf_deinit(&text);
}

/* So that nobody thinks that it hangs. */
static void tell_wait(const struct doctor *doctor)
{
    char text[VALUE_TEXT_BYTES];

    if (doctor->options->is_json || doctor->caller.patient == 0)
        return;
    value_duration_text(doctor->options->idle_ms, text);
    fprintf(stderr, "watching idle connections, %s at most (--idle)\n", text);
}

static void examine(struct doctor *doctor, FILE *out)
{
    check_reach(doctor);
    check_answers(doctor);
    check_idle_begin(doctor);
    check_pages(doctor);
    check_limits(doctor);
    show(doctor, out);
    tell_wait(doctor);
    check_idle_end(doctor);
    show_end(doctor, out);
}

int doctor_run(const struct config *config, const struct doctor_options *options, FILE *out,
               struct error *error)
{
    struct doctor *doctor = mem_zalloc(1, sizeof(*doctor));
    int code = 2;

    doctor->config = config;
    doctor->options = options;
    caller_init(&doctor->caller);
    report_init(&doctor->report, longest_url(config));
    if (prepare(doctor, error)) {
        examine(doctor, out);
        code = doctor->report.count[RESULT_FAIL] > 0 ? 1 : 0;
    }
    caller_deinit(&doctor->caller);
    report_deinit(&doctor->report);
    for (unsigned side = 0; side < SIDES; side++)
        tls_trust_unref(doctor->trust[side]);
    mem_free(doctor->subjects);
    mem_free(doctor);
    return code;
}
