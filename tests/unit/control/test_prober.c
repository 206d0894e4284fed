/* test_prober.c - health checks and look-ups against a small server on the same loop. */
#include <criterion/criterion.h>
#include <netdb.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "control/controller.h"
#include "control/orders.h"
#include "control/prober.h"
#include "control/resolver.h"
#include "net/stream.h"
#include "tempdir.h"

/* A server that says one thing to everybody, or nothing. */
struct origin {
    uv_tcp_t listener;
    unsigned port;
    const char *answer; /* NULL: reads and stays silent */
    bool closes;        /* at once, without an answer */
    bool resets;        /* in answer to the first bytes */
    unsigned accepted, open, most_open;
    char request[1024]; /* the last one */
    size_t len;
};

struct guest {
    uv_tcp_t tcp;
    uv_write_t write;
    struct origin *origin;
    char buffer[1024];
};

static struct tempdir dir;
static uv_loop_t loop;
static struct stream_loop io; /* of `loop` */
static struct controller *controller;
static struct error error;
static struct origin old, new;
static bool listening;

static void on_guest_closed(uv_handle_t *handle)
{
    struct guest *guest = handle->data;

    guest->origin->open--;
    mem_free(guest);
}

static void guest_close(struct guest *guest)
{
    if (!uv_is_closing((uv_handle_t *)&guest->tcp))
        uv_close((uv_handle_t *)&guest->tcp, on_guest_closed);
}

static void guest_answer(struct guest *guest)
{
    struct origin *origin = guest->origin;
    uv_buf_t buffer;

    if (origin->answer != NULL) {
        buffer = uv_buf_init((char *)origin->answer, (unsigned)strlen(origin->answer));
        uv_write(&guest->write, (uv_stream_t *)&guest->tcp, &buffer, 1, NULL);
    }
}

static void on_guest_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct guest *guest = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(guest->buffer, sizeof(guest->buffer));
}

static void on_guest_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct guest *guest = stream->data;
    struct origin *origin = guest->origin;

    if (origin->resets && got > 0) {
        uv_tcp_close_reset(&guest->tcp, on_guest_closed);
        return;
    }
    if (got < 0 || (size_t)got > sizeof(origin->request) - 1 - origin->len) {
        guest_close(guest);
        return;
    }
    memcpy(origin->request + origin->len, buffer->base, (size_t)got);
    origin->len += (size_t)got;
    origin->request[origin->len] = '\0';
    if (strstr(origin->request, "\r\n\r\n") != NULL) {
        origin->len = 0;
        guest_answer(guest);
    }
}

static void on_guest(uv_stream_t *listener, int status)
{
    struct origin *origin = listener->data;
    struct guest *guest = mem_zalloc(1, sizeof(*guest));

    CHECK(status == 0);
    guest->origin = origin;
    uv_tcp_init(&loop, &guest->tcp);
    guest->tcp.data = guest;
    CHECK(uv_accept(listener, (uv_stream_t *)&guest->tcp) == 0);
    origin->accepted++;
    origin->open++;
    origin->most_open = origin->open > origin->most_open ? origin->open : origin->most_open;
    if (origin->closes)
        guest_close(guest);
    else
        uv_read_start((uv_stream_t *)&guest->tcp, on_guest_alloc, on_guest_read);
}

static void origin_start(struct origin *origin)
{
    struct addr addr;
    int len = sizeof(addr);

    *origin = (struct origin){.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
    uv_tcp_init(&loop, &origin->listener);
    origin->listener.data = origin;
    CHECK(addr_parse(STR("127.0.0.1:0"), &addr));
    CHECK(uv_tcp_bind(&origin->listener, &addr.any, 0) == 0);
    CHECK(uv_listen((uv_stream_t *)&origin->listener, 16, on_guest) == 0);
    CHECK(uv_tcp_getsockname(&origin->listener, (struct sockaddr *)&addr, &len) == 0);
    origin->port = addr_port(&addr);
}

static void publish(void *data, struct snapshot *snapshot)
{
    (void)data;
    (void)snapshot;
}

/* `more` goes into both backends. */
static void write_config(const char *old_url, const char *new_url, const char *more)
{
    struct buf text = BUF_EMPTY;

    buf_printf(&text,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/state.json\n"
               "backends:\n  old: {servers: ['%s']%s}\n  new: {servers: ['%s']%s}\n"
               "health: {path: '/health?x=1', interval: 150ms, timeout: 150ms}\n",
               dir.path, old_url, more, new_url, more);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
}

static const char *url_of(const struct origin *origin)
{
    static char urls[2][64];
    char *url = urls[origin == &new];

    snprintf(url, sizeof(urls[0]), "http://127.0.0.1:%u", origin->port);
    return url;
}

static void start_with(const char *old_url, const char *new_url, const char *more)
{
    struct config_problems problems;

    write_config(old_url, new_url, more);
    config_problems_init(&problems);
    struct config *config = config_load(tempdir_file(&dir, "cutover.yaml"), &problems);
    cr_assert_not_null(config, "%.*s", STR_ARG(problems.items[0].text));
    config_problems_deinit(&problems);
    struct controller_options options = {
        .loop = &loop,
        .config = config,
        .config_path = tempdir_file(&dir, "cutover.yaml"),
        .publish = publish,
    };
    controller = mem_zalloc(1, sizeof(*controller));
    cr_assert(controller_init(controller, &options, &error), "%s", error.text);
    config_unref(config);
}

static void start(const char *more)
{
    start_with(url_of(&old), url_of(&new), more);
    prober_start(controller->prober);
}

static void close_listeners(void)
{
    if (listening) {
        uv_close((uv_handle_t *)&old.listener, NULL);
        uv_close((uv_handle_t *)&new.listener, NULL);
    }
    listening = false;
}

static void setup(void)
{
    cr_assert_geq(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), 0);
    tempdir_make(&dir);
    cr_assert_eq(uv_loop_init(&loop), 0);
    loop.data = &io;
    origin_start(&old);
    origin_start(&new);
    listening = true;
}

/* Whatever a test left under way must close: a handle that is left keeps the loop from closing. */
static void teardown(void)
{
    controller_stop(controller);
    close_listeners();
    uv_run(&loop, UV_RUN_DEFAULT);
    controller_deinit(controller);
    mem_free(controller);
    cr_assert_eq(uv_loop_close(&loop), 0);
    stream_loop_deinit(&io);
    tempdir_remove(&dir);
}

TestSuite(prober, .init = setup, .fini = teardown, .timeout = 30);

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until the old server is `state`, at most for so long; false when it never was. */
static bool wait_for(enum health_state state, uint64_t at_most_ms)
{
    uint64_t end_ms = clock_mono_ms() + at_most_ms;
    uv_timer_t tick;

    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 5, 5);
    while (controller->backends[SIDE_OLD].servers[0].health.state != state &&
           clock_mono_ms() < end_ms)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return controller->backends[SIDE_OLD].servers[0].health.state == state;
}

/* The reason of the newest event about the old server. */
static const char *last_reason(void)
{
    for (uint64_t id = controller->events.next_id - 1; id > 0; id--) {
        const struct event *event = events_get(&controller->events, id);

        if (strcmp(event->subject, controller->backends[SIDE_OLD].servers[0].server->url) == 0)
            return event->reason;
    }
    return "";
}

/* Answers */

Test(prober, a_good_answer_makes_a_server_up)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    cr_assert_str_eq(last_reason(), "status 200");
    char expected[256];
    snprintf(expected, sizeof(expected),
             "GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: cutover/%s (health "
             "check)\r\nAccept: */*\r\nConnection: close\r\n\r\n",
             old.port, CUTOVER_VERSION);
    cr_assert_str_eq(old.request, expected);
    cr_assert_gt(new.accepted, 0, "new is checked at weight 0");
}

Test(prober, checks_of_a_server_never_overlap_and_go_on)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    wait_for(HEALTH_DOWN, 700);
    cr_assert_geq(old.accepted, 4);
    cr_assert_leq(old.accepted, 7);
    cr_assert_eq(old.most_open, 1);
}

struct answer {
    const char *text;
    enum health_state state;
    const char *reason;
};

static void expect_answer(const struct answer *answer)
{
    enum health_state other = answer->state == HEALTH_UP ? HEALTH_DOWN : HEALTH_UP;

    old.answer = other == HEALTH_UP ? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 500 No\r\n\r\n";
    cr_assert(wait_for(other, 5000));
    old.answer = answer->text;
    cr_assert(wait_for(answer->state, 5000), "%s", answer->text);
    cr_assert_str_eq(last_reason(), answer->reason);
}

Test(prober, answers_are_judged_by_their_status)
{
    static const struct answer answers[] = {
        {"HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nsorry", HEALTH_DOWN, "status 503"},
        {"HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\r\n", HEALTH_UP,
         "status 302"},
        {"HTTP/1.1 404 No\r\n\r\n", HEALTH_DOWN, "status 404"},
        {"HTTP/1.0 200 OK\r\n\r\nand a body", HEALTH_UP, "status 200"},
        {"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 500 No\r\n\r\n", HEALTH_DOWN, "status 500"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n", HEALTH_UP, "status 204"},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", HEALTH_DOWN,
         "status 101"},
    };

    start("");
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        expect_answer(&answers[i]);
}

Test(prober, success_codes_are_the_backends_own)
{
    old.answer = "HTTP/1.1 204 None\r\n\r\n";
    start(", health: {success_codes: 200}");
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "status 204");
}

Test(prober, garbage_is_a_failure)
{
    old.answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n";
    start("");
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_eq(strncmp(last_reason(), "malformed answer: ", 18), 0, "%s", last_reason());
}

Test(prober, a_head_without_end_is_a_failure)
{
    static char endless[20000];

    memset(endless, 'x', sizeof(endless) - 1);
    memcpy(endless, "HTTP/1.1 200 OK\r\nX: ", 20);
    old.answer = endless;
    start("");
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "malformed answer: its head is too large");
}

Test(prober, half_a_head_and_silence_is_a_timeout)
{
    old.answer = "HTTP/1.1 200 OK\r\n";
    start("");
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "timeout after 150ms");
    old.answer = "HTTP/1.1 200 OK\r\n\r\n";
    cr_assert(wait_for(HEALTH_UP, 5000), "and it goes on");
}

Test(prober, a_closed_connection_is_a_failure)
{
    old.closes = true;
    start("");
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert(strcmp(last_reason(), "connection closed without an answer") == 0 ||
                  strcmp(last_reason(), "connection reset by peer") == 0,
              "%s", last_reason());
}

Test(prober, a_refused_connection_is_a_failure)
{
    start_with(url_of(&old), url_of(&new), "");
    close_listeners();
    uv_run(&loop, UV_RUN_NOWAIT);
    prober_start(controller->prober);
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "connection refused");
}

/* Hosts */

Test(prober, the_host_is_the_one_of_requests)
{
    start(", host: app.example.org");
    cr_assert(wait_for(HEALTH_UP, 5000));
    cr_assert_not_null(strstr(old.request, "\r\nHost: app.example.org\r\n"), "%s", old.request);
}

Test(prober, a_host_of_its_own_wins)
{
    start(", host: app.example.org, health: {host: check.example.org}");
    cr_assert(wait_for(HEALTH_UP, 5000));
    cr_assert_not_null(strstr(old.request, "\r\nHost: check.example.org\r\n"), "%s", old.request);
}

/* Time */

Test(prober, a_check_that_slept_counts_for_nothing)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    old.answer = new.answer = NULL;
    unsigned before = old.accepted;
    while (old.accepted == before) /* a check that waits for an answer in vain ... */
        uv_run(&loop, UV_RUN_ONCE);
    usleep(800 * 1000); /* ... in a machine that stands still */
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_assert_eq(controller->backends[SIDE_OLD].servers[0].health.failures, 0);
    before = old.accepted;
    old.answer = new.answer = "HTTP/1.1 200 OK\r\n\r\n";
    cr_assert_not(wait_for(HEALTH_DOWN, 600));
    cr_assert_gt(old.accepted, before, "and it goes on");
}

Test(prober, an_answer_that_came_while_it_slept_counts)
{
    start(", health: {unhealthy_threshold: 1}");
    cr_assert(wait_for(HEALTH_UP, 5000));
    for (int i = 0; i < 4; i++) {
        unsigned before = old.accepted;
        while (old.accepted == before)
            uv_run(&loop, UV_RUN_ONCE);
        usleep(400 * 1000); /* longer than its timeout, and not so long that failures are void */
        cr_assert_not(wait_for(HEALTH_DOWN, 20));
    }
}

Test(prober, a_connection_that_did_not_outlive_a_stop_counts_for_nothing)
{
    start(", health: {unhealthy_threshold: 1}");
    cr_assert(wait_for(HEALTH_UP, 5000));
    old.answer = new.answer = NULL;
    unsigned before = old.accepted;
    while (old.accepted == before)
        uv_run(&loop, UV_RUN_ONCE);
    usleep(800 * 1000);
    old.resets = true;
    while (old.open > 0)
        uv_run(&loop, UV_RUN_ONCE);
    old.resets = false;
    old.answer = new.answer = "HTTP/1.1 200 OK\r\n\r\n";
    wait_for(HEALTH_DOWN, 400);
    cr_assert_eq(controller->backends[SIDE_OLD].servers[0].health.state, HEALTH_UP);
    old.answer = NULL;
    cr_assert(wait_for(HEALTH_DOWN, 5000), "what is silent later is down");
}

/* What this process is short of */

static struct rlimit take_descriptors(void)
{
    struct rlimit before, none;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    return before;
}

Test(prober, without_descriptors_a_check_counts_for_nothing)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    struct rlimit before = take_descriptors();
    unsigned accepted = old.accepted;
    cr_assert_not(wait_for(HEALTH_DOWN, 1000));
    cr_assert_leq(old.accepted, accepted + 1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    wait_for(HEALTH_DOWN, 400);
    cr_assert_gt(old.accepted, accepted + 1, "it goes on by itself");
}

/* No port is free here, as seen from the first connect on. */
static bool ports_are_gone, ports_are_gone_for_all;

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int type = 0;
    socklen_t size = sizeof(type);

    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    if (ports_are_gone && (type == SOCK_STREAM || ports_are_gone_for_all)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    return (int)syscall(SYS_connect, fd, address, len);
}

Test(prober, without_ports_a_check_counts_for_nothing)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    ports_are_gone = true;
    cr_assert_not(wait_for(HEALTH_DOWN, 1000));
    ports_are_gone = false;
    old.answer = new.answer = NULL;
    cr_assert(wait_for(HEALTH_DOWN, 5000), "what is silent later is down");
}

Test(prober, an_address_that_cannot_be_talked_to_from_here_is_a_failure)
{
    start("");
    cr_assert(wait_for(HEALTH_UP, 5000));
    ports_are_gone = ports_are_gone_for_all = true; /* as without IPv6 */
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "address not available");
}

/* Addresses */

Test(prober, the_next_address_is_tried)
{
    struct addr addrs[2];

    start_with("http://nowhere.invalid:80", url_of(&new), "");
    cr_assert(addr_parse(STR("127.0.0.1:1"), &addrs[0]));
    cr_assert(addr_parse(STR("127.0.0.1:0"), &addrs[1]));
    addr_set_port(&addrs[1], (uint16_t)old.port);
    controller_note_addrs(controller, SIDE_OLD, 0, addrs, 2, "");
    prober_start(controller->prober);
    cr_assert(wait_for(HEALTH_UP, 5000), "%s", last_reason());
    cr_assert_str_eq(last_reason(), "status 200");
}

/* The old server's name has the addresses of both origins, of which none speaks TLS. */
static void start_tls_at_both(void)
{
    struct addr addrs[2];

    new.answer = NULL;
    start_with("https://nowhere.invalid:443", "https://127.0.0.1:1", ", tls: {verify: false}");
    cr_assert(addr_parse(STR("127.0.0.1:0"), &addrs[0]));
    addrs[1] = addrs[0];
    addr_set_port(&addrs[0], (uint16_t)old.port);
    addr_set_port(&addrs[1], (uint16_t) new.port);
    controller_note_addrs(controller, SIDE_OLD, 0, addrs, 2, "");
    prober_start(controller->prober);
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_gt(old.accepted, 0);
    cr_assert_gt(new.accepted, 0, "%s", last_reason());
    cr_assert_str_eq(last_reason(), "TLS handshake: timeout after 150ms");
}

Test(prober, the_next_address_is_tried_when_a_handshake_is_cut)
{
    old.closes = true;
    start_tls_at_both();
}

Test(prober, the_next_address_is_tried_when_a_handshake_is_reset)
{
    old.resets = true;
    start_tls_at_both();
}

Test(prober, a_check_waits_for_the_first_address)
{
    struct addr addr;

    start_with("http://nowhere.invalid:80", url_of(&new), "");
    prober_start(controller->prober);
    wait_for(HEALTH_DOWN, 50);
    cr_assert_eq(controller->backends[SIDE_OLD].servers[0].health.state, HEALTH_UNKNOWN);
    cr_assert(addr_parse(STR("127.0.0.1:0"), &addr));
    addr_set_port(&addr, (uint16_t)old.port);
    controller_note_addrs(controller, SIDE_OLD, 0, &addr, 1, "");
    cr_assert(wait_for(HEALTH_UP, 5000));
    for (uint64_t id = 1; id < controller->events.next_id; id++)
        cr_assert_str_neq(events_get(&controller->events, id)->to, "down");
}

Test(prober, a_name_that_never_resolves_is_down)
{
    start_with("http://nowhere.invalid:80", url_of(&new), "");
    prober_start(controller->prober);
    cr_assert(wait_for(HEALTH_DOWN, 5000));
    cr_assert_str_eq(last_reason(), "the name has not resolved");
}

Test(prober, names_are_looked_up)
{
    char url[64];
    struct addrinfo *found;

    if (getaddrinfo("localhost", NULL, NULL, &found) != 0)
        cr_skip_test("this machine has no localhost in /etc/hosts");
    freeaddrinfo(found);
    snprintf(url, sizeof(url), "http://localhost:%u", old.port);
    start_with(url, url_of(&new), "");
    controller_start(controller);
    cr_assert(wait_for(HEALTH_UP, 10000), "%s", last_reason());
    const struct controller_server *server = &controller->backends[SIDE_OLD].servers[0];
    cr_assert_gt(server->addr_count, 0);
    cr_assert(addr_is_loopback(&server->addrs[0]));
    cr_assert_eq(addr_port(&server->addrs[0]), old.port);
    cr_assert_eq(controller->snapshot->backends[SIDE_OLD].servers[0].addr_count,
                 server->addr_count);
}

Test(prober, a_stop_does_not_wait_for_look_ups)
{
    start_with("http://nowhere.invalid:80", "http://elsewhere.invalid:80", "");
    controller_start(controller); /* and the teardown stops it while they are under way */
}

/* Reload */

static void reload(const char *old_url, const char *new_url)
{
    struct control_request request = {.actor = STR("test")};
    struct config_problems problems;

    write_config(old_url, new_url, "");
    config_problems_init(&problems);
    cr_assert_eq(order_reload(controller, &request, &problems, &error), CONTROL_OK);
    config_problems_deinit(&problems);
}

Test(prober, a_reload_checks_what_is_new_and_forgets_what_is_gone)
{
    old.answer = NULL; /* so that its check is under way at the reload */
    start("");
    uv_run(&loop, UV_RUN_NOWAIT);
    reload(url_of(&new), "http://127.0.0.1:1");
    wait_for(HEALTH_UP, 5000);
    cr_assert_eq(controller->backends[SIDE_OLD].servers[0].health.state, HEALTH_UP);
    unsigned before = old.accepted;
    wait_for(HEALTH_DOWN, 400);
    cr_assert_eq(old.accepted, before);
}

Test(prober, stopping_in_the_middle_closes_everything)
{
    old.answer = new.answer = NULL;
    start("");
    while (old.open == 0)
        uv_run(&loop, UV_RUN_ONCE);
}
