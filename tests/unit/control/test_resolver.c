/* test_resolver.c - when names are looked up, and what becomes of the answers, in real time. */
#include <criterion/criterion.h>

#include <fcntl.h>

#include "../names.h"
#include "control/controller.h"
#include "control/orders.h"
#include "control/resolver.h"
#include "tempdir.h"

static struct tempdir dir;
static uv_loop_t loop;
static struct controller *controller;
static struct error error;
static unsigned published;

static void publish(void *data, struct snapshot *snapshot)
{
    (void)data;
    (void)snapshot;
    published++;
}

static void write_config(const char *old_url, const char *new_url)
{
    struct buf text = BUF_EMPTY;

    buf_printf(&text,
               "listen: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\n"
               "state_file: %s/state.json\n"
               "backends:\n  old: {servers: ['%s']}\n  new: {servers: ['%s']}\n",
               dir.path, old_url, new_url);
    file_write(tempdir_file(&dir, "cutover.yaml"), buf_str(&text));
    buf_deinit(&text);
}

/* Without the prober: what checks find is up to the test. */
static void start(const char *old_url, const char *new_url)
{
    struct config_problems problems;

    write_config(old_url, new_url);
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
    published = 0;
    resolver_start(controller->resolver);
}

static void reload(const char *old_url, const char *new_url)
{
    struct control_request request = {.actor = STR("test")};
    struct config_problems problems;

    write_config(old_url, new_url);
    config_problems_init(&problems);
    cr_assert_eq(order_reload(controller, &request, &problems, &error), CONTROL_OK);
    config_problems_deinit(&problems);
}

static void setup(void)
{
    cr_assert_geq(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO), 0);
    tempdir_make(&dir);
    cr_assert_eq(uv_loop_init(&loop), 0);
}

/* A look-up that hangs must not hold up the end. */
static void teardown(void)
{
    uint64_t start_ms = clock_mono_ms();

    controller_stop(controller);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_assert_lt(clock_mono_ms() - start_ms, 1000);
    controller_deinit(controller);
    mem_free(controller);
    cr_assert_eq(uv_loop_close(&loop), 0);
    tempdir_remove(&dir);
}

TestSuite(resolver, .init = setup, .fini = teardown, .timeout = 60);

static void run_for(uint64_t time_ms)
{
    uint64_t end_ms = clock_mono_ms() + time_ms;

    while (clock_mono_ms() < end_ms) {
        uv_run(&loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static const struct controller_server *old_server(void)
{
    return &controller->backends[SIDE_OLD].servers[0];
}

/* "10.0.0.1:80 ..." of old's server, as the workers have them. */
static const char *addrs(void)
{
    static char text[SERVER_ADDRS_MAX * ADDR_TEXT_BYTES];
    const struct snapshot_server *server = &controller->snapshot->backends[SIDE_OLD].servers[0];
    size_t used = 0;

    text[0] = '\0';
    cr_assert_eq(server->addr_count, old_server()->addr_count);
    for (unsigned i = 0; i < server->addr_count; i++) {
        char addr[ADDR_TEXT_BYTES];
        struct str formatted = addr_format(&server->addrs[i], addr);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", i == 0 ? "" : " ",
                                 STR_ARG(formatted));
    }
    return text;
}

static void wait_addrs(const char *wanted, uint64_t at_most_ms)
{
    uint64_t end_ms = clock_mono_ms() + at_most_ms;

    while (strcmp(addrs(), wanted) != 0 && clock_mono_ms() < end_ms)
        run_for(5);
    cr_assert_str_eq(addrs(), wanted);
}

static void wait_asked(const char *host, unsigned wanted, uint64_t at_most_ms)
{
    uint64_t end_ms = clock_mono_ms() + at_most_ms;

    while (name_asked(host) < wanted && clock_mono_ms() < end_ms)
        run_for(5);
    cr_assert_eq(name_asked(host), wanted);
    run_for(20); /* and the answer taken */
}

/* How many events tell that the name did not resolve; `reason`: of the last one. */
static unsigned failures_told(const char **reason)
{
    unsigned told = 0;

    for (uint64_t id = 1; id < controller->events.next_id; id++) {
        const struct event *event = events_get(&controller->events, id);
        if (strcmp(event->what, "addresses") == 0 && strcmp(event->result, "unresolved") == 0) {
            told++;
            *reason = event->reason;
        }
    }
    return told;
}

static void fail_check(void)
{
    controller_note_check(controller, SIDE_OLD, 0, false, "connection refused");
}

#define NEW_URL "http://127.0.0.1:1"

/* When */

Test(resolver, a_name_is_looked_up_at_once_and_then_left_alone_for_a_while)
{
    name_is("app.fake", "10.0.0.1 2001:db8::1");
    start("http://app.fake:81", NEW_URL);
    wait_addrs("10.0.0.1:81 [2001:db8::1]:81", 1000);
    run_for(3000);
    cr_assert_eq(name_asked("app.fake"), 1);
    cr_assert_eq(published, 1);
}

Test(resolver, failures_are_tried_again_after_2_and_4_s_and_told_once)
{
    const char *reason = "";

    name_fails("app.fake", EAI_AGAIN);
    start("http://app.fake", NEW_URL);
    run_for(1900);
    cr_assert_eq(name_asked("app.fake"), 1);
    wait_asked("app.fake", 2, 500);
    run_for(3500);
    cr_assert_eq(name_asked("app.fake"), 2);
    wait_asked("app.fake", 3, 1000);
    cr_assert_eq(failures_told(&reason), 1);
    cr_assert_str_eq(reason, "the name servers do not answer, or fail");
    cr_assert_str_eq(addrs(), "");
    cr_assert_eq(published, 0);
}

Test(resolver, a_failed_check_looks_up_again_but_not_within_2_s)
{
    name_is("app.fake", "10.0.0.1");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80", 1000);
    name_is("app.fake", "10.0.0.2");
    fail_check();
    fail_check();
    run_for(1500);
    cr_assert_eq(name_asked("app.fake"), 1);
    wait_addrs("10.0.0.2:80", 1000);
    run_for(2500);
    cr_assert_eq(name_asked("app.fake"), 2);
    name_is("app.fake", "10.0.0.3");
    fail_check();
    wait_addrs("10.0.0.3:80", 100);
    for (unsigned i = 0; i < 41; i++) {
        fail_check();
        run_for(100);
    }
    cr_assert_eq(name_asked("app.fake"), 5, "every 2 s, however many fail");
}

Test(resolver, a_good_check_and_other_servers_hurry_nothing)
{
    name_is("app.fake", "10.0.0.1");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80", 1000);
    controller_note_check(controller, SIDE_OLD, 0, true, "status 200");
    controller_note_check(controller, SIDE_NEW, 0, false, "connection refused");
    run_for(2500);
    cr_assert_eq(name_asked("app.fake"), 1);
}

Test(resolver, a_reload_looks_up_again)
{
    name_is("app.fake", "10.0.0.1");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80", 1000);
    name_is("app.fake", "10.0.0.2");
    reload("http://app.fake", NEW_URL);
    cr_assert_str_eq(addrs(), "10.0.0.1:80", "carried over");
    wait_addrs("10.0.0.2:80", 2500);
}

/* What becomes of answers */

Test(resolver, the_last_good_addresses_stay)
{
    const char *reason = "";
    static const int statuses[] = {EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_NODATA};

    name_is("app.fake", "10.0.0.1 10.0.0.2");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80 10.0.0.2:80", 1000);
    for (unsigned i = 0; i < ARRAY_LEN(statuses); i++) {
        name_fails("app.fake", statuses[i]);
        fail_check();
        wait_asked("app.fake", i + 2, 2500);
        cr_assert_str_eq(addrs(), "10.0.0.1:80 10.0.0.2:80");
    }
    name_is("app.fake", "0.0.0.0 169.254.169.254");
    fail_check();
    wait_asked("app.fake", ARRAY_LEN(statuses) + 2, 2500);
    cr_assert_str_eq(addrs(), "10.0.0.1:80 10.0.0.2:80");
    cr_assert_eq(published, 1);
    cr_assert_eq(failures_told(&reason), 1);
    cr_assert_str_eq(reason, "there is no such name");
    name_is("app.fake", "10.0.0.3");
    fail_check();
    wait_addrs("10.0.0.3:80", 2500);
    name_fails("app.fake", EAI_AGAIN);
    fail_check();
    wait_asked("app.fake", ARRAY_LEN(statuses) + 4, 2500);
    cr_assert_eq(failures_told(&reason), 2, "a new row is told again");
}

Test(resolver, the_same_addresses_in_another_order_are_no_news)
{
    name_is("app.fake", "10.0.0.1 10.0.0.2");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80 10.0.0.2:80", 1000);
    uint64_t events = controller->events.next_id;
    name_is("app.fake", "10.0.0.2 10.0.0.1");
    reload("http://app.fake", NEW_URL);
    wait_asked("app.fake", 2, 2500);
    cr_assert_str_eq(addrs(), "10.0.0.1:80 10.0.0.2:80");
    cr_assert_eq(controller->events.next_id, events + 1, "the reload's own");
}

Test(resolver, a_server_that_has_moved_is_no_longer_ejected)
{
    name_is("app.fake", "10.0.0.1 10.0.0.2");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80 10.0.0.2:80", 1000);
    struct outlier_policy policy = controller->config->outlier;
    struct server *server = old_server()->server;
    for (unsigned i = 0; i < policy.consecutive_errors; i++)
        server_note_attempt(server, &policy, false, clock_mono_ms());
    cr_assert(server_is_ejected(server, clock_mono_ms()));
    name_is("app.fake", "10.0.0.2 10.0.0.3");
    fail_check();
    wait_addrs("10.0.0.2:80 10.0.0.3:80", 2500);
    cr_assert(server_is_ejected(server, clock_mono_ms()), "one of them may be the one to blame");
    name_is("app.fake", "10.0.0.4");
    fail_check();
    wait_addrs("10.0.0.4:80", 2500);
    cr_assert_not(server_is_ejected(server, clock_mono_ms()));
}

static void many(char *text, size_t size, const char *prefix, unsigned from, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        snprintf(text + strlen(text), size - strlen(text), "%s%s%u", text[0] == '\0' ? "" : " ",
                 prefix, from + i);
    }
}

static unsigned count_of(const char *part)
{
    unsigned count = 0;

    for (const char *at = addrs(); (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

Test(resolver, of_many_addresses_those_in_use_are_kept)
{
    char first[2048] = "", rotated[2048] = "", fewer[2048] = "";
    char before[2048];

    many(first, sizeof(first), "10.0.0.", 10, 50);
    name_is("app.fake", first);
    start("http://app.fake", NEW_URL);
    wait_asked("app.fake", 1, 1000);
    cr_assert_eq(old_server()->addr_count, SERVER_ADDRS_MAX);
    cr_assert_eq(count_of("10.0.0."), SERVER_ADDRS_MAX);
    snprintf(before, sizeof(before), "%s", addrs());
    many(rotated, sizeof(rotated), "10.0.0.", 40, 20);
    many(rotated, sizeof(rotated), "10.0.0.", 10, 30);
    name_is("app.fake", rotated);
    fail_check();
    wait_asked("app.fake", 2, 2500);
    cr_assert_str_eq(addrs(), before);
    cr_assert_eq(published, 1);
    many(fewer, sizeof(fewer), "10.0.0.", 25, 30); /* but for one all that were in use are gone */
    name_is("app.fake", fewer);
    fail_check();
    wait_asked("app.fake", 3, 2500);
    cr_assert_eq(old_server()->addr_count, SERVER_ADDRS_MAX);
    cr_assert_eq(count_of("10.0.0.25:"), 1);
    cr_assert_eq(count_of("10.0.0.24:"), 0);
}

Test(resolver, neither_family_takes_all_the_places)
{
    char text[4096] = "";

    many(text, sizeof(text), "2001:db8::", 100, 30);
    many(text, sizeof(text), "10.0.0.", 1, 30);
    name_is("app.fake", text);
    start("http://app.fake", NEW_URL);
    wait_asked("app.fake", 1, 1000);
    cr_assert_eq(count_of("2001:db8::"), SERVER_ADDRS_MAX / 2);
    cr_assert_eq(count_of("10.0.0."), SERVER_ADDRS_MAX / 2);
    text[0] = '\0';
    many(text, sizeof(text), "2001:db8::", 100, 30);
    many(text, sizeof(text), "10.0.0.", 1, 3);
    name_is("app.fake", text);
    fail_check();
    wait_asked("app.fake", 2, 2500);
    cr_assert_eq(count_of("2001:db8::"), SERVER_ADDRS_MAX - 3);
    cr_assert_eq(count_of("10.0.0."), 3);
}

/* Hung look-ups */

Test(resolver, a_slow_look_up_is_told_and_its_answer_taken)
{
    const char *reason = "";

    name_is("app.fake", "10.0.0.1");
    start("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80", 1000);
    name_hangs("app.fake");
    fail_check();
    wait_asked("app.fake", 2, 2500);
    run_for(4500);
    cr_assert_eq(failures_told(&reason), 0);
    run_for(2000);
    cr_assert_eq(failures_told(&reason), 1);
    cr_assert_str_eq(reason, "the look-up has not ended after 5s");
    fail_check();
    run_for(3000);
    cr_assert_eq(name_asked("app.fake"), 2, "one at a time");
    cr_assert_eq(failures_told(&reason), 1);
    cr_assert_str_eq(addrs(), "10.0.0.1:80");
    name_is("app.fake", "10.0.0.2");
    wait_addrs("10.0.0.2:80", 500);
    name_hangs("app.fake");
    fail_check();
    wait_asked("app.fake", 3, 2500);
    run_for(5500);
    cr_assert_eq(failures_told(&reason), 1, "slow again is no news");
}

Test(resolver, a_hung_look_up_outlives_a_reload_and_holds_up_nothing)
{
    name_hangs("hang.fake");
    name_is("app.fake", "10.0.0.1");
    start("http://hang.fake", NEW_URL);
    run_for(100);
    reload("http://app.fake", NEW_URL);
    wait_addrs("10.0.0.1:80", 1000);
    for (unsigned i = 0; i < 3; i++) {
        reload("http://hang.fake", NEW_URL);
        run_for(100);
        reload("http://app.fake", NEW_URL);
        run_for(100);
    }
    reload("http://hang.fake", NEW_URL);
    cr_assert_eq(name_asked("hang.fake"), 1);
    name_is("hang.fake", "10.0.0.9");
    wait_addrs("10.0.0.9:80", 1000);
}

Test(resolver, the_end_does_not_wait_for_hung_look_ups)
{
    name_hangs("hang.fake");
    start("http://hang.fake", "http://hang.fake:81");
    run_for(100);
    cr_assert_eq(name_asked("hang.fake"), 1, "both sides ask once");
}
