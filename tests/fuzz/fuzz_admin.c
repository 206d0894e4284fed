/*
 * fuzz_admin.c - a call of the admin API: one request, head and body, to a real controller with its
 * state on a disk in memory.
 *
 * What was refused, and every GET, leaves all as it was; every answer in JSON is JSON. An input
 * begins with the same weights and states as every other.
 */
#include "control/api.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/answer.h"
#include "fuzz.h"
#include "http/parser.h"
#include "net/stream.h"

static char folder[64];
static char config_path[96];
static uv_loop_t loop;
static struct stream_loop io;
static struct controller *controller;
static struct rates rates;
static struct message message;

static void publish(void *data, struct snapshot *snapshot)
{
    (void)data;
    (void)snapshot;
}

static void write_config(void)
{
    FILE *file = fopen(config_path, "wb");

    CHECK(file != NULL);
    fprintf(file,
            "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
            "state_file: %s/state.json\ninitial_weight: 10\nbackends:\n"
            "  old: {name: railway, servers: [http://127.0.0.1:9001]}\n"
            "  new: {servers: [http://127.0.0.1:9002, http://127.0.0.1:9003]}\n"
            "sticky: {identity: [cookie, 'header:X-User', 'query:user', 'jwt:sub', address]}\n"
            "routes:\n"
            "  - {name: hooks, path: /webhooks/, pin: old}\n"
            "  - {name: plain, path: /plain/}\n"
            "  - {name: products, path: /api/products, weight: 30}\n",
            folder);
    CHECK(fclose(file) == 0);
}

static void start_controller(void)
{
    struct config_problems problems;
    struct error error;

    config_problems_init(&problems);
    struct config *config = config_load(config_path, &problems);
    CHECK(config != NULL);
    struct controller_options options = {
        .loop = &loop, .config = config, .config_path = config_path, .publish = publish};
    controller = mem_zalloc(1, sizeof(*controller));
    CHECK(controller_init(controller, &options, &error));
    config_unref(config);
    config_problems_deinit(&problems);
}

static void stop_controller(void)
{
    char path[128];

    controller_stop(controller);
    uv_run(&loop, UV_RUN_DEFAULT);
    controller_deinit(controller);
    mem_free(controller);
    controller = NULL;
    static const char *const names[] = {"state.json", "state.json.prev", "state.json.lock"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
}

static void clean_up(void)
{
    if (controller != NULL)
        stop_controller();
    (void)unlink(config_path);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    /* In memory, where there is such a place: each change is written, and waited for. */
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof(folder), "%s/cutover-fuzz-XXXXXX", where);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(config_path, sizeof(config_path), "%s/cutover.yaml", folder);
    CHECK(uv_loop_init(&loop) == 0);
    loop.data = &io;
    message_init(&message, ADMIN_FIELDS_MAX);
    write_config();
    atexit(clean_up);
    return 0;
}

static bool is_json(const struct admin_answer *answer)
{
    struct str type = str_of(answer->content_type);

    return str_starts_with(type, STR("application/json"));
}

/* One JSON value, with an "error" exactly when it was refused. */
static void expect_json(const struct admin_answer *answer)
{
    struct str body = buf_str(&answer->body);
    json_error_t where;
    json_t *root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &where);

    CHECK(root != NULL);
    CHECK(json_is_object(root));
    json_t *error = json_object_get(root, "error");
    bool is_error = answer->code != NULL;
    CHECK(is_error == json_is_object(error));
    CHECK(!is_error || answer->status >= 400);
    CHECK(!is_error || json_is_string(json_object_get(error, "code")));
    json_decref(root);
}

static void expect_sound(const struct admin_answer *answer, uint64_t before)
{
    struct str method = message.method;
    bool may_change = !str_eq(method, STR("GET")) && !str_eq(method, STR("HEAD"));

    CHECK(answer->status >= 200 && answer->status < 600);
    CHECK(answer->status != 500);
    if (!may_change || answer->status >= 400)
        CHECK(controller->generation == before);
    CHECK(controller->generation <= before + 1);
    CHECK(controller->state.weight <= WEIGHT_MAX);
    if (!answer->stream_events && is_json(answer))
        expect_json(answer);
    CHECK(!answer->stream_events || answer->status == 200);
}

/* As admin_conn does: a head, and whatever stands behind it as the body. */
static bool read_request(struct str input, char **copy, struct str *body)
{
    struct parser parser;
    size_t searched = 0;
    size_t len = parser_find_head(input, &searched);

    if (len == 0 || len > ADMIN_HEAD_MAX_BYTES || input.len - len > ADMIN_BODY_MAX_BYTES)
        return false;
    *copy = copy_of(input);
    *body = str_from(*copy + len, input.len - len);
    parser_init(&parser, PARSER_REQUEST);
    if (parser_head(&parser, str_from(*copy, len), &message, false) == PARSE_DONE)
        return true;
    mem_free(*copy);
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct admin_request request = {.message = &message, .peer = STR("192.0.2.1"), .rates = &rates};
    struct admin_answer answer = {.status = 0};
    struct buf out = BUF_EMPTY;
    char *copy;

    if (!read_request(input_of(data, size), &copy, &request.body))
        return 0;
    if (controller == NULL)
        start_controller();
    uint64_t before = controller->generation;
    uint64_t events_before = controller->events.next_id;
    api_answer(controller, &request, &answer);
    expect_sound(&answer, before);
    if (!answer.stream_events)
        answer_format(&answer, true, str_eq(message.method, STR("HEAD")), &out);
    /* What was changed, and what was noted, must not be there for the next input. */
    if (controller->generation != before || controller->events.next_id > events_before + 1)
        stop_controller();
    buf_deinit(&out);
    buf_deinit(&answer.body);
    mem_free(copy);
    return 0;
}
